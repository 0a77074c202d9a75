package backendtest

import (
	"fmt"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.GemmDequant{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range gemmGeometries {
				x, w := convCodes(r, g, i%2 == 1, false)
				in := []*tensor.Tensor{x, Scales(r, 1), Zeros(r, x.DType(), 1), w, Scales(r, w.Shape()[0])}
				if i%2 > 0 {
					in = append(in, Normal(r, 1, w.Shape()[0]))
				}
				cs = append(cs, collectCases(g.name, backend.GemmDequant{}, in)...)
				if i%5 == 0 {
					cs = append(cs, unusualMoments(r, g.name, backend.GemmDequant{}, in)...)
				}
			}
			cs = append(cs, Case{Name: "sums at the bound, moments", Op: backend.GemmDequant{Collect: backend.CollectMoments}, In: largeSums(r, 270, 3), Exact: true})
			return withHalfResults(cs, func(o backend.Op) backend.Op {
				op := o.(backend.GemmDequant)
				if op.Collect != backend.CollectNothing {
					return nil
				}
				op.Result = tensor.BF16
				return op
			})
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			sums := gemmSums(in[0], in[3], in[2], nil)
			refDequant(sums, in[1], in[4], input(in, 5), out[0])
			refCollect(op.(backend.GemmDequant).Collect, sums, in[1], in[4], input(in, 5), out)
		},
	})
}

// gemmGeometries are linear layers to test: inputs of any rank, tails in
// every dimension, empty ones.
var gemmGeometries = func() []convGeometry {
	var gs []convGeometry
	for _, d := range [][3]int{{1, 1, 1}, {3, 7, 5}, {8, 16, 64}, {33, 10, 130}, {131, 48, 17}, {0, 4, 4}, {4, 0, 4}, {4, 9, 0}} {
		gs = append(gs, convGeometry{name: fmt.Sprintf("m=%d n=%d k=%d", d[0], d[1], d[2]), x: []int{d[0], d[2]}, w: []int{d[1], d[2]}})
	}
	return append(gs,
		convGeometry{name: "vector", x: []int{12}, w: []int{8, 12}},
		convGeometry{name: "tokens", x: []int{2, 3, 5, 20}, w: []int{11, 20}})
}()

// gemmSums returns the sums of a linear layer on codes by its definition.
func gemmSums(x, w, zx, zw *tensor.Tensor) []int64 {
	k, n := x.Shape().Last(), w.Shape()[0]
	rows := x.Shape()[:len(x.Shape())-1].Numel()
	sums := make([]int64, rows*n)
	for i := range sums {
		for j := range k {
			sums[i] += code(x, i/n*k+j, zx, 0) * code(w, i%n*k+j, zw, i%n)
		}
	}
	return sums
}

// largeSums returns inputs of a linear layer whose sums are those of the
// greatest size that moments are collected of, of both signs, or small.
func largeSums(r *rand.Rand, rows, columns int) []*tensor.Tensor {
	const k = backend.MostCollected / 255 / 128
	x, w := tensor.New(tensor.Of(tensor.U8, rows, k)), tensor.New(tensor.Of(tensor.I8, columns, k))
	for i := range x.U8() {
		x.U8()[i] = 255 * byte(i/k%2)
	}
	for i := range w.I8() {
		w.I8()[i] = []int8{-128, 127, int8(r.Uint32())}[i/k%3]
	}
	return []*tensor.Tensor{x, Scales(r, 1), tensor.New(tensor.Of(tensor.I32, 1)), w, Scales(r, columns), Normal(r, 1, columns)}
}
