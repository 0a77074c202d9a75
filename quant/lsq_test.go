package quant_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

// TestLSQGradFormula works the formula by hand: s = 0.5, zero = 1, codes
// [-2, 3], all with exact arithmetic.
func TestLSQGradFormula(t *testing.T) {
	x := []float32{0.125, -0.375, 1, 1.25, 1.5, -1.5, -2, nan32}
	dy := []float32{1, 2, 4, 8, 16, 32, 64, 128}
	dx := make([]float32, len(x))
	ds, dz := []float64{0}, []float64{0}
	nan := quant.LSQGrad(quant.ONNX, dx, dy, x, []float32{0.5}, []int32{1}, -2, 3, ds, dz, flat(len(x)), 0, len(x))
	assert.Equal(t, 1, nan)
	// x/s: .25 -.75 2 2.5 3 -3 -4 NaN; with zero: 1 0 3 3(tie to 2) 4 -2 -3
	assert.Equal(t, []float32{1, 2, 4, 8, 0, 32, 0, 0}, dx)
	want := 1*(0-0.25) + 2*(-1+0.75) + 4*0 + 8*(2-2.5) + 16*(3-1) + 32*0 + 64*(-2-1)
	assert.Equal(t, want, ds[0])
	assert.Equal(t, -(16+64)*0.5, dz[0])
}

func TestLSQFactor(t *testing.T) {
	assert.InEpsilon(t, 1/math.Sqrt(512*127), quant.LSQFactor(512, 127), 1e-15)
	assert.Equal(t, 1.0, quant.LSQFactor(0, 0))
}

// TestLSQGradTiles cuts the array at multiples of the block, and also runs
// each block into its own sums that are added in order: the same bits.
func TestLSQGradTiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	const block = quant.LSQBlock
	for _, l := range []quant.Layout{
		flat(3*block + 77), {Outer: 400, Channels: 37, Inner: 1}, {Outer: 3, Channels: 3, Inner: 1500},
		{Outer: 1, Channels: 500, Inner: 32}, {Outer: 2, Channels: 5, Inner: 4096}, {Outer: 5, Channels: 1, Inner: 4000},
		{Outer: 2, Channels: 1025, Inner: 4}, {Outer: 3, Channels: 2, Inner: 2100},
	} {
		n := l.Numel()
		scale, zero := make([]float32, l.Channels), make([]int32, l.Channels)
		for c := range scale {
			scale[c], zero[c] = 0.02+rng.Float32()/10, rng.Int32N(30)-15
		}
		x, dy := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i], dy[i] = float32(rng.NormFloat64()*3), float32(rng.NormFloat64())
		}
		for _, r := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
			dx, ds, dz := make([]float32, n), make([]float64, l.Channels), make([]float64, l.Channels)
			quant.LSQGrad(r, dx, dy, x, scale, zero, -128, 127, ds, dz, l, 0, n)

			naive := make([]float64, l.Channels)
			for i := range x {
				c := i / l.Inner % l.Channels
				code, in := r.Quantize(x[i], scale[c], zero[c], -128, 127)
				term := float64(code - zero[c])
				if in {
					term -= float64(x[i]) / float64(scale[c])
					require.Equal(t, dy[i], dx[i])
				} else {
					require.Zero(t, dx[i])
				}
				naive[c] += float64(dy[i]) * term
			}
			for c := range naive {
				require.InDelta(t, naive[c], ds[c], 1e-2)
			}

			for _, step := range []int{block, 2 * block} {
				gx, gs, gz := make([]float32, n), make([]float64, l.Channels), make([]float64, l.Channels)
				ps, pz := make([]float64, l.Channels), make([]float64, l.Channels)
				for from := 0; from < n; from += step {
					to := min(from+step, n)
					quant.LSQGrad(r, gx, dy, x, scale, zero, -128, 127, gs, gz, l, from, to)
					if step != block {
						continue
					}
					rows, cols := make([]float64, l.Channels), make([]float64, l.Channels)
					quant.LSQGrad(r, gx, dy, x, scale, zero, -128, 127, rows, cols, l, from, to)
					for c := range ps {
						ps[c] += rows[c]
						pz[c] += cols[c]
					}
				}
				require.Equal(t, dx, gx)
				require.Equal(t, ds, gs, "%v", l)
				require.Equal(t, dz, gz, "%v", l)
				if step == block {
					require.Equal(t, ds, ps, "%v", l)
					require.Equal(t, dz, pz, "%v", l)
				}
			}
			gs := make([]float64, l.Channels)
			quant.LSQGrad(r, dx, dy, x, scale, zero, -128, 127, gs, nil, l, 0, n)
			require.Equal(t, ds, gs)
		}
	}
}
