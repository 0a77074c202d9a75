package backendtest

import (
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

var sliceOps = []struct {
	name string
	op   backend.Slice
	dims []int  // of the input
	want [3]int // of the slice of [6, 5, 7], for the reference's own check
}{
	{"first", backend.Slice{Starts: tensor.NewDims(1), Ends: tensor.NewDims(4)}, []int{6, 5, 7}, [3]int{3, 5, 7}},
	{"two", backend.Slice{Axes: tensor.NewDims(2, 0), Starts: tensor.NewDims(-3, 2), Ends: tensor.NewDims(math.MaxInt, -1)}, []int{6, 5, 7}, [3]int{3, 5, 3}},
	{"step", backend.Slice{Axes: tensor.NewDims(-1), Starts: tensor.NewDims(1), Ends: tensor.NewDims(99), Steps: tensor.NewDims(3)}, []int{6, 5, 7}, [3]int{6, 5, 2}},
	{"back", backend.Slice{Axes: tensor.NewDims(1), Starts: tensor.NewDims(-1), Ends: tensor.NewDims(math.MinInt), Steps: tensor.NewDims(-1)}, []int{6, 5, 7}, [3]int{6, 5, 7}},
	{"back by two", backend.Slice{Axes: tensor.NewDims(0, 2), Starts: tensor.NewDims(99, 5), Ends: tensor.NewDims(0, 1), Steps: tensor.NewDims(-2, -2)}, []int{6, 5, 7}, [3]int{3, 5, 2}},
	{"far step", backend.Slice{Starts: tensor.NewDims(4), Ends: tensor.NewDims(-99), Steps: tensor.NewDims(math.MinInt)}, []int{6, 5, 7}, [3]int{1, 5, 7}},
	{"nothing", backend.Slice{Starts: tensor.NewDims(4), Ends: tensor.NewDims(2)}, []int{6, 5, 7}, [3]int{0, 5, 7}},
	{"empty", backend.Slice{Starts: tensor.NewDims(-1), Ends: tensor.NewDims(-9), Steps: tensor.NewDims(-1)}, []int{0, 5, 7}, [3]int{0, 5, 7}},
}

// sliced walks one axis as NumPy does and returns the indices taken.
func sliced(op backend.Slice, axis, rank, dim int) []int {
	for i := range op.Starts.N {
		a, step := i, 1
		if op.Axes.N > 0 {
			a = (op.Axes.V[i] + rank) % rank
		}
		if op.Steps.N > 0 {
			step = op.Steps.V[i]
		}
		if a != axis {
			continue
		}
		start, end := float64(op.Starts.V[i]), float64(op.Ends.V[i])
		if start < 0 {
			start += float64(dim)
		}
		if end < 0 {
			end += float64(dim)
		}
		var out []int
		if step > 0 {
			for k := max(start, 0); k < min(end, float64(dim)); k += float64(step) {
				out = append(out, int(k))
			}
		} else {
			for k := min(start, float64(dim-1)); k > max(end, -1); k += float64(step) {
				out = append(out, int(k))
			}
		}
		return out
	}
	all := make([]int, dim)
	for i := range all {
		all[i] = i
	}
	return all
}

// slicedElements returns the elements of a tensor of shape s that op takes,
// in order.
func slicedElements(op backend.Slice, s tensor.Shape) (elements []int, shape tensor.Shape) {
	per := make([][]int, len(s))
	for k, d := range s {
		per[k] = sliced(op, k, len(s), d)
		shape = append(shape, len(per[k]))
	}
	for i := range shape.Numel() {
		y := indexOf(shape, i)
		for k := range y {
			y[k] = per[k][y[k]]
		}
		elements = append(elements, flatOf(s, y))
	}
	return elements, shape
}

func init() {
	Register(Conformance{
		Op: backend.Slice{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, o := range sliceOps {
				for _, x := range everyType(r, o.dims...) {
					cs = append(cs, Case{Name: o.name + "/" + x.String(), Op: o.op, In: []*tensor.Tensor{x}, Exact: true})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			from, shape := slicedElements(op.(backend.Slice), in[0].Shape())
			if !shape.Equal(out[0].Shape()) {
				panic("backendtest: the inferred shape of a slice is wrong")
			}
			for i, e := range from {
				copyElement(out[0], i, in[0], e)
			}
		},
	})
	Register(Conformance{
		Op: backend.SliceGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, o := range sliceOps {
				op := backend.SliceGrad{Slice: o.op, Input: tensor.NewDims(o.dims...)}
				dy := Normal(r, 1, o.want[:]...)
				cs = append(cs,
					Case{Name: o.name, Op: op, In: []*tensor.Tensor{dy}, Exact: true},
					Case{Name: o.name + "/double", Op: op, In: []*tensor.Tensor{Double(dy)}, Exact: true})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			to, _ := slicedElements(op.(backend.SliceGrad).Slice, out[0].Shape())
			for i, e := range to {
				copyElement(out[0], e, in[0], i)
			}
		},
	})
}
