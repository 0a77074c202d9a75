package codes

import "github.com/goqat/goqat/quant"

// Activation is what comes before a quantizer: v = x * scale + shift, the
// product rounded, clamped to [low, high]. Scale and shift are columns.
type Activation struct {
	Channels     int
	Scale, Shift []float32
	Low, High    float32
}

// Identity returns the activation that only clamps.
func Identity(low, high float32) Activation {
	a := Activation{Channels: 1, Scale: make([]float32, 1+Wrap), Shift: make([]float32, 1+Wrap), Low: low, High: high}
	for i := range a.Scale {
		a.Scale[i] = 1
	}
	return a
}

// activationBlock is the number of elements that the portable loop holds.
const activationBlock = 512

// values writes the clamped v of x, which begins with channel 0, to dst, and
// the bits of Low < v < High to inside unless it is nil.
func (a *Activation) values(dst []float32, inside []byte, x []float32, at int) {
	c := at % a.Channels
	for i, v := range x {
		v = float32(v*a.Scale[c]) + a.Shift[c]
		if inside != nil && v > a.Low && v < a.High {
			inside[i>>3] |= 1 << (i & 7)
		}
		if v < a.Low {
			v = a.Low
		}
		if v > a.High {
			v = a.High
		}
		dst[i] = v
		if c++; c == a.Channels {
			c = 0
		}
	}
}

// Values writes the clamped v of x, which begins with channel 0, to dst.
func (a *Activation) Values(dst, x []float32) {
	if len(x) == 0 {
		return
	}
	Affine(dst, x, a.Scale, a.Shift, a.Channels)
	Clamp(dst[:len(x)], dst, a.Low, a.High)
}

// QuantizeActivation writes the codes of the clamped v of x, which begins
// with channel 0, to dst, and unless mask is nil the bits of the elements
// inside the range of the codes and between Low and High. It returns the
// number of NaNs.
func QuantizeActivation[T quant.Code](r quant.Rule, a *Activation, dst []T, mask []byte, x []float32, scale float32, zero, lo, hi int32) (nan int) {
	if len(x) == 0 {
		return 0
	}
	reach(a.Channels, len(a.Scale), len(a.Shift))
	dst = dst[:len(x)]
	mask = bitsFrom(mask, 0, len(x))
	from := 0
	if representable(zero, lo, hi) {
		if p, ok := quantizing(r, scale, zero, lo, hi); ok {
			p[clampLowAt], p[clampHighAt] = floatBits(a.Low), floatBits(a.High)
			from, nan = quantizeActivation(r, a, bytesOf(dst), mask, x, &p)
		}
	}
	one := quant.Layout{Outer: 1, Channels: 1, Inner: len(x)}
	for ; from < len(x); from += activationBlock {
		var v [activationBlock]float32
		var inside [activationBlock / 8]byte
		n := min(activationBlock, len(x)-from)
		a.values(v[:n], inside[:], x[from:from+n], from)
		var m []byte
		if mask != nil {
			m = mask[from>>3 : (from+n+7)>>3]
		}
		nan += quant.QuantizeCodes(r, dst[from:from+n], m, v[:n], []float32{scale}, []int32{zero}, lo, hi, one, 0, n)
		for i := range m {
			m[i] &= inside[i]
		}
	}
	return nan
}

// Clamp writes x clamped to [low, high] to dst, which may be x. A NaN stays.
func Clamp(dst, x []float32, low, high float32) {
	dst = dst[:len(x)]
	for i := clamp(dst, x, low, high); i < len(x); i++ {
		v := x[i]
		if v < low {
			v = low
		}
		if v > high {
			v = high
		}
		dst[i] = v
	}
}

// ClampGrad writes dy where low < y < high, else 0, to dst, which may be dy. A
// high that is NaN bounds nothing.
func ClampGrad(dst, dy, y []float32, low, high float32) {
	dst, y = dst[:len(dy)], y[:len(dy)]
	for i := clampGrad(dst, dy, y, low, high); i < len(dy); i++ {
		g := float32(0)
		if y[i] > low && !(y[i] >= high) {
			g = dy[i]
		}
		dst[i] = g
	}
}
