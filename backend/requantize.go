package backend

import "github.com/goqat/goqat/quant"

// Requantize turns codes of one scale and zero point into those of another.
// Inputs: codes of scheme In, scale float32 [1], zero int32 [1], scale and
// zero point of the result. Outputs: codes of Scheme, and the bit mask of the
// elements whose unclamped integer lies in the code range. Under
// quant.RequantFloat
//
//	y = Quantize(sx * (x - zx), sy, zy)
//
// and otherwise Requantize((x-zx), sx/sy) + zy, as the TFLite operator
// QUANTIZE.
type Requantize struct {
	Rule       quant.Rule
	In, Scheme quant.Scheme
}

// OpName returns "requantize".
func (Requantize) OpName() string { return "requantize" }
