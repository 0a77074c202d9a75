package backend

import "github.com/goqat/goqat/quant"

// QLinearGlobalAveragePool is [GlobalAveragePool] on codes, with one scale and
// one zero point for input and output, as [QLinearAveragePool]. Inputs: codes
// int8 or uint8 [n, h, w, c], zero int32 [1]. Output: codes of the same type.
type QLinearGlobalAveragePool struct {
	GlobalAveragePool
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "qlinear_global_average_pool".
func (QLinearGlobalAveragePool) OpName() string { return "qlinear_global_average_pool" }
