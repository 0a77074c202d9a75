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

var symmetric8 = quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true}

// ends returns the real numbers of the ends of the code range.
func codeEnds(s quant.Scheme, scale float32, zero int32) (float64, float64) {
	lo, hi := s.Range()
	return float64(quant.Dequantize(lo, zero, scale)), float64(quant.Dequantize(hi, zero, scale))
}

// TestPercentileAgainstSorting compares with the order statistics of the
// values themselves: within a bin.
func TestPercentileAgainstSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	x := normal(r, 50000, 1)
	for i := range x {
		x[i] += 0.7
	}
	counts, ends := histogram(t, 2048, x)
	w, _, _ := quant.BinWidth(ends, len(counts))
	sorted, magnitudes := slices.Sorted(slices.Values(x)), make([]float32, len(x))
	for i, v := range x {
		magnitudes[i] = float32(math.Abs(float64(v)))
	}
	slices.Sort(magnitudes)
	for _, p := range []float64{90, 99, 99.9, 99.99, 100} {
		h := quant.NewRangeSearch(quant.ONNX, symmetric8, len(counts))
		scale, zero, err := h.Percentile(counts, ends, p)
		require.NoError(t, err)
		assert.Zero(t, zero)
		want := magnitudes[min(int(p/100*float64(len(x))), len(x)-1)]
		assert.InDelta(t, want, 127*scale, 1.5*float64(w), "%v %% of the magnitudes", p)

		s := quant.UInt8()
		h = quant.NewRangeSearch(quant.ONNX, s, len(counts))
		scale, zero, err = h.Percentile(counts, ends, p)
		require.NoError(t, err)
		lo, hi := codeEnds(s, scale, zero)
		tail := (1 - p/100) / 2
		k := int(tail * float64(len(x)))
		step := float64(scale) // The zero point moves the ends by half a step.
		assert.InDelta(t, sorted[k], lo, 1.5*float64(w)+step, "lower end at %v", p)
		assert.InDelta(t, sorted[len(x)-1-k], hi, 1.5*float64(w)+step, "upper end at %v", p)
	}
}

// TestHistogramMSEIsNearlyTheLeast compares the error on the values with that
// of a fine grid of ranges.
func TestHistogramMSEIsNearlyTheLeast(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, kind := range []string{"normal", "relu", "shifted", "outliers"} {
		x := normal(r, 20000, 1)
		for i := range x {
			switch kind {
			case "relu":
				x[i] = max(x[i], 0)
			case "shifted":
				x[i] = 0.3*x[i] + 0.5
			case "outliers":
				if i%5000 == 0 {
					x[i] *= 20
				}
			}
		}
		counts, ends := histogram(t, 2048, x)
		for _, s := range []quant.Scheme{quant.Activations(4, false), quant.UInt8(), {Bits: 4, Signed: true, Symmetric: true, Narrow: true}} {
			qlo, qhi := s.Range()
			lo, hi := min(slices.Min(x), 0), max(slices.Max(x), 0)
			best := math.Inf(1)
			for i := 1; i <= 25; i++ {
				for j := 1; j <= 25; j++ {
					scale, zero, err := quant.ONNX.ScaleZero(s, lo*float32(i)/25, hi*float32(j)/25)
					require.NoError(t, err)
					best = min(best, quant.SquaredError(quant.ONNX, x, scale, zero, qlo, qhi, best))
				}
			}
			scale, zero, err := quant.NewRangeSearch(quant.ONNX, s, len(counts)).MSE(counts, ends)
			require.NoError(t, err)
			got := quant.SquaredError(quant.ONNX, x, scale, zero, qlo, qhi, math.Inf(1))
			assert.Less(t, got, 1.05*best, "%s %v", kind, s)
		}
	}
}

// entropyByDefinition is TensorRT's calibration, written out.
func entropyByDefinition(p []float64, levels, start int) int {
	best, at := math.Inf(1), len(p)
	for i := start; i <= len(p); i++ {
		ref := slices.Clone(p[:i])
		for _, c := range p[i:] {
			ref[i-1] += c
		}
		q := make([]float64, i)
		for l := range levels {
			sum, n := 0.0, 0.0
			for j := range i {
				if j*levels/i == l && p[j] > 0 {
					sum, n = sum+p[j], n+1
				}
			}
			for j := range i {
				if j*levels/i == l && p[j] > 0 {
					q[j] = sum / n
				}
			}
		}
		var total, totalQ, kl float64
		for j := range i {
			total, totalQ = total+ref[j], totalQ+q[j]
		}
		for j := range i {
			if ref[j] > 0 {
				kl += ref[j] / total * math.Log(ref[j]/total/(q[j]/totalQ))
			}
		}
		if kl <= best {
			best, at = kl, i
		}
	}
	return at
}

func TestEntropyAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const bins = 256
	for _, std := range []float64{0.5, 1, 4} {
		x := normal(r, 5000, std)
		for i := 0; i < len(x); i += 500 {
			x[i] *= 8
		}
		counts, ends := histogram(t, bins, x)
		w, first, _ := quant.BinWidth(ends, bins)
		p := make([]float64, bins)
		for i, c := range counts {
			g := first + i
			if g < 0 {
				g = -g - 1
			}
			p[g] += float64(c)
		}
		for p[len(p)-1] == 0 {
			p = p[:len(p)-1]
		}
		p[0] = p[1]
		s := quant.Scheme{Bits: 4, Signed: true, Symmetric: true, Narrow: true}
		edge := float32(entropyByDefinition(p, 7, max(7, len(p)/16))) * w
		scale, _, err := quant.NewRangeSearch(quant.ONNX, s, bins).Entropy(counts, ends)
		require.NoError(t, err)
		want, _, err := quant.ONNX.ScaleZero(s, -edge, edge)
		require.NoError(t, err)
		assert.Equal(t, want, scale)
		assert.Less(t, 7*float64(scale), float64(slices.Max(x)), "outliers are clipped")
	}
}

func TestRangeSearchRefuses(t *testing.T) {
	h := quant.NewRangeSearch(quant.ONNX, symmetric8, 8)
	counts, ends := make([]int64, 8), []float32{0, 8}
	check := func(counts []int64, ends []float32) {
		_, _, err := h.MSE(counts, ends)
		assert.ErrorIs(t, err, quant.ErrRange)
		_, _, err = h.Entropy(counts, ends)
		assert.ErrorIs(t, err, quant.ErrRange)
		_, _, err = h.Percentile(counts, ends, 99)
		assert.ErrorIs(t, err, quant.ErrRange)
	}
	check(counts, ends)             // Empty.
	check(counts, []float32{1, -1}) // Unseen.
	check(make([]int64, 16), ends)  // Another number of bins.
	counts[3] = -1
	check(counts, ends)
	counts[3] = 1
	for _, p := range []float64{0, -1, 100.1, math.NaN()} {
		_, _, err := h.Percentile(counts, ends, p)
		assert.ErrorIs(t, err, quant.ErrRange, "%v", p)
	}
	for _, search := range []func() (float32, int32, error){
		func() (float32, int32, error) { return h.MSE(counts, ends) },
		func() (float32, int32, error) { return h.Entropy(counts, ends) },
		func() (float32, int32, error) { return h.Percentile(counts, ends, 50) },
	} {
		scale, _, err := search()
		require.NoError(t, err)
		assert.InDelta(t, 3.5/127, scale, 0.6/127, "a single value")
	}
}

// TestSearchShrink checks that the search finds the least error of its own
// candidates, giving up early or not, and never loses to the full range.
func TestSearchShrink(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, s := range []quant.Scheme{quant.Weights(2), quant.Weights(4), quant.Weights(8), quant.Activations(3, false)} {
		x := normal(r, 1000, 1)
		x[7] = 25
		lo, hi := s.Range()
		scale, zero, err := quant.SearchShrink(quant.ONNX, s, slices.Min(x), slices.Max(x), func(sc float32, z int32, bound float64) float64 {
			return quant.SquaredError(quant.ONNX, x, sc, z, lo, hi, bound)
		})
		require.NoError(t, err)
		best := math.Inf(1)
		for i := 1; i <= 100; i++ {
			sc, z, err := quant.ONNX.ScaleZero(s, slices.Min(x)*float32(i)/100, slices.Max(x)*float32(i)/100)
			require.NoError(t, err)
			best = min(best, quant.SquaredError(quant.ONNX, x, sc, z, lo, hi, math.Inf(1)))
		}
		got := quant.SquaredError(quant.ONNX, x, scale, zero, lo, hi, math.Inf(1))
		assert.LessOrEqual(t, got, best*(1+1e-4), "%v", s)
	}
	scale, zero, err := quant.SearchShrink(quant.ONNX, quant.Weights(4), 0, 0, func(float32, int32, float64) float64 { return 0 })
	require.NoError(t, err)
	assert.Equal(t, float32(1), scale)
	assert.Zero(t, zero)
	_, _, err = quant.SearchShrink(quant.ONNX, quant.Weights(4), 0, float32(math.Inf(1)), func(float32, int32, float64) float64 { return 0 })
	assert.ErrorIs(t, err, quant.ErrRange)
}

// TestSquaredErrorByDefinition compares with one sum in float64.
func TestSquaredErrorByDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, n := range []int{0, 1, 511, 512, 513, 2000} {
		x := normal(r, n, 1)
		var want float64
		for _, v := range x {
			q := min(max(math.RoundToEven(float64(v/0.3))+1, -4), 3)
			d := float64(v) - float64(float32(q-1)*0.3)
			want += d * d
		}
		assert.InDelta(t, want, quant.SquaredError(quant.ONNX, x, 0.3, 1, -4, 3, math.Inf(1)), 1e-9*(1+want))
		if n > 512 {
			assert.Greater(t, quant.SquaredError(quant.ONNX, x, 0.3, 1, -4, 3, 1), 1.0, "stopped beyond the bound")
		}
	}
}
