package backend

import "github.com/goqat/goqat/quant"

// QLinearAdd adds two tensors of codes and quantizes the sum
// (quant.AddParams). Inputs: a, its scale and zero point, b, its scale and
// zero point, scale and zero point of the result; all scales float32 [1],
// zero points int32 [1]. Codes broadcast as in [Add]. Outputs: codes of
// Scheme, and the bit mask of the elements whose unclamped integer lies in
// the code range, both ends included.
//
// Lo and Hi are the real bounds of an activation that is folded in. They
// narrow the code range to
//
//	[max(lo, round(Lo/sy) + zy), min(hi, round(Hi/sy) + zy)]
//
// Infinite bounds, and Lo >= Hi as in the zero value, mean none.
type QLinearAdd struct {
	Rule   quant.Rule
	Scheme quant.Scheme
	Lo, Hi float32
}

// OpName returns "qlinear_add".
func (QLinearAdd) OpName() string { return "qlinear_add" }
