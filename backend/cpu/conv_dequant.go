package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvDequant{}, kernel{supports: dequantSupports, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.ConvDequant)
		return bindDequant(b, newConvShape(o.Conv, in[0].Shape(), in[3].Shape()), o.Collect, out, in)
	}})
}

// dequantSupports wants codes, and what can be collected.
func dequantSupports(op backend.Op, in []tensor.Spec) bool {
	if !codesAt(0, 3)(op, in) {
		return false
	}
	switch o := op.(type) {
	case backend.ConvDequant:
		return backend.Collects(o.Collect, o.Result, in[0], in[3])
	case backend.GemmDequant:
		return backend.Collects(o.Collect, o.Result, in[0], in[3])
	}
	return true
}

// bindDequant prepares a layer with inputs cx, sx, zx, cw, sw, bias? and a
// float result, about which it collects what c says.
func bindDequant(b *Backend, g convShape, c backend.Collect, out, in []*tensor.Tensor) (func() error, error) {
	var found *tensor.Tensor
	if c != backend.CollectNothing {
		found = out[1]
	}
	if out[0] == nil && found == nil {
		return idle, nil
	}
	if out[0] != nil && out[0].DType() == tensor.BF16 {
		return newCodeConv(b, g, in[0], in[3], ints(in, 2), nil, func(p codeProduct) accEpilogue {
			return dequantEpilogue(p, nil, out[0].BF16(), reals(in, 1), reals(in, 4), reals(in, 5), nil)
		})
	}
	y := f32Of(out[0], g.rows()*g.o)
	collected := newBlockCollector(c, found, y, &g, in[0].DType(), in[3].DType())
	return newCodeConv(b, g, in[0], in[3], ints(in, 2), nil, func(p codeProduct) accEpilogue {
		return dequantEpilogue(p, y, nil, reals(in, 1), reals(in, 4), reals(in, 5), collected)
	})
}

// dequantColumns are the columns by which sums become numbers:
// float32(acc+add) * scale + shift.
type dequantColumns struct {
	add          []int32
	scale, shift []float32
}

// dequantEpilogue stores float32(acc) * (sx * sw[c]) + bias[c], and has m,
// unless it is nil, look at that. Instead of y half may be given, to which it
// is rounded.
func dequantEpilogue(p codeProduct, y []float32, half []tensor.BFloat16, sx, sw, bias []float32, m blockCollector) accEpilogue {
	scale, shift := make([]float32, p.cols+codes.Wrap), make([]float32, p.cols+codes.Wrap)
	add := make([]int32, p.cols+codes.Wrap)
	e := accEpilogue{
		prepare: func() error {
			if p.cols == 0 {
				return nil
			}
			for i := range p.cols {
				s := sw[0]
				if len(sw) > 1 {
					s = sw[i]
				}
				scale[i] = sx[0] * s
			}
			copy(add, p.offset[:p.cols])
			copy(shift, bias)
			codes.Repeat(scale, p.cols)
			codes.Repeat(shift, p.cols)
			codes.Repeat(add, p.cols)
			return nil
		},
		finish: func(b gemm.IntBlock) { codes.DequantizeBlock(y, b, add, scale, shift, p.cols) },
	}
	if half != nil {
		e.finish = func(b gemm.IntBlock) { codes.DequantizeBlockBF16(half, b, add, scale, shift, p.cols) }
	}
	if m != nil {
		m.join(&e, p, dequantColumns{add, scale, shift})
	}
	return e
}
