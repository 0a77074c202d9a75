package backend

import (
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// DequantizeLinear is y = scale * (code - zero). Inputs: codes, scale float32
// [1 or channels], zero int32; an absent zero is 0. Codes may be int8, uint8
// or int32, the bias of an integer layer.
type DequantizeLinear struct {
	Scheme quant.Scheme
	// Result is the type of y: float32 when it is zero, or bfloat16.
	Result tensor.DType
}

// OpName returns "dequantize_linear".
func (DequantizeLinear) OpName() string { return "dequantize_linear" }
