package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.MatMul{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindMatMul[float64](b, op.(backend.MatMul), out, in), nil
		}
		return bindMatMul[float32](b, op.(backend.MatMul), out, in), nil
	}})
}

// matrixStack is a stack of equal matrices with leading dimensions.
type matrixStack struct {
	lead       tensor.Shape
	rows, cols int // as stored
}

// stackOf returns the matrices of a shape; a row or a column of one dimension
// is a matrix too.
func stackOf(s tensor.Shape, column bool) matrixStack {
	if len(s) == 1 {
		if column {
			return matrixStack{nil, s[0], 1}
		}
		return matrixStack{nil, 1, s[0]}
	}
	return matrixStack{s[:len(s)-2], s[len(s)-2], s[len(s)-1]}
}

// offsets returns where the matrix for each index of lead starts, in
// elements, broadcasting.
func (m matrixStack) offsets(lead tensor.Shape) []int {
	off := make([]int, lead.Numel())
	strides := m.lead.Strides()
	for i := range off {
		rest := i
		for d := len(lead) - 1; d >= 0; d-- {
			at := rest % lead[d]
			rest /= lead[d]
			if j := d - (len(lead) - len(m.lead)); j >= 0 && m.lead[j] > 1 {
				off[i] += at * strides[j]
			}
		}
		off[i] *= m.rows * m.cols
	}
	return off
}

// stackTogether is the number of matrices below which all workers share each
// product.
const stackTogether = 4

func bindMatMul[T float](b *Backend, op backend.MatMul, out, in []*tensor.Tensor) func() error {
	x, y, z := elements[T](in[0]), elements[T](in[1]), elements[T](out[0])
	sa, sb := stackOf(in[0].Shape(), false), stackOf(in[1].Shape(), true)
	m, k, n := sa.rows, sa.cols, sb.cols
	if op.TransA {
		m, k = k, m
	}
	if op.TransB {
		n = sb.rows
	}
	if len(z) == 0 {
		return func() error { return nil }
	}
	count, order := len(z)/(m*n), backend.ProductOrder(len(z)/n, n, k)
	if !op.TransA && sb.lead.Numel() == 1 && sa.lead.Numel() == count {
		// The matrices a lie in a row and meet the same b: one tall product.
		m, count = m*count, 1
	}
	if count < stackTogether {
		return bindFewProducts(b, op, z, x, y, sa, sb, m, n, k, count, order)
	}
	lead, _ := tensor.Broadcast(sa.lead, sb.lead) // Inference has broadcast them.
	atX, atY := sa.offsets(lead), sb.offsets(lead)
	free := newSlots(min(count, runtime.GOMAXPROCS(0)))
	plans := make([]*gemm.Plan[T], cap(free))
	each := 0
	for i := range plans {
		plans[i] = gemm.NewOrdered[T](serial, op.TransA, op.TransB, m, n, k, order)
		each = roundUp64(plans[i].Workspace())
	}
	var mem []byte
	body := func(lo, hi int) {
		slot := <-free
		defer free.give(slot)
		for i := lo; i < hi; i++ {
			plans[slot].Run(x[atX[i]:], sa.cols, y[atY[i]:], sb.cols, false, z[i*m*n:], n, mem[slot*each:(slot+1)*each])
		}
	}
	grain := max(65536/max(m*n*k, 1), 1)
	b.scratch.need(each * len(plans))
	return func() error {
		ws := b.scratch.take(each * len(plans))
		mem = ws.t.Bytes()
		parallel(count, grain, body)
		b.scratch.give(ws)
		return nil
	}
}

// bindFewProducts multiplies matrices one after another.
func bindFewProducts[T float](b *Backend, op backend.MatMul, z, x, y []T, sa, sb matrixStack, m, n, k, count int, order backend.SumOrder) func() error {
	atX, atY := []int{0}, []int{0}
	if count > 1 {
		lead, _ := tensor.Broadcast(sa.lead, sb.lead) // Inference has broadcast them.
		atX, atY = sa.offsets(lead), sb.offsets(lead)
	}
	p := gemm.NewOrdered[T](parallel, op.TransA, op.TransB, m, n, k, order)
	b.scratch.need(p.Workspace())
	return func() error {
		ws := b.scratch.take(p.Workspace())
		for i := range count {
			p.Run(x[atX[i]:], sa.cols, y[atY[i]:], sb.cols, false, z[i*m*n:], n, ws.t.Bytes())
		}
		b.scratch.give(ws)
		return nil
	}
}
