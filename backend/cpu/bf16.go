package cpu

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// The products of the backward pass with codes as one operand. Codes less
// their zero point are exact in bfloat16, so only the gradient is rounded;
// scales multiply it before.

// bf16Terms returns how many bfloat16 stand for a gradient in a product with
// the second input, 0 for a product in float32: where the operand is no codes
// or the machine has no instructions for it.
func bf16Terms(p backend.GradPrecision, in []*tensor.Tensor) int {
	if in[0].DType() != tensor.F32 || !in[1].DType().Code() || !gemm.HasBF16() {
		return 0
	}
	switch p {
	case backend.GradBF16:
		return 1
	case backend.GradBF16x2:
		return 2
	}
	return 0
}

// errZeroPoint is the cause when a zero point is not a code.
var errZeroPoint = errors.New("zero point is no code")

// zeroPoint returns the zero point of o, which products of bfloat16 need to be
// a code: a larger difference would not be exact.
func (o *operand[T]) zeroPoint() (int32, error) {
	if o.zero == nil {
		return 0, nil
	}
	z, lo := o.zero[0], int32(0)
	if o.signed {
		lo = -128
	}
	if z < lo || z > lo+255 {
		return 0, fmt.Errorf("%w: %d is not in [%d, %d]", errZeroPoint, z, lo, lo+255)
	}
	return z, nil
}

// matrix returns the codes of o as rows of k.
func (o *operand[T]) matrix(k int, zero int32) gemm.Operand {
	return gemm.Operand{Codes: o.codes, Signed: o.signed, Zero: zero, Stride: k}
}

// bindTimesCodes returns dx[m,k] = dy[m,n] w[n,k] for codes w with one scale
// or one a row.
func bindTimesCodes(b *Backend, dx, dy []float32, w *operand[float32], m, n, k, terms int) func() error {
	p := gemm.NewBF16(parallel, false, false, m, k, n, terms)
	b.scratch.need(p.Workspace())
	return func() error {
		ws := b.scratch.take(p.Workspace())
		p.Run(dy, n, w.scale, w.matrix(k, 0), false, dx, k, ws.t.Bytes())
		b.scratch.give(ws)
		return nil
	}
}

// bindSumCodes returns dw[n,k], the sum over rows of dy[rows,n]^T x[rows,k],
// for codes x.
func bindSumCodes(b *Backend, dw, dy []float32, x *operand[float32], rows, n, k, terms int) func() error {
	p := gemm.NewBF16(parallel, true, false, n, k, rows, terms)
	b.scratch.need(p.Workspace())
	return func() error {
		zero, err := x.zeroPoint()
		if err != nil {
			return err
		}
		ws := b.scratch.take(p.Workspace())
		p.Run(dy, n, x.scale, x.matrix(k, zero), false, dw, k, ws.t.Bytes())
		b.scratch.give(ws)
		return nil
	}
}
