package backend

import "github.com/goqat/goqat/quant"

// QLinearGlobalAveragePool is [GlobalAveragePool] on codes. With two inputs,
// codes int8 or uint8 [n, h, w, c] and zero int32 [1], input and output have
// one scale and one zero point, as [QLinearAveragePool]; the output is codes of
// the same type. With five, codes, zero, scale float32 [1], and scale and zero
// of the output, the mean is rounded to the output's grid,
//
//	code = clamp(round((sum - area*zero) * scale/area/out scale) + out zero)
//
// and the outputs are codes of Scheme and the bit mask of [FakeQuant]. A mean
// has a smaller range than its terms, which matters at few bits.
type QLinearGlobalAveragePool struct {
	GlobalAveragePool
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "qlinear_global_average_pool".
func (QLinearGlobalAveragePool) OpName() string { return "qlinear_global_average_pool" }
