package cpu

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Cast{}, kernel{types: append([]tensor.DType{tensor.BF16}, movable...), bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		switch x := in[0]; x.DType() {
		case tensor.F32:
			return bindCastFloat(out[0], x.F32())
		case tensor.F64:
			return bindCastFloat(out[0], x.F64())
		case tensor.BF16:
			return bindCastHalf(out[0], x.BF16())
		case tensor.I8:
			return bindCastInt(out[0], x.I8())
		case tensor.U8:
			return bindCastInt(out[0], x.U8())
		case tensor.I32:
			return bindCastInt(out[0], x.I32())
		default:
			return bindCastInt(out[0], x.I64())
		}
	}})
}

type integer interface {
	int8 | uint8 | int32 | int64
}

// saturating returns the conversion to an integer type that truncates, stops
// at the ends of the range and takes NaN to 0; Go leaves those undefined.
func saturating[D integer](low, high D) func(float64) D {
	return func(v float64) D {
		switch {
		case v != v:
			return 0
		case v <= float64(low):
			return low
		case v >= float64(high): // For int64 float64(high) is 2^63, one too many.
			return high
		}
		return D(v)
	}
}

func bindCastFloat[S float](out *tensor.Tensor, x []S) (func() error, error) {
	switch out.DType() {
	case tensor.F32:
		return bindConvert(out.F32(), x, convertLoop[float32, S]), nil
	case tensor.F64:
		return bindConvert(out.F64(), x, convertLoop[float64, S]), nil
	case tensor.BF16:
		if f, ok := any(x).([]float32); ok {
			return bindConvert(out.BF16(), f, codes.NarrowBF16), nil
		}
		return bindConvert(out.BF16(), x, narrowLoop[S]), nil
	case tensor.I8:
		return bindConvert(out.I8(), x, truncateLoop[int8, S](math.MinInt8, math.MaxInt8)), nil
	case tensor.U8:
		return bindConvert(out.U8(), x, truncateLoop[uint8, S](0, math.MaxUint8)), nil
	case tensor.I32:
		return bindConvert(out.I32(), x, truncateLoop[int32, S](math.MinInt32, math.MaxInt32)), nil
	case tensor.I64:
		return bindConvert(out.I64(), x, truncateLoop[int64, S](math.MinInt64, math.MaxInt64)), nil
	}
	return nil, fmt.Errorf("cpu: no cast to %v", out.DType())
}

func bindCastInt[S integer](out *tensor.Tensor, x []S) (func() error, error) {
	switch out.DType() {
	case tensor.F32:
		return bindConvert(out.F32(), x, convertLoop[float32, S]), nil
	case tensor.F64:
		return bindConvert(out.F64(), x, convertLoop[float64, S]), nil
	case tensor.BF16:
		return bindConvert(out.BF16(), x, narrowIntLoop[S]), nil
	case tensor.I8:
		return bindConvert(out.I8(), x, convertLoop[int8, S]), nil
	case tensor.U8:
		return bindConvert(out.U8(), x, convertLoop[uint8, S]), nil
	case tensor.I32:
		return bindConvert(out.I32(), x, convertLoop[int32, S]), nil
	case tensor.I64:
		return bindConvert(out.I64(), x, convertLoop[int64, S]), nil
	}
	return nil, fmt.Errorf("cpu: no cast to %v", out.DType())
}

// bindCastHalf goes by way of float32, which holds every bfloat16.
func bindCastHalf(out *tensor.Tensor, x []tensor.BFloat16) (func() error, error) {
	switch out.DType() {
	case tensor.F32:
		return bindConvert(out.F32(), x, codes.WidenBF16), nil
	case tensor.BF16:
		return bindConvert(out.BF16(), x, convertLoop[tensor.BFloat16, tensor.BFloat16]), nil
	case tensor.F64:
		return bindConvert(out.F64(), x, func(y []float64, x []tensor.BFloat16) {
			for i, v := range x {
				y[i] = float64(v.Float32())
			}
		}), nil
	case tensor.I8:
		return bindConvert(out.I8(), x, truncateHalfLoop[int8](math.MinInt8, math.MaxInt8)), nil
	case tensor.U8:
		return bindConvert(out.U8(), x, truncateHalfLoop[uint8](0, math.MaxUint8)), nil
	case tensor.I32:
		return bindConvert(out.I32(), x, truncateHalfLoop[int32](math.MinInt32, math.MaxInt32)), nil
	case tensor.I64:
		return bindConvert(out.I64(), x, truncateHalfLoop[int64](math.MinInt64, math.MaxInt64)), nil
	}
	return nil, fmt.Errorf("cpu: no cast to %v", out.DType())
}

func truncateHalfLoop[D integer](low, high D) func(y []D, x []tensor.BFloat16) {
	convert := saturating(low, high)
	return func(y []D, x []tensor.BFloat16) {
		for i, v := range x {
			y[i] = convert(float64(v.Float32()))
		}
	}
}

func narrowLoop[S float](y []tensor.BFloat16, x []S) {
	for i, v := range x {
		y[i] = tensor.ToBFloat16F64(float64(v))
	}
}

// narrowIntLoop rounds once: an int64 may have more digits than a float64.
func narrowIntLoop[S integer](y []tensor.BFloat16, x []S) {
	for i, v := range x {
		y[i] = bfloat16OfInt(int64(v))
	}
}

// bfloat16OfInt returns the nearest bfloat16, ties to even: what lies below
// the 24th digit is joined into one that keeps float32 off a tie.
func bfloat16OfInt(v int64) tensor.BFloat16 {
	if -1<<24 < v && v < 1<<24 {
		return tensor.ToBFloat16(float32(v))
	}
	u := uint64(v)
	if v < 0 {
		u = -u
	}
	shift := bits.Len64(u) - 20
	top := u >> shift
	if top<<shift != u {
		top |= 1
	}
	f := math.Ldexp(float64(top), shift)
	if v < 0 {
		f = -f
	}
	return tensor.ToBFloat16(float32(f))
}

func bindConvert[D, S tensor.Element](y []D, x []S, loop func(y []D, x []S)) func() error {
	grain := grainFor(len(x), 1)
	body := func(lo, hi int) { loop(y[lo:hi], x[lo:hi]) }
	return func() error { parallel(len(x), grain, body); return nil }
}

func convertLoop[D, S tensor.Element](y []D, x []S) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = D(v)
	}
}

func truncateLoop[D integer, S float](low, high D) func(y []D, x []S) {
	convert := saturating(low, high)
	return func(y []D, x []S) {
		y = y[:len(x)]
		for i, v := range x {
			y[i] = convert(float64(v))
		}
	}
}
