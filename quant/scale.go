package quant

import (
	"fmt"
	"math"
)

// smallestNormal is the least positive float32 with full precision; a smaller
// scale would make 1/s or x/s infinite.
const smallestNormal = 0x1p-126

// ScaleZero returns the scale and the zero point of the range [min, max].
// Every rule first widens the range to hold 0, so that 0 is always exact. With
// a = max(|min|, |max|):
//
//	ScaleONNX     symmetric: s = a / ((hi-lo)/2)        (a/127 narrow, a/127.5 full int8)
//	              affine:    s = (max-min)/(hi-lo), zero = rne(lo - min/s)
//	              in float32; a range too small for a normal scale gives s = 1, zero = 0
//	ScalePyTorch  the same formulas, s >= MinScale, zero = lo - rne(min/s)
//	ScaleTFLite   symmetric as above, in float64; affine: the end of the range
//	              with the smaller error sets the zero point, rounded half away
//	ScaleFBGEMM   float64; symmetric only when min < 0 < max, and then
//	              s = max(|min|/128, max/127); s >= 6.1e-5; zero as TFLite, half even
//
// A zero point is clamped to [lo, hi]. The zero point of a symmetric scheme is
// [Scheme.Middle] (torch's choice under ScalePyTorch: 128 for uint8, half of
// the range otherwise). The scale is always a finite normal number over 0,
// and a power of two, rounded up, when the scheme asks for it.
//
// It fails with [ErrNaN] when an end is NaN, with [ErrRange] when an end is
// infinite or min > max, and with [ErrScheme] when the scheme has no range.
func (r Rule) ScaleZero(s Scheme, min, max float32) (scale float32, zero int32, err error) {
	lo, hi := s.Range()
	switch {
	case min != min || max != max:
		return 0, 0, fmt.Errorf("%w: range [%v, %v]", ErrNaN, min, max)
	case math.IsInf(float64(min), 0) || math.IsInf(float64(max), 0) || min > max:
		return 0, 0, fmt.Errorf("%w: range [%v, %v]", ErrRange, min, max)
	case lo >= hi:
		return 0, 0, fmt.Errorf("%w: %v has no range", ErrScheme, s)
	}
	if min > 0 {
		min = 0
	}
	if max < 0 {
		max = 0
	}
	switch r.Scale {
	case ScaleTFLite:
		scale, zero = r.scaleTFLite(s, min, max)
	case ScaleFBGEMM:
		scale, zero = r.scaleFBGEMM(s, min, max)
	default:
		scale, zero = r.scaleFloat32(s, min, max)
	}
	return scale, zero, nil
}

// ScaleZeroSlice is [Rule.ScaleZero] for each channel: it fills scale and
// zero from min and max, all of the same length, and stops at the first
// channel that fails, which the error names.
func (r Rule) ScaleZeroSlice(s Scheme, scale []float32, zero []int32, min, max []float32) error {
	if len(zero) != len(scale) || len(min) != len(scale) || len(max) != len(scale) {
		return fmt.Errorf("%w: %d scales, %d zero points, %d and %d ends", ErrRange, len(scale), len(zero), len(min), len(max))
	}
	for c := range scale {
		var err error
		if scale[c], zero[c], err = r.ScaleZero(s, min[c], max[c]); err != nil {
			return fmt.Errorf("channel %d: %w", c, err)
		}
	}
	return nil
}

// scaleFloat32 is ScaleONNX and ScalePyTorch, which differ in the degenerate
// range and in where the rounding to the zero point is done.
func (r Rule) scaleFloat32(s Scheme, min, max float32) (float32, int32) {
	lo, hi := s.Range()
	steps := float32(hi - lo)
	var scale float32
	if s.Symmetric {
		a := max
		if -min > a {
			a = -min
		}
		scale = a / (steps / 2)
	} else if scale = (max - min) / steps; math.IsInf(float64(scale), 0) {
		scale = float32((float64(max) - float64(min)) / float64(steps))
	}
	if scale < r.MinScale {
		scale = r.MinScale
	} else if scale < smallestNormal {
		if !s.Symmetric {
			return 1, clampInt(0, lo, hi)
		}
		scale = 1
	}
	scale = s.finish(scale)
	switch {
	case s.Symmetric && r.Scale == ScalePyTorch && !s.Signed && s.Bits != 8:
		return scale, (lo + hi) / 2
	case s.Symmetric:
		return scale, s.Middle()
	case r.Scale == ScalePyTorch:
		return scale, clampInt(float64(lo)-math.RoundToEven(float64(min/scale)), lo, hi)
	}
	return scale, clampInt(math.RoundToEven(float64(float32(lo)-min/scale)), lo, hi)
}

