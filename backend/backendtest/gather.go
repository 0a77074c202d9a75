package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// gatherSource returns the element of data that element i of the gathered
// tensor shows.
func gatherSource(axis int, data tensor.Shape, index *tensor.Tensor, out tensor.Shape, i int) int {
	if axis < 0 {
		axis += len(data)
	}
	y := indexOf(out, i)
	n := len(index.Shape())
	v := int(index.At(flatOf(index.Shape(), y[axis:axis+n])))
	if v < 0 {
		v += data[axis]
	}
	x := append(append(append([]int{}, y[:axis]...), v), y[axis+n:]...)
	return flatOf(data, x)
}

func init() {
	Register(Conformance{
		Op: backend.Gather{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for axis := -3; axis < 3; axis++ {
				for _, x := range everyType(r, 5, 5, 5) {
					cs = append(cs,
						Case{Name: fmt.Sprintf("%v/axis=%d", x, axis), Op: backend.Gather{Axis: axis}, In: []*tensor.Tensor{x, Ints(r, tensor.I64, -5, 4, 2, 3)}, Exact: true})
				}
			}
			op := backend.Gather{}
			return append(cs,
				Case{Name: "one", Op: op, In: []*tensor.Tensor{Normal(r, 1, 3, 4), Ints(r, tensor.I32, 0, 2)}},
				Case{Name: "none", Op: op, In: []*tensor.Tensor{Normal(r, 1, 3, 4), Ints(r, tensor.I32, 0, 2, 0)}},
				Case{Name: "embedding", Op: op, In: []*tensor.Tensor{Normal(r, 1, 100, 70), Ints(r, tensor.I32, -100, 99, 50, 9)}, Exact: true},
				Case{Name: "too large", Op: op, In: []*tensor.Tensor{Normal(r, 1, 3, 4), tensor.FromI32([]int32{0, 3}, 2)}, Err: backend.ErrIndex},
				Case{Name: "too small", Op: op, In: []*tensor.Tensor{Normal(r, 1, 3, 4), tensor.FromI64([]int64{-4}, 1)}, Err: backend.ErrIndex})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			for i := range out[0].Numel() {
				copyElement(out[0], i, in[0], gatherSource(op.(backend.Gather).Axis, in[0].Shape(), in[1], out[0].Shape(), i))
			}
		},
	})
	Register(Conformance{
		Op: backend.GatherGrad{},
		Cases: func(r *rand.Rand) []Case {
			grad := func(axis int, dims ...int) backend.Op {
				return backend.GatherGrad{Gather: backend.Gather{Axis: axis}, Input: tensor.NewDims(dims...)}
			}
			return []Case{
				{Name: "axis=0", Op: grad(0, 5, 6, 7), In: []*tensor.Tensor{Normal(r, 1, 4, 3, 6, 7), Ints(r, tensor.I32, -5, 4, 4, 3)}},
				{Name: "axis=1", Op: grad(1, 5, 6, 7), In: []*tensor.Tensor{Normal(r, 1, 5, 9, 7), Ints(r, tensor.I64, -6, 5, 9)}},
				{Name: "axis=-1", Op: grad(-1, 5, 6, 7), In: []*tensor.Tensor{Normal(r, 1, 5, 6, 9), Ints(r, tensor.I32, -7, 6, 9)}},
				{Name: "embedding", Op: grad(0, 100, 70), In: []*tensor.Tensor{Normal(r, 1, 450, 70), Ints(r, tensor.I32, -100, 99, 450)}},
				{Name: "double", Op: grad(0, 3, 2), In: []*tensor.Tensor{Double(Normal(r, 1, 4, 2)), tensor.FromI32([]int32{2, 2, 0, 2}, 4)}},
				{Name: "none", Op: grad(0, 3, 2), In: []*tensor.Tensor{Normal(r, 1, 0, 2), Ints(r, tensor.I32, 0, 1, 0)}},
				{Name: "too large", Op: grad(0, 3, 2), In: []*tensor.Tensor{Normal(r, 1, 1, 2), tensor.FromI32([]int32{3}, 1)}, Err: backend.ErrIndex},
			}
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			sum := make([]float64, out[0].Numel())
			for i := range in[0].Numel() {
				sum[gatherSource(op.(backend.GatherGrad).Axis, out[0].Shape(), in[1], in[0].Shape(), i)] += in[0].At(i)
			}
			for i, v := range sum {
				Set(out[0], i, v)
			}
		},
	})
}
