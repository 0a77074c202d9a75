package quant_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// params returns the parameters and the layout of a per-tensor or
// per-channel case.
func (c torchCase) params(t *testing.T, load func(string) array, shape []int) ([]float32, []int32, quant.Layout) {
	s := quant.Scheme{Bits: 8, Signed: true}
	if c.Kind == "per_channel" {
		s.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: c.Axis}
		l, err := s.Layout(tensor.Shape(shape))
		require.NoError(t, err)
		return load(c.ID + ".scale").v, load(c.ID + ".zp").ints(), l
	}
	l, err := s.Layout(tensor.Shape(shape))
	require.NoError(t, err)
	return []float32{float32(c.Scale)}, []int32{c.ZP}, l
}

func bit(mask []byte, i int) bool { return mask[i/8]>>(i%8)&1 == 1 }

// requireBits requires the same bits, and allows 0 for -0: torch multiplies
// by the mask and keeps the sign of what it masks.
func requireBits(t *testing.T, want, got []float32, what string) {
	t.Helper()
	require.Equal(t, len(want), len(got), what)
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) && (want[i] != 0 || got[i] != 0) {
			require.Failf(t, "bits differ", "%s[%d]: want %v, have %v", what, i, want[i], got[i])
		}
	}
}

func TestTorchFakeQuantize(t *testing.T) {
	cases, load := torchVectors(t)
	n := 0
	for _, c := range cases {
		if c.Kind != "per_tensor" && c.Kind != "per_channel" {
			continue
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			x := load(c.ID + ".x")
			scale, zero, l := c.params(t, load, x.shape)
			y, mask := make([]float32, len(x.v)), make([]byte, (len(x.v)+7)/8)
			nan := quant.FakeQuantize(quant.PyTorch, y, mask, x.v, scale, zero, c.QMin, c.QMax, l, 0, len(x.v))
			require.Zero(t, nan)
			requireBits(t, load(c.ID+".y").v, y, "y")
			for i, m := range load(c.ID + ".mask").v {
				require.Equal(t, m == 1, bit(mask, i), "mask %d of x=%v", i, x.v[i])
			}
			g := load(c.ID + ".g").v
			dx := make([]float32, len(g))
			quant.STEGrad(dx, g, mask, 0, len(g))
			requireBits(t, load(c.ID+".dx").v, dx, "dx")
			requireBits(t, load(c.ID+".lsq_y").v, y, "lsq_y")
		})
	}
	assert.Greater(t, n, 100)
}

// torchBackwardCode is the unclamped integer of torch's learnable backward
// kernels: the zero point is added before rounding, in one fused
// multiply-add, and the conversion to int64 gives the least integer from 2^63
// on, so that a huge positive x gets the gradient of the wrong end.
func torchBackwardCode(x, scale float32, zero int32) float64 {
	v := math.RoundToEven(float64(float32(math.FMA(float64(x), float64(1/scale), float64(zero)))))
	if v >= 0x1p63 {
		return math.MinInt64
	}
	return v
}

// scaleTerm is one element's factor of the scale's gradient.
func scaleTerm(q float64, x, scale float32, zero, lo, hi int32) (term float64, inside bool) {
	switch {
	case q < float64(lo):
		return float64(lo) - float64(zero), false
	case q > float64(hi):
		return float64(hi) - float64(zero), false
	}
	return q - float64(zero) - float64(x)/float64(scale), true
}

