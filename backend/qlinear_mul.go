package backend

import "github.com/goqat/goqat/quant"

// QLinearMul is a * b, element by element, on codes (quant.MulParams);
// inputs, outputs and bounds as [QLinearAdd].
type QLinearMul struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
}

// OpName returns "qlinear_mul".
func (QLinearMul) OpName() string { return "qlinear_mul" }
