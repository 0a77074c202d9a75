package main

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestMedianAndNoise(t *testing.T) {
	require.Equal(t, 3.0, median([]float64{9, 3, 1}))
	require.Equal(t, 2.5, median([]float64{4, 1, 3, 2}))
	require.True(t, math.IsNaN(median(nil)))
	require.InDelta(t, math.Sqrt(2)/3, noise([]float64{2, 4}), 1e-15)
	require.Zero(t, noise([]float64{5, 5, 5}))
	require.Zero(t, noise([]float64{0, 0}))
	require.True(t, math.IsInf(noise([]float64{1}), 1))
}

func TestRule(t *testing.T) {
	r := rule{Least: 3, Most: 5, Noise: 0.005, Limit: time.Second}
	require.Empty(t, r.ended([]float64{1, 1}, time.Hour))
	require.Equal(t, stable, r.ended([]float64{1000, 1001, 1002}, 0))
	require.Empty(t, r.ended([]float64{1000, 1010, 1020}, 0))
	require.Equal(t, outOfTime, r.ended([]float64{1000, 1010, 1020}, time.Second))
	require.Equal(t, outOfTries, r.ended([]float64{1, 2, 3, 4, 5}, 0))
}

// TestTake: things are measured in turns, and a stable one goes on until the
// others are.
func TestTake(t *testing.T) {
	var order []int
	n := 0
	now := func() time.Time { return time.Unix(0, 0) }
	got, err := take(rule{Least: 2, Most: 4, Noise: 0.005, Limit: time.Hour}, 2, func(i int) (float64, error) {
		order = append(order, i)
		n++
		if i == 0 {
			return 100, nil
		}
		return float64(n), nil
	}, now)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 0, 1, 0, 1, 0, 1}, order)
	require.Equal(t, series{Median: 100, Ended: stable, Samples: []float64{100, 100, 100, 100}}, got[0])
	require.Equal(t, outOfTries, got[1].Ended)
	require.Equal(t, 5.0, got[1].Median)

	bad := errors.New("bad")
	_, err = take(rule{Least: 1}, 1, func(int) (float64, error) { return 0, bad }, now)
	require.ErrorIs(t, err, bad)
}
