package main

import (
	"math"
	"slices"
	"time"
)

// rule is when a measurement ends: nvbench's stdrel criterion.
type rule struct {
	Least int           // Samples that are taken in any case.
	Most  int           // Samples at most.
	Noise float64       // Relative standard deviation to reach.
	Limit time.Duration // Wall time at most, once there are Least samples.
}

// Why a measurement ended.
const (
	stable     = "noise reached"
	outOfTime  = "out of time"
	outOfTries = "most samples taken"
)

// ended returns why a measurement with these samples, which has taken so long,
// is over; "" when it goes on.
func (r rule) ended(samples []float64, took time.Duration) string {
	switch {
	case len(samples) < r.Least:
		return ""
	case noise(samples) <= r.Noise:
		return stable
	case len(samples) >= r.Most:
		return outOfTries
	case took >= r.Limit:
		return outOfTime
	}
	return ""
}

// noise returns the standard deviation over the mean; infinite for fewer than
// two samples, as nothing is known then.
func noise(samples []float64) float64 {
	n := float64(len(samples))
	if n < 2 {
		return math.Inf(1)
	}
	mean := 0.0
	for _, v := range samples {
		mean += v / n
	}
	sum := 0.0
	for _, v := range samples {
		sum += (v - mean) * (v - mean)
	}
	if sum == 0 {
		return 0
	}
	return math.Sqrt(sum/(n-1)) / mean
}

// median returns the middle sample, or the mean of the middle two.
func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	n := len(s)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// series is what was measured of one thing, in nanoseconds.
type series struct {
	Median  float64   `json:"median_ns"`
	Noise   float64   `json:"noise"`
	Ended   string    `json:"ended"`
	Samples []float64 `json:"samples_ns"`
}

// take measures things in turns, one sample of each a round, until all are
// stable or the time is over, so that a change of clocks meets all of them.
// sample returns the nanoseconds of thing i.
func take(r rule, n int, sample func(i int) (float64, error), now func() time.Time) ([]series, error) {
	out := make([]series, n)
	start := now()
	for {
		for i := range out {
			v, err := sample(i)
			if err != nil {
				return nil, err
			}
			out[i].Samples = append(out[i].Samples, v)
		}
		took, over := now().Sub(start), 0
		for i := range out {
			if out[i].Ended = r.ended(out[i].Samples, took); out[i].Ended != "" {
				over++
			}
		}
		if over == n {
			break
		}
	}
	for i := range out {
		out[i].Median, out[i].Noise = median(out[i].Samples), noise(out[i].Samples)
	}
	return out, nil
}
