package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

var reduceNames = []string{"sum", "mean", "max", "min", "prod", "l2"}

var reduceShapes = []struct {
	dims []int
	axes [][]int
}{
	{[]int{3, 4, 5, 6}, [][]int{nil, {0}, {-1}, {1}, {1, 2}, {0, 2}, {1, 3}, {0, 1, 2}, {3, 0}}},
	{[]int{1003}, [][]int{nil, {0}}},
	{[]int{50000}, [][]int{nil}},
	{[]int{40000, 3}, [][]int{{0}, {1}}},
	{[]int{3, 40000}, [][]int{{0}, {1}}},
	{[]int{1, 7, 1}, [][]int{{0}, {1}, {2}, {0, 2}}},
	{nil, [][]int{nil}},
	{[]int{0, 3}, [][]int{{0}, {1}, nil}},
}

// groups returns for each output of a reduction the elements it combines.
func groups(op backend.Reduce, in, out tensor.Shape) [][]int {
	reduced := map[int]bool{}
	for _, a := range op.Axes.Slice() {
		reduced[(a+len(in))%len(in)] = true
	}
	g := make([][]int, out.Numel())
	for i := range in.Numel() {
		o := 0
		for k, x := range indexOf(in, i) {
			if op.Axes.N > 0 && !reduced[k] {
				o = o*in[k] + x
			}
		}
		g[o] = append(g[o], i)
	}
	return g
}

func reduceRef(k backend.ReduceKind, x *tensor.Tensor, group []int) float64 {
	v := map[backend.ReduceKind]float64{backend.ReduceProd: 1, backend.ReduceMax: math.Inf(-1), backend.ReduceMin: math.Inf(1)}[k]
	for _, i := range group {
		switch e := x.At(i); k {
		case backend.ReduceSum, backend.ReduceMean:
			v += e
		case backend.ReduceMax:
			v = math.Max(v, e)
		case backend.ReduceMin:
			v = math.Min(v, e)
		case backend.ReduceProd:
			v *= e
		case backend.ReduceL2:
			v += e * e
		}
	}
	switch k {
	case backend.ReduceMean:
		return v / float64(len(group))
	case backend.ReduceL2:
		return math.Sqrt(v)
	}
	return v
}

func eachReduction(r *rand.Rand, f func(name string, op backend.Reduce, x *tensor.Tensor)) {
	for _, s := range reduceShapes {
		for _, axes := range s.axes {
			for k := range backend.ReduceKind(6) {
				x := Normal(r, 1, s.dims...)
				keep := r.IntN(2) == 0
				if k == backend.ReduceProd {
					for i, v := range x.F32() { // Products of many stay finite.
						x.F32()[i] = 1 + v/1000
					}
				}
				if k == backend.ReduceMax && x.Numel() > 1 { // A tie.
					x.F32()[x.Numel()-1], x.F32()[0] = 5, 5
				}
				op := backend.Reduce{Kind: k, Axes: tensor.NewDims(axes...), KeepDims: keep}
				f(fmt.Sprintf("%s/%v/%v", reduceNames[k], s.dims, axes), op, x)
				if len(s.dims) == 4 {
					f(fmt.Sprintf("double/%s/%v/%v", reduceNames[k], s.dims, axes), op, Double(x))
				}
			}
		}
	}
}

func init() {
	Register(Conformance{
		Op: backend.Reduce{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			eachReduction(r, func(name string, op backend.Reduce, x *tensor.Tensor) {
				cs = append(cs, Case{Name: name, Op: op, In: []*tensor.Tensor{x}})
			})
			nan := tensor.FromF32([]float32{1, float32(math.NaN()), 3, -1}, 2, 2)
			for k := range backend.ReduceKind(6) {
				cs = append(cs, Case{Name: "nan/" + reduceNames[k], Op: backend.Reduce{Kind: k, Axes: tensor.NewDims(0)}, In: []*tensor.Tensor{nan}})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			o := op.(backend.Reduce)
			for i, g := range groups(o, in[0].Shape(), out[0].Shape()) {
				Set(out[0], i, reduceRef(o.Kind, in[0], g))
			}
		},
	})
	Register(Conformance{
		Op:    backend.ReduceGrad{},
		Cases: reduceGradCases,
		Ref:   reduceGradRef,
	})
}

func reduceGradCases(r *rand.Rand) []Case {
	var cs []Case
	add := func(name string, op backend.Reduce, x *tensor.Tensor) {
		var s tensor.Shape
		for k, d := range x.Shape() {
			kept := op.Axes.N > 0
			for _, a := range op.Axes.Slice() {
				kept = kept && (a+len(x.Shape()))%len(x.Shape()) != k
			}
			if kept {
				s = append(s, d)
			} else if op.KeepDims {
				s = append(s, 1)
			}
		}
		y := tensor.New(tensor.Spec{DType: x.DType(), Shape: s})
		for i, g := range groups(op, x.Shape(), s) {
			Set(y, i, reduceRef(op.Kind, x, g))
		}
		dy := Normal(r, 1, s...)
		if x.DType() == tensor.F64 {
			dy = Double(dy)
		}
		in := []*tensor.Tensor{dy}
		if op.Kind > backend.ReduceMean {
			in = append(in, x, y)
		}
		cs = append(cs, Case{Name: name, Op: backend.ReduceGrad{Reduce: op, Input: tensor.NewDims(x.Shape()...)}, In: in})
	}
	eachReduction(r, add)
	prod := backend.Reduce{Kind: backend.ReduceProd, Axes: tensor.NewDims(1)}
	add("zeros", prod, tensor.FromF32([]float32{2, 0, 3, 0, 0, 5, 1, 2, 3}, 3, 3))
	add("l2 of zeros", backend.Reduce{Kind: backend.ReduceL2}, tensor.New(tensor.Of(tensor.F32, 5)))
	return cs
}

func reduceGradRef(op backend.Op, in, out []*tensor.Tensor) {
	o := op.(backend.ReduceGrad)
	for i, group := range groups(o.Reduce, out[0].Shape(), in[0].Shape()) {
		dy := in[0].At(i)
		ties := 0
		for _, e := range group {
			if len(in) > 1 && in[1].At(e) == in[2].At(i) {
				ties++
			}
		}
		for _, e := range group {
			v := dy
			switch o.Kind {
			case backend.ReduceMean:
				v = dy / float64(len(group))
			case backend.ReduceMax, backend.ReduceMin:
				v = dy / float64(ties)
				if in[1].At(e) != in[2].At(i) {
					v = 0
				}
			case backend.ReduceL2:
				if v = 0; in[2].At(i) != 0 {
					v = dy * in[1].At(e) / in[2].At(i)
				}
			case backend.ReduceProd:
				if len(group) > 1000 { // The product of the others, by division.
					v = dy * in[2].At(i) / in[1].At(e)
					break
				}
				for _, other := range group {
					if other != e {
						v *= in[1].At(other)
					}
				}
			}
			Set(out[0], e, v)
		}
	}
}
