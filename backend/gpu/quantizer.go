//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Flags of a rule, as csrc/quant.cuh names them.
const (
	ruleReciprocal = 1 << iota
	ruleHalfAway
	ruleZeroInside
)

// ruleFlags returns a rule as the kernels take it.
func ruleFlags(r quant.Rule) int32 {
	var f int32
	if r.Reciprocal {
		f |= ruleReciprocal
	}
	if r.Rounding == quant.HalfAway {
		f |= ruleHalfAway
	}
	if r.ZeroInside {
		f |= ruleZeroInside
	}
	return f
}

// quantizer is what the kernels need of a scheme on a shape.
type quantizer struct {
	layout quant.Layout
	rule   int32
	lo, hi int32
	n      int
}

func newQuantizer(r quant.Rule, s quant.Scheme, shape tensor.Shape) (*quantizer, error) {
	l, err := s.Layout(shape)
	if err != nil {
		return nil, err
	}
	q := &quantizer{layout: l, rule: ruleFlags(r), n: shape.Numel()}
	q.lo, q.hi = s.Range()
	return q, nil
}

// halves lists the types of real numbers that quantizers take.
var halves = []tensor.DType{tensor.F32, tensor.BF16}

// ofReals is the kernel of this name for the element type of x.
func ofReals(name string, x *Buffer) string {
	if x.spec.DType == tensor.BF16 {
		return name + "_bf16"
	}
	return name
}
