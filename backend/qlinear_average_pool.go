package backend

import "github.com/goqat/goqat/quant"

// QLinearAveragePool is [AveragePool] on codes, with one scale and one zero
// point for input and output:
//
//	y = Rule.AvgPoolCode(sum of the window, count, zero)
//
// Padding that counts (CountPad) counts as zero. Inputs: codes int8 or uint8
// [n, h, w, c] or [n, l, c], zero int32 [1]. Output: codes of the same type.
type QLinearAveragePool struct {
	AveragePool
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "qlinear_average_pool".
func (QLinearAveragePool) OpName() string { return "qlinear_average_pool" }
