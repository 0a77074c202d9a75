package bench

import (
	"context"
	"runtime"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat"
)

// Options of [Measure]. The zero value measures for a second.
type Options struct {
	// Batch is the samples of a run that the caller expects, which must be
	// those of the session; 0 takes the session's.
	Batch int
	// Warmup is the number of untimed runs before: 5 when 0, none when
	// negative.
	Warmup int
	// MinTime is how long to go on measuring, 1 s when 0; MinRuns and MaxRuns
	// bound the number of timed runs, 20 and 100,000 when 0.
	MinTime          time.Duration
	MinRuns, MaxRuns int
}

func (o *Options) defaults() {
	if o.Warmup == 0 {
		o.Warmup = 5
	}
	o.Warmup = max(o.Warmup, 0)
	if o.MinTime == 0 {
		o.MinTime = time.Second
	}
	if o.MinRuns == 0 {
		o.MinRuns = 20
	}
	if o.MaxRuns == 0 {
		o.MaxRuns = 100_000
	}
	o.MaxRuns = max(o.MaxRuns, 1)
	o.MinRuns = min(max(o.MinRuns, 1), o.MaxRuns)
}

// clock returns the time since some start. It never goes back.
type clock func() time.Duration

func wallClock() clock {
	start := time.Now()
	return func() time.Duration { return time.Since(start) }
}

// timeRuns calls run o.Warmup times and then, timed, until o.MinTime has
// passed and o.MinRuns are done. It returns the times in milliseconds. The
// timed loop allocates nothing; the time of a run ends where that of the next
// begins.
func timeRuns(ctx context.Context, now clock, o Options, run func(i int) error) ([]float64, error) {
	for i := range o.Warmup {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := run(i); err != nil {
			return nil, err
		}
	}
	times := make([]float64, 0, o.MaxRuns)
	runtime.GC() // What setting up left behind is not collected while timing.
	start := now()
	last := start
	for len(times) < o.MinRuns || (last-start < o.MinTime && len(times) < o.MaxRuns) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := run(len(times)); err != nil {
			return nil, err
		}
		t := now()
		times = append(times, float64(t-last)/float64(time.Millisecond))
		last = t
	}
	return times, nil
}

// newLatency summarizes times in milliseconds, which it sorts.
func newLatency(times []float64, batch, warmup int) Latency {
	slices.Sort(times)
	at := func(p float64) float64 { return stat.Quantile(p, stat.Empirical, times, nil) }
	l := Latency{Batch: batch, Warmup: warmup, Runs: len(times), P50: at(0.5), P90: at(0.9), P99: at(0.99), Mean: stat.Mean(times, nil)}
	if l.P50 > 0 {
		l.Throughput = float64(batch) / l.P50 * 1000
	}
	return l
}
