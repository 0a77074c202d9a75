package backend

import "github.com/goqat/goqat/quant"

// QuantizeLinear turns reals into codes, clamp(round(x/scale) + zero) by the
// rule. Inputs: x float32 or bfloat16, scale float32 [1 or channels], zero int32. Outputs: codes
// int8 or uint8, and the bit mask of [FakeQuant]. A NaN is an error
// ([ErrNaN]), never a code. The gradient is FakeQuant's.
type QuantizeLinear struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Learn  bool
}

// OpName returns "quantize_linear".
func (QuantizeLinear) OpName() string { return "quantize_linear" }
