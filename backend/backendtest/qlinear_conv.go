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
	Register(Conformance{
		Op: backend.QLinearConv{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range convGeometries {
				x, w := convCodes(r, g, i%2 == 1, i%5 == 4)
				e := qlinearEpilogues[i%len(qlinearEpilogues)]
				op := backend.QLinearConv{Conv: g.conv, Rule: e.rule, Scheme: e.scheme, Lo: e.lo, Hi: e.hi}
				cs = append(cs, Case{Name: g.name, Op: op, In: qlinearInputs(r, x, w, e.scheme, i)})
			}
			return append(cs, nanScale(cs[0]), foreignZero(cs[0], 2, 0), foreignZero(cs[4], 7, 4), foreignZero(nanScale(cs[0]), 7, 8))
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.QLinearConv)
			sums := convSums(o.Conv, in[0], in[3], in[2], in[5], out[0].Shape())
			refRequantize(o.Rule, o.Scheme, o.Lo, o.Hi, sums, in[1], in[4], in[6], in[7], input(in, 8), out)
		},
	})
}

var inf = float32(math.Inf(1))

// qlinearEpilogues are rules, schemes and bounds to test.
var qlinearEpilogues = []struct {
	rule   quant.Rule
	scheme quant.Scheme
	lo, hi float32
}{
	{quant.ONNX, quant.Int8(), -inf, inf},
	{quant.ONNX, quant.UInt8(), 0, inf},
	{quant.TFLite, quant.Int8(), 0, 6},
	{quant.TFLiteSingle, quant.Int8(), -inf, inf},
	{quant.PyTorch, quant.Activations(4, false), 0, 6},
	{quant.ONNX, quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true}, -1, 1},
	{quant.TFLite, quant.Activations(3, true), -inf, inf},
}

// qlinearInputs returns the inputs of a layer on codes whose results mostly
// lie in the range, some beyond it.
func qlinearInputs(r *rand.Rand, x, w *tensor.Tensor, s quant.Scheme, variant int) []*tensor.Tensor {
	o := w.Shape()[0]
	in := []*tensor.Tensor{x, Scales(r, 1), Zeros(r, x.DType(), 1), w, Scales(r, 1), nil, Scales(r, 1), nil}
	if variant%3 > 0 {
		in[4] = Scales(r, o)
	}
	if variant%4 == 3 {
		in[5] = Zeros(r, w.DType(), o)
	} else if w.DType() == tensor.U8 {
		in[5] = Zeros(r, w.DType(), 1)
	}
	lo, hi := s.Range()
	deviation := math.Sqrt(float64(w.Numel()/max(o, 1)+1)) * 75 * 100
	in[6].F32()[0] = float32(float64(in[1].F32()[0]) * 0.025 * deviation * 3 / float64(hi-lo))
	zero := tensor.New(tensor.Of(tensor.I32, 1))
	if !s.Symmetric {
		zero.I32()[0] = lo + r.Int32N(hi-lo+1)
	}
	in[7] = zero
	if variant%5 > 0 {
		bias := tensor.New(tensor.Of(tensor.I32, o))
		for i := range bias.I32() {
			bias.I32()[i] = int32(r.NormFloat64() * deviation)
		}
		in = append(in, bias)
	}
	return in
}

// nanScale makes the output scale of a case a NaN.
func nanScale(c Case) Case {
	in := append([]*tensor.Tensor(nil), c.In...)
	in[6] = tensor.New(tensor.Of(tensor.F32, 1))
	in[6].F32()[0] = float32(math.NaN())
	return Case{Name: "NaN scale", Op: c.Op, In: in, Err: backend.ErrNaN}
}

// foreignZero gives input i of a case a zero point that is no code of that many
// bits; 0 says those of the first input's type.
func foreignZero(c Case, i, bits int) Case {
	in := append([]*tensor.Tensor(nil), c.In...)
	in[i] = tensor.FromI32([]int32{1 << bits}, 1)
	if bits == 0 {
		in[i].I32()[0] = -129
	}
	return Case{Name: fmt.Sprintf("zero point %d of input %d", in[i].I32()[0], i), Op: c.Op, In: in, Err: quant.ErrRange}
}

// refRequantize writes codes and mask of sums by the rule.
func refRequantize(r quant.Rule, s quant.Scheme, realLo, realHi float32, sums []int64, sx, sw, sy, zy, bias *tensor.Tensor, out []*tensor.Tensor) {
	lo, hi := s.Range()
	zero := zy.I32()[0]
	if realLo > -inf {
		c, _ := r.Quantize(realLo, sy.F32()[0], zero, lo, hi)
		lo = max(lo, c)
	}
	if realHi < inf {
		slo, shi := s.Range()
		c, _ := r.Quantize(realHi, sy.F32()[0], zero, slo, shi)
		hi = min(hi, c)
	}
	for i, v := range sums {
		c := i % out[0].Shape().Last()
		if bias != nil {
			v += int64(bias.I32()[c])
		}
		m := r.NewMultiplier(sx.F32()[0], scale(sw, c), sy.F32()[0])
		q, inside := r.Requantize(int32(v), m, zero, lo, hi)
		Set(out[0], i, float64(q))
		if inside {
			Set(out[1], i, 1)
		}
	}
}
