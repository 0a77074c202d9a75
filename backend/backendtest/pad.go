package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

var padModes = []string{"constant", "reflect", "edge"}

// padSource returns the element of a tensor of shape in that element i of the
// padded one shows, -1 for the constant.
func padSource(p backend.Pad, in, out tensor.Shape, i int) int {
	x := indexOf(out, i)
	for k, d := range in {
		s := x[k] - p.Before.V[k]
		for s < 0 || s >= d {
			switch p.Mode {
			case backend.PadConstant:
				return -1
			case backend.PadEdge:
				s = min(max(s, 0), d-1)
			case backend.PadReflect:
				if s < 0 {
					s = -s
				} else {
					s = 2*d - 2 - s
				}
			}
		}
		x[k] = s
	}
	return flatOf(in, x)
}

func init() {
	before, after := tensor.NewDims(1, 0, 3), tensor.NewDims(0, 2, 1)
	Register(Conformance{
		Op: backend.Pad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for mode := range backend.PadMode(3) {
				op := backend.Pad{Before: before, After: after, Value: 3, Mode: mode}
				for _, x := range everyType(r, 4, 3, 5) {
					cs = append(cs, Case{Name: padModes[mode] + "/" + x.String(), Op: op, In: []*tensor.Tensor{x}, Exact: true})
				}
				cs = append(cs, Case{Name: padModes[mode] + "/scalar", Op: backend.Pad{Mode: mode}, In: []*tensor.Tensor{Normal(r, 1)}, Exact: true})
			}
			for _, d := range []tensor.DType{tensor.I8, tensor.U8} {
				for _, zero := range []int32{0, 7, 200, -128} {
					cs = append(cs, Case{Name: fmt.Sprintf("zero point %d/%v", zero, d), Op: backend.Pad{Before: before, After: after},
						In: []*tensor.Tensor{Codes(r, d, 0, 127, 4, 3, 5), tensor.FromI32([]int32{zero}, 1)}, Exact: true})
				}
			}
			return append(cs,
				Case{Name: "empty", Op: backend.Pad{Before: tensor.NewDims(1, 1), After: tensor.NewDims(1, 0), Value: -2.5}, In: []*tensor.Tensor{Normal(r, 1, 0, 4)}},
				Case{Name: "large", Op: backend.Pad{Before: tensor.NewDims(1, 1), After: tensor.NewDims(1, 2)}, In: []*tensor.Tensor{Normal(r, 1, 300, 200)}})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			p := op.(backend.Pad)
			v := float64(p.Value)
			if len(in) > 1 {
				v = in[1].At(0)
			}
			switch out[0].DType() {
			case tensor.I8:
				v = min(max(v, -128), 127)
			case tensor.U8:
				v = min(max(v, 0), 255)
			}
			for i := range out[0].Numel() {
				if e := padSource(p, in[0].Shape(), out[0].Shape(), i); e >= 0 {
					copyElement(out[0], i, in[0], e)
				} else {
					Set(out[0], i, v)
				}
			}
		},
	})
	Register(Conformance{
		Op: backend.PadGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, mode := range []backend.PadMode{backend.PadReflect, backend.PadEdge} {
				op := backend.PadGrad{Pad: backend.Pad{Before: before, After: after, Mode: mode}, Input: tensor.NewDims(4, 3, 5)}
				dy := Normal(r, 1, 5, 5, 9)
				cs = append(cs,
					Case{Name: padModes[mode], Op: op, In: []*tensor.Tensor{dy}},
					Case{Name: padModes[mode] + "/double", Op: op, In: []*tensor.Tensor{Double(dy)}})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			sum := make([]float64, out[0].Numel())
			for i := range in[0].Numel() {
				sum[padSource(op.(backend.PadGrad).Pad, out[0].Shape(), in[0].Shape(), i)] += in[0].At(i)
			}
			for i, v := range sum {
				Set(out[0], i, v)
			}
		},
	})
}
