package quant_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

// histogram observes batches one after the other.
func histogram(t testing.TB, bins int, batches ...[]float32) (counts []int64, ends []float32) {
	counts, ends = make([]int64, bins), []float32{float32(math.Inf(1)), float32(math.Inf(-1))}
	for _, x := range batches {
		require.NoError(t, quant.GrowHistogram(counts, ends, slices.Min(x), slices.Max(x)))
		quant.CountHistogram(counts, ends, x)
	}
	return counts, ends
}

func normal(r *rand.Rand, n int, std float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64() * std)
	}
	return x
}

// TestHistogramDoesNotDependOnOrder observes the same values in any order and
// cut into batches in any way.
func TestHistogramDoesNotDependOnOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		bins := 2 + r.IntN(300)
		x := normal(r, 1+r.IntN(500), math.Exp2(r.Float64()*40-20))
		for i := range x {
			x[i] *= float32(math.Exp2(float64(r.IntN(8))))
		}
		counts, ends := histogram(t, bins, x)
		r.Shuffle(len(x), func(i, j int) { x[i], x[j] = x[j], x[i] })
		var batches [][]float32
		for rest := x; len(rest) > 0; {
			n := 1 + r.IntN(len(rest))
			batches, rest = append(batches, rest[:n]), rest[n:]
		}
		again, ends2 := histogram(t, bins, batches...)
		require.Equal(t, ends, ends2)
		require.Equal(t, counts, again)
	}
}

// TestHistogramHoldsEveryValue checks the edges: each count is that of the
// values between them, and half of the bins at least are in use.
func TestHistogramHoldsEveryValue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, bins := range []int{2, 7, 64, 2048} {
		x := append(normal(r, 1000, 3), 0, float32(math.Copysign(0, -1)), 4, -4, 0.5, -0.5)
		counts, ends := histogram(t, bins, x)
		w, first, ok := quant.BinWidth(ends, bins)
		require.True(t, ok)
		frac, _ := math.Frexp(float64(w))
		assert.Equal(t, 0.5, frac, "a power of two")
		assert.Equal(t, ends[0], float32(first)*w)
		for i, c := range counts {
			lo, hi := float32(first+i)*w, float32(first+i+1)*w
			n := int64(0)
			for _, v := range x {
				if v >= lo && v < hi {
					n++
				}
			}
			require.Equal(t, n, c, "bin %d", i)
		}
		used := float64(slices.Max(x)-slices.Min(x)) / float64(w)
		assert.Greater(t, used, float64(bins)/2-2, "%d bins", bins)
	}
}

func TestHistogramRefuses(t *testing.T) {
	counts, ends := make([]int64, 8), []float32{1, -1}
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	assert.ErrorIs(t, quant.GrowHistogram(counts, ends, nan, 1), quant.ErrNaN)
	assert.ErrorIs(t, quant.GrowHistogram(counts, ends, 0, nan), quant.ErrNaN)
	assert.ErrorIs(t, quant.GrowHistogram(counts, ends, -inf, 1), quant.ErrRange)
	assert.ErrorIs(t, quant.GrowHistogram(counts, ends, 2, 1), quant.ErrRange)
	assert.ErrorIs(t, quant.GrowHistogram(counts, ends, 0, math.MaxFloat32), quant.ErrRange)
	assert.ErrorIs(t, quant.GrowHistogram(counts[:1], ends, 0, 1), quant.ErrRange)
	assert.Equal(t, []float32{1, -1}, ends)
	for _, bad := range [][]float32{{0, 3}, {1, 9}, {-0.3, 7.7}, {-16, -8}, {0, inf}, {-inf, inf}} {
		assert.ErrorIs(t, quant.GrowHistogram(counts, slices.Clone(bad), 0, 1), quant.ErrRange, "%v", bad)
	}
	require.NoError(t, quant.GrowHistogram(counts, ends, -1e30, 1e30))
	quant.CountHistogram(counts, ends, []float32{inf, -inf, 3e38}) // Outside: the nearest bins, and no panic.
	assert.Equal(t, int64(2), counts[7])
}

func FuzzGrowHistogram(f *testing.F) {
	f.Add(float32(0), float32(8), float32(-3), float32(20), 8)
	f.Add(float32(-4), float32(4), float32(0), float32(0), 4)
	f.Add(float32(math.Inf(1)), float32(math.Inf(-1)), float32(1e-45), float32(1e-45), 2048)
	f.Fuzz(func(t *testing.T, a, b, lo, hi float32, bins int) {
		if bins < 0 || bins > 4096 {
			return
		}
		counts, ends := make([]int64, bins), []float32{a, b}
		for i := range counts {
			counts[i] = int64(i % 3)
		}
		seen := a < b
		var before, after int64
		for _, c := range counts {
			before += c
		}
		if err := quant.GrowHistogram(counts, ends, lo, hi); err != nil {
			return
		}
		for _, c := range counts {
			after += c
		}
		if seen {
			require.Equal(t, before, after)
		}
		require.LessOrEqual(t, ends[0], min(lo, 0))
		require.Greater(t, ends[1], max(hi, 0))
		_, _, ok := quant.BinWidth(ends, bins)
		require.True(t, ok)
	})
}
