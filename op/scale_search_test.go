package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// fakeQuantError is the squared error of quantizing x.
func fakeQuantError(t *testing.T, s quant.Scheme, x, scale, zero *tensor.Tensor) (sum float64) {
	y := apply32(t, backend.FakeQuant{Scheme: s}, x, scale, zero)[0]
	for i, v := range x.F32() {
		d := float64(v) - float64(y.F32()[i])
		sum += d * d
	}
	return sum
}

// TestScaleSearchClipsOutliers runs observer and search over two batches and
// checks what each method makes of a single outlier.
func TestScaleSearchClipsOutliers(t *testing.T) {
	const bins = 2048
	x := normal32(11, 1, 100000)
	x.F32()[5] = 30
	for _, s := range []quant.Scheme{quant.Activations(4, true), {Bits: 4, Signed: true, Symmetric: true}, quant.UInt8()} {
		lo, hi := unseen(1)
		counts, ends := tensor.New(tensor.Of(tensor.I64, bins)), tensor.FromF32([]float32{lo.F32()[0], hi.F32()[0]}, 2)
		for _, part := range [][2]int{{0, 40000}, {40000, 100000}} {
			v, _ := x.View(part[0], part[1])
			apply32(t, backend.ObserveHistogram{Bins: bins}, v, counts, ends)
		}
		apply32(t, backend.ObserveMinMax{}, x, lo, hi)
		scale, zero := tensor.New(tensor.Of(tensor.F32, 1)), tensor.New(tensor.Of(tensor.I32, 1))
		apply32(t, backend.ScaleZero{Scheme: s}, lo, hi, scale, zero)
		full := fakeQuantError(t, s, x, scale, zero)
		fullScale := scale.F32()[0]
		apply32(t, backend.ScaleMSE{Scheme: s}, x, scale, zero)
		best := fakeQuantError(t, s, x, scale, zero)
		for _, op := range []backend.ScaleSearch{
			{Scheme: s, Method: backend.SearchPercentile, Percentile: 99.99},
			{Scheme: s, Method: backend.SearchMSE},
			{Scheme: s, Method: backend.SearchEntropy},
		} {
			apply32(t, op, counts, ends, scale, zero)
			e := fakeQuantError(t, s, x, scale, zero)
			// With 8 bits clipping the outlier costs more than it saves.
			if s.Bits == 4 || op.Method != backend.SearchMSE {
				assert.Less(t, scale.F32()[0], fullScale/1.3, "%v of %v clips", op.Method, s)
			}
			if s.Bits == 4 {
				assert.Less(t, e, full/2, "%v of %v", op.Method, s)
			}
			if op.Method == backend.SearchMSE {
				assert.Less(t, e, 1.02*math.Min(best, full), "%v of %v", op.Method, s)
			}
		}
		apply32(t, backend.ScaleSearch{Scheme: s, Percentile: 100}, counts, ends, scale, zero)
		assert.InEpsilon(t, fullScale, scale.F32()[0], 0.01, "all of %v", s)
	}
}
