package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerCodePair(func(r quant.Rule, s quant.Scheme, lo, hi float32) backend.Op {
		return backend.QLinearAdd{Rule: r, Scheme: s, Lo: lo, Hi: hi}
	}, func(op backend.Op) (quant.Rule, quant.Scheme, float32, float32) {
		o := op.(backend.QLinearAdd)
		return o.Rule, o.Scheme, o.Lo, o.Hi
	}, func(p codePairParams, a, b int32) (int32, bool) {
		q := p.rule.NewAdd(p.sa, p.za, p.sb, p.zb, p.sy, p.zy, p.lo, p.hi)
		return q.Code(a, b)
	}, func(a, b float32) float32 { return a + b })
}

type codePairParams struct {
	rule       quant.Rule
	sa, sb, sy float32
	za, zb, zy int32
	lo, hi     int32
}

// registerCodePair registers the test of an operation on two tensors of codes:
// code is its definition, and real what it is of real numbers, which float
// rules must give exactly.
func registerCodePair(form func(quant.Rule, quant.Scheme, float32, float32) backend.Op,
	attributes func(backend.Op) (quant.Rule, quant.Scheme, float32, float32),
	code func(p codePairParams, a, b int32) (int32, bool), real func(a, b float32) float32) {
	Register(Conformance{
		Op: form(quant.Rule{}, quant.Scheme{}, 0, 0),
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, shapes := range [][2][]int{
				{{0, 3}, {0, 3}}, {{}, {}}, {{7}, {7}}, {{3, 5, 7, 11}, {3, 5, 7, 11}}, {{40009}, {40009}},
				{{2, 3, 5, 64}, {64}}, {{2, 3, 5, 7}, {2, 1, 1, 7}}, {{3, 1, 5}, {4, 1}}, {{1}, {33, 1001}}, {{2, 700, 1}, {2, 1, 31}},
			} {
				for j, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite, quant.TFLiteSingle} {
					types := [2]tensor.DType{tensor.I8, tensor.I8}
					s := quant.Int8()
					if (i+j)%3 == 1 {
						types[0], s = tensor.U8, quant.UInt8()
					}
					if (i+j)%4 == 1 {
						types[1] = tensor.U8
					}
					lo, hi := float32(math.Inf(-1)), float32(math.Inf(1))
					switch (i + j) % 5 {
					case 1:
						lo = 0
					case 2:
						lo, hi = 0, 1.5
					case 3:
						lo, hi = 0, 0 // No bounds.
					}
					var in []*tensor.Tensor
					for k, d := range types {
						cl, ch := -128, 127
						if d == tensor.U8 {
							cl, ch = 0, 255
						}
						in = append(in, Codes(r, d, cl, ch, shapes[k]...), tensor.FromF32([]float32{0.01 + 0.02*r.Float32()}, 1),
							tensor.FromI32([]int32{int32(cl + r.IntN(ch-cl+1))}, 1))
					}
					qlo, qhi := s.Range()
					in = append(in, tensor.FromF32([]float32{0.02 + 0.01*r.Float32()}, 1), tensor.FromI32([]int32{qlo + int32(r.IntN(int(qhi-qlo)+1))}, 1))
					cs = append(cs, Case{Name: fmt.Sprintf("%v_%v_%s", shapes[0], shapes[1], rule.Name), Op: form(rule, s, lo, hi), In: in})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			rule, s, rlo, rhi := attributes(op)
			p := codePairParams{rule: rule, sa: in[1].F32()[0], sb: in[4].F32()[0], sy: in[6].F32()[0],
				za: in[2].I32()[0], zb: in[5].I32()[0], zy: in[7].I32()[0]}
			p.lo, p.hi = s.Range()
			if rlo < rhi {
				lo, hi := quantized(rule, rlo, p.sy, p.zy), quantized(rule, rhi, p.sy, p.zy)
				p.lo, p.hi = int32(math.Max(float64(p.lo), lo)), int32(math.Min(float64(p.hi), hi))
			}
			for i := range out[0].Numel() {
				a, b := broadcastAt(in[0], out[0].Shape(), i), broadcastAt(in[3], out[0].Shape(), i)
				c, ok := code(p, a, b)
				if rule.Requant == quant.RequantFloat {
					q := quantized(rule, real(float32(a-p.za)*p.sa, float32(b-p.zb)*p.sb), p.sy, p.zy)
					ok = q >= float64(p.lo) && q <= float64(p.hi)
					c = int32(math.Min(math.Max(q, float64(p.lo)), float64(p.hi)))
				}
				Set(out[0], i, float64(c))
				if ok {
					Set(out[1], i, 1)
				}
			}
		},
	})
}

// broadcastAt returns the element of t that element i of a result of this
// shape reads.
func broadcastAt(t *tensor.Tensor, shape tensor.Shape, i int) int32 {
	at, in := 0, t.Shape()
	st := in.Strides()
	for d := len(shape) - 1; d >= 0; d-- {
		k := i % shape[d]
		i /= shape[d]
		if j := d - (len(shape) - len(in)); j >= 0 && in[j] != 1 {
			at += k * st[j]
		}
	}
	return int32(t.At(at))
}
