package backendtest

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	types := []tensor.DType{tensor.F32, tensor.F64, tensor.I8, tensor.U8, tensor.I32, tensor.I64, tensor.BF16}
	inf := math.Inf(1)
	Register(Conformance{
		Op: backend.Cast{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, to := range types {
				in := everyType(r, 1003)
				for i := range 500 { // Beyond 8 bits.
					in[0].F32()[i] *= 300
					in[1].F64()[i] *= 300
				}
				edge := []float64{math.NaN(), inf, -inf, 1e30, -1e30, 2147483647.5, -2147483649, 255.9, 256, -0.9, -1, 127.9, 128, -128.9, -129, 9.3e18, -9.3e18}
				in = append(in, tensor.FromF64(edge, len(edge)), tensor.FromI64([]int64{300, -1, math.MinInt64, math.MaxInt64, 128}, 5), Normal(r, 1, 0), everyHalf())
				in = append(in, besideTies()...)
				for i, x := range in {
					cs = append(cs, Case{Name: fmt.Sprintf("%v/%v/%d", x, to, i), Op: backend.Cast{To: to}, In: []*tensor.Tensor{x}, Exact: true})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			to := op.(backend.Cast).To
			for i := range in[0].Numel() {
				switch {
				case to == tensor.BF16 && in[0].DType() == tensor.I64:
					out[0].BF16()[i] = nearestHalf(in[0].I64()[i])
				case to.Float():
					Set(out[0], i, in[0].At(i))
				case in[0].DType().Float():
					setSaturated(out[0], i, in[0].At(i))
				default:
					setLowBits(out[0], i, in[0])
				}
			}
		},
	})
}

// nearestHalf rounds an integer that a float64 may not hold.
func nearestHalf(v int64) tensor.BFloat16 {
	f, _ := new(big.Float).SetPrec(8).SetMode(big.ToNearestEven).SetInt64(v).Float32()
	return tensor.ToBFloat16(f)
}

func setSaturated(t *tensor.Tensor, i int, v float64) {
	bits := 8 * t.DType().Bytes(1)
	lo, hi := -math.Ldexp(1, bits-1), math.Ldexp(1, bits-1)-1
	if t.DType() == tensor.U8 {
		lo, hi = 0, 255
	}
	switch {
	case math.IsNaN(v):
		Set(t, i, 0)
	case t.DType() == tensor.I64 && v >= hi: // 2^63 is no int64.
		t.I64()[i] = math.MaxInt64
	default:
		Set(t, i, math.Trunc(min(max(v, lo), hi)))
	}
}

func setLowBits(t *tensor.Tensor, i int, src *tensor.Tensor) {
	var v int64
	if src.DType() == tensor.I64 {
		v = src.I64()[i]
	} else {
		v = int64(src.At(i))
	}
	switch t.DType() {
	case tensor.I8:
		t.I8()[i] = int8(v)
	case tensor.U8:
		t.U8()[i] = uint8(v)
	case tensor.I32:
		t.I32()[i] = int32(v)
	case tensor.I64:
		t.I64()[i] = v
	}
}
