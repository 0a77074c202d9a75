package backendtest

import (
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	Register(Conformance{
		Op: backend.MatMulInteger{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, g := range matMulGeometries {
				a, b := convCodes(r, convGeometry{x: g.a, w: g.b}, i%2 == 1, i%3 == 1)
				in := []*tensor.Tensor{a, b}
				if i%4 > 0 {
					in = append(in, Zeros(r, a.DType(), 1), Zeros(r, b.DType(), 1))
				}
				if i%4 == 3 {
					in[3] = Zeros(r, b.DType(), g.columns())
				}
				cs = append(cs, Case{Name: g.name, Op: backend.MatMulInteger{MatMul: g.op}, In: in})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			for i, s := range matMulSums(op.(backend.MatMulInteger).MatMul, in[0], in[1], input(in, 2), input(in, 3), out[0].Shape()) {
				out[0].I32()[i] = int32(s)
			}
		},
	})
}

// matMulGeometry is a product of matrices to test.
type matMulGeometry struct {
	name string
	op   backend.MatMul
	a, b []int
}

// columns returns the columns of the result.
func (g matMulGeometry) columns() int {
	switch {
	case len(g.b) == 1:
		return 1
	case g.op.TransB:
		return g.b[len(g.b)-2]
	}
	return g.b[len(g.b)-1]
}

var matMulGeometries = []matMulGeometry{
	{"plain", backend.MatMul{}, []int{5, 7}, []int{7, 9}},
	{"large", backend.MatMul{}, []int{67, 130}, []int{130, 24}},
	{"right transposed", backend.MatMul{TransB: true}, []int{5, 7}, []int{8, 7}},
	{"left transposed", backend.MatMul{TransA: true}, []int{7, 5}, []int{7, 8}},
	{"both transposed", backend.MatMul{TransA: true, TransB: true}, []int{70, 35}, []int{17, 70}},
	{"stack", backend.MatMul{}, []int{3, 2, 4, 6}, []int{3, 2, 6, 8}},
	{"stack odd", backend.MatMul{TransB: true}, []int{3, 5, 3, 6}, []int{3, 5, 7, 6}},
	{"one right matrix", backend.MatMul{}, []int{3, 2, 5, 6}, []int{6, 10}},
	{"one left matrix", backend.MatMul{}, []int{5, 6}, []int{4, 6, 3}},
	{"broadcast", backend.MatMul{TransA: true}, []int{4, 1, 6, 5}, []int{3, 6, 8}},
	{"row", backend.MatMul{}, []int{6}, []int{2, 6, 3}},
	{"column", backend.MatMul{}, []int{2, 5, 6}, []int{6}},
	{"dot", backend.MatMul{}, []int{6}, []int{6}},
	{"no products", backend.MatMul{}, []int{2, 3, 0}, []int{2, 0, 5}},
	{"empty", backend.MatMul{}, []int{0, 3, 4}, []int{4, 5}},
}

// matMulSums returns the sums of a product of matrices of codes by its
// definition. It walks the result as [..., m, n] with the dimensions that
// vectors lack put back.
func matMulSums(op backend.MatMul, a, b, za, zb *tensor.Tensor, y tensor.Shape) []int64 {
	as, bs, ys := a.Shape().Clone(), b.Shape().Clone(), y.Clone()
	if len(as) == 1 {
		as = tensor.Shape{1, as[0]}
		at := len(ys)
		if len(bs) > 1 {
			at--
		}
		ys = append(ys[:at:at], append(tensor.Shape{1}, ys[at:]...)...)
	}
	if len(bs) == 1 {
		bs = tensor.Shape{bs[0], 1}
		ys = append(ys, 1)
	}
	if op.TransA {
		as[len(as)-1], as[len(as)-2] = as[len(as)-2], as[len(as)-1]
	}
	if op.TransB {
		bs[len(bs)-1], bs[len(bs)-2] = bs[len(bs)-2], bs[len(bs)-1]
	}
	m, k, n := as[len(as)-2], as[len(as)-1], bs[len(bs)-1]
	// matrix returns which matrix of s belongs to matrix i of the result.
	matrix := func(s tensor.Shape, i int) int {
		at, stride := 0, 1
		for d := len(ys) - 3; d >= 0; d-- {
			j := i % ys[d]
			i /= ys[d]
			if e := d - len(ys) + len(s); e >= 0 {
				at += j % s[e] * stride
				stride *= s[e]
			}
		}
		return at
	}
	sums := make([]int64, y.Numel())
	for i := range sums {
		col, row, mat := i%n, i/n%m, i/n/m
		ai, bi := matrix(as, mat)*m*k, matrix(bs, mat)*k*n
		for p := range k {
			pa, pb := ai+row*k+p, bi+p*n+col
			if op.TransA {
				pa = ai + p*m + row
			}
			if op.TransB {
				pb = bi + col*k + p
			}
			sums[i] += code(a, pa, za, 0) * code(b, pb, zb, col)
		}
	}
	return sums
}
