package backend

import "github.com/goqat/goqat/quant"

// QLinearSub is a - b on codes; inputs, outputs and bounds as [QLinearAdd].
type QLinearSub struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
}

// OpName returns "qlinear_sub".
func (QLinearSub) OpName() string { return "qlinear_sub" }