// TestTorchLSQ compares with _fake_quantize_learnable_*_backward. What that
// kernel does and we do not is taken out of its sums element by element: the
// fused multiply-add, which moves ties, and the overflow. Its per-tensor zero
// point is trunc(zero+0.5), one too high for negative ones, and is given to
// LSQGrad as it is.
func TestTorchLSQ(t *testing.T) {
	rule := quant.PyTorch
	rule.ZeroInside = true
	cases, load := torchVectors(t)
	exact := 0
	for _, c := range cases {
		if c.Kind != "per_tensor" && c.Kind != "per_channel" {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			x, g := load(c.ID+".x"), load(c.ID+".g").v
			scale, zero, l := c.params(t, load, x.shape)
			if c.Kind == "per_tensor" && zero[0] < 0 {
				zero[0]++
			}
			dx := make([]float32, len(g))
			ds, dz := make([]float64, len(scale)), make([]float64, len(scale))
			nan := quant.LSQGrad(rule, dx, g, x.v, scale, zero, c.QMin, c.QMax, ds, dz, l, 0, len(g))
			require.Zero(t, nan)

			wantX, wantS, wantZ := load(c.ID+".lsq_dx").v, load(c.ID+".lsq_ds").v, load(c.ID+".lsq_dz").v
			fixS, fixZ, size := make([]float64, len(scale)), make([]float64, len(scale)), make([]float64, len(scale))
			moved := 0
			for i, v := range x.v {
				ch := i / l.Inner % l.Channels
				s, z := scale[ch], zero[ch]
				theirs := torchBackwardCode(v, s, z)
				ours := math.RoundToEven(float64(float32(v*(1/s)) + float32(z)))
				a, inA := scaleTerm(theirs, v, s, z, c.QMin, c.QMax)
				b, inB := scaleTerm(ours, v, s, z, c.QMin, c.QMax)
				size[ch] += math.Abs(float64(g[i])) * max(math.Abs(b), 0.5)
				if inA == inB {
					require.Equal(t, wantX[i]+0, dx[i]+0, "lsq_dx[%d], x=%v", i, v)
				} else {
					fixZ[ch] += float64(g[i]) * float64(s) * (b2f(inB) - b2f(inA))
				}
				if a != b {
					moved++
					fixS[ch] += float64(g[i]) * (b - a)
					frac := math.Abs(float64(v) / float64(s))
					frac -= math.Floor(frac)
					require.True(t, theirs == math.MinInt64 || math.Abs(frac-0.5) < 1e-3+math.Abs(float64(v/s))*2e-7, "x/s=%v is no tie: %v, %v", v/s, theirs, ours)
				}
			}
			if moved == 0 {
				exact++
			}
			for ch := range scale {
				s, z := ds[ch]*c.GradFactor, dz[ch]*c.GradFactor
				want := float64(wantS[ch]) + fixS[ch]*c.GradFactor
				wz := float64(wantZ[ch]) + fixZ[ch]*c.GradFactor
				// Terms cancel, so the sum of their sizes bounds the error too.
				assert.InDelta(t, want, s, 1e-5*max(math.Abs(want), size[ch]*c.GradFactor), "ds[%d]", ch)
				assert.InDelta(t, wz, z, 1e-5*max(math.Abs(wz), float64(scale[ch])*c.GradFactor), "dz[%d]", ch)
			}
		})
	}
	assert.Greater(t, exact, 40, "cases that need no correction")
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func TestTorchNonfinite(t *testing.T) {
	cases, load := torchVectors(t)
	n := 0
	for _, c := range cases {
		if c.Kind != "nonfinite" {
			continue
		}
		n++
		x, want, wantMask := load(c.ID+".x").v, load(c.ID+".y").v, load(c.ID+".mask").v
		y, mask := make([]float32, len(x)), make([]byte, 1)
		nan := quant.FakeQuantize(quant.PyTorch, y, mask, x, []float32{float32(c.Scale)}, []int32{c.ZP}, c.QMin, c.QMax, quant.Layout{Outer: 1, Channels: 1, Inner: len(x)}, 0, len(x))
		assert.Equal(t, 1, nan)
		for i := range x {
			assert.Equal(t, wantMask[i] == 1, bit(mask, i))
			if x[i] != x[i] {
				assert.Zero(t, y[i], "a NaN becomes 0; torch takes the lowest code")
				continue
			}
			assert.Equal(t, want[i], y[i])
		}
	}
	assert.Equal(t, 2, n)
}

// TestTorchFusedObserver feeds the ranges of torch's fused observer kernel to
// the rule of its name: scales, zero points and outputs are the same bits.
// The Python observers' rule gives the same affine scales and, symmetric, the
// known ratio of 127.5 to 127.
func TestTorchFusedObserver(t *testing.T) {
	cases, load := torchVectors(t)
	n := 0
	for _, c := range cases {
		if c.Kind != "fused_moving_avg" {
			continue
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			s := quant.Scheme{Bits: 8, Signed: c.QMin < 0, Narrow: c.QMin == -127, Symmetric: c.Symmetric}
			state, x, y := load(c.ID+".state"), load(c.ID+".x"), load(c.ID+".y")
			steps, rows, ch := x.shape[0], x.shape[1], state.shape[2]
			per := len(x.v) / steps
			l := quant.Layout{Outer: 1, Channels: ch, Inner: per / ch}
			require.True(t, ch == 1 || ch == rows)
			for k := range steps {
				st := state.v[k*4*ch : (k+1)*4*ch]
				lo, hi := st[:ch], st[ch:2*ch]
				scale, zero := make([]float32, ch), make([]int32, ch)
				require.NoError(t, quant.PyTorchFused.ScaleZeroSlice(s, scale, zero, lo, hi))
				for i := range ch {
					require.Equal(t, st[2*ch+i], scale[i], "scale of step %d, channel %d, [%v, %v]", k, i, lo[i], hi[i])
					require.Equal(t, int32(st[3*ch+i]), zero[i], "zero of step %d, channel %d, [%v, %v]", k, i, lo[i], hi[i])
					ps, pz, err := quant.PyTorch.ScaleZero(s, lo[i], hi[i])
					require.NoError(t, err)
					if c.Symmetric {
						continue
					}
					if scale[i] > 6.2e-5 {
						require.InEpsilon(t, scale[i], ps, 2e-7)
						require.InDelta(t, zero[i], pz, 1)
					}
				}
				got := make([]float32, per)
				quant.FakeQuantize(quant.PyTorchFused, got, nil, x.v[k*per:(k+1)*per], scale, zero, c.QMin, c.QMax, l, 0, per)
				requireBits(t, y.v[k*per:(k+1)*per], got, "y")
			}
		})
	}
	assert.Equal(t, 12, n)
}