func (r Rule) scaleTFLite(s Scheme, min, max float32) (float32, int32) {
	lo, hi := s.Range()
	steps := float64(hi - lo)
	fmin, fmax := float64(min), float64(max)
	var scale float32
	if s.Symmetric {
		scale = float32(math.Max(-fmin, fmax) / (steps / 2))
	} else {
		scale = float32((fmax - fmin) / steps)
	}
	if scale < r.MinScale {
		scale = r.MinScale
	} else if scale < smallestNormal {
		if !s.Symmetric {
			return 1, clampInt(0, lo, hi)
		}
		scale = 1
	}
	scale = s.finish(scale)
	if s.Symmetric {
		return scale, s.Middle()
	}
	// The error of each end is the sum of the magnitudes that cancel in it.
	fromMin, fromMax := float64(lo)-fmin/float64(scale), float64(hi)-fmax/float64(scale)
	z := fromMax
	if math.Abs(float64(lo))+math.Abs(fmin/float64(scale)) < math.Abs(float64(hi))+math.Abs(fmax/float64(scale)) {
		z = fromMin
	}
	return scale, clampInt(math.Round(z), lo, hi)
}

// scaleFBGEMM follows the documented behaviour of FBGEMM's
// ChooseQuantizationParams, in which preserve_sparsity is a symmetric scheme.
func (r Rule) scaleFBGEMM(s Scheme, min, max float32) (float32, int32) {
	const cutoff = float32(6.1e-5)
	lo, hi := s.Range()
	symmetric := s.Symmetric && min < 0 && max > 0
	fmin, fmax := float64(min), float64(max)
	if symmetric {
		// The ends become those of the full two's complement range.
		slo, shi := -float64((hi-lo)/2+1), float64((hi-lo)/2)
		m := math.Max(float64(min/float32(slo)), float64(max))
		if shi > 0 { // one bit has no step above the middle
			m = math.Max(float64(min/float32(slo)), float64(max/float32(shi)))
		}
		fmin, fmax = float64(float32(m*slo)), float64(float32(m*shi))
		fmin, fmax = math.Max(fmin, -math.MaxFloat32), math.Min(fmax, math.MaxFloat32)
	}
	scale := (fmax - fmin) / float64(hi-lo)
	if f := float32(scale); f == 0 || math.IsInf(float64(1/f), 0) {
		scale = 0.1
	}
	if scale < float64(cutoff) {
		amplifier := float64(cutoff / float32(scale))
		scale = float64(cutoff)
		fmin, fmax = float64(float32(fmin*amplifier)), float64(float32(fmax*amplifier))
	}
	out := s.finish(float32(scale))
	if s.PowerOf2 {
		scale = float64(out)
	}
	if symmetric {
		return out, clampInt(math.RoundToEven(float64(lo+hi)/2), lo, hi)
	}
	// torch's CPU kernel subtracts where TFLite adds the magnitudes.
	z := float64(hi) - fmax/scale
	if math.Abs(float64(lo))-math.Abs(fmin/scale) < math.Abs(float64(hi))-math.Abs(fmax/scale) {
		z = float64(lo) - fmin/scale
	}
	return out, clampInt(math.RoundToEven(z), lo, hi)
}

// finish makes a scale that is at least a normal number finite, and a power
// of two when the scheme asks for it.
func (s Scheme) finish(scale float32) float32 {
	if scale > math.MaxFloat32 {
		scale = math.MaxFloat32
	}
	if scale < smallestNormal {
		scale = smallestNormal
	}
	if s.PowerOf2 {
		return PowerOf2Up(scale)
	}
	return scale
}

// PowerOf2Up returns the least power of two that is not below a positive
// normal scale, at most 2^127.
func PowerOf2Up(scale float32) float32 {
	frac, exp := math.Frexp(float64(scale))
	if frac == 0.5 {
		exp--
	}
	return float32(math.Ldexp(1, min(exp, 127)))
}

// RoundZero returns the integer zero point of a learned one: rounded half to
// even and clamped to [lo, hi]; NaN gives the code nearest to 0. Forward and
// backward use the same integer (torch's learnable fake quantizer rounds in
// the forward pass but truncates z+0.5 in the backward pass, so that its mask
// is wrong at z = 0.5).
func RoundZero(z float32, lo, hi int32) int32 {
	return clampInt(math.RoundToEven(float64(z)), lo, hi)
}

// clampInt clamps an integral float64 to [lo, hi]; NaN counts as 0.
func clampInt(v float64, lo, hi int32) int32 {
	if v != v {
		v = 0
	}
	return int32(math.Min(math.Max(v, float64(lo)), float64(hi)))
}
