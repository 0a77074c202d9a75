package backend

import "github.com/goqat/goqat/quant"

// AdoptRange makes the ends that [WeightCodes] found the range of a quantizer:
// the other half of [QuantizeWeight] with momentum 1. Inputs: least, greatest,
// min, max, scale float32 [channels], zero int32 [channels]. Outputs: min, max,
// scale and zero in place. A NaN is [ErrNaN], before a range without a scale,
// which is [quant.ErrRange]; all states keep their values then.
type AdoptRange struct {
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "adopt_range".
func (AdoptRange) OpName() string { return "adopt_range" }

// Updates maps the outputs to inputs 2 to 5.
func (AdoptRange) Updates(out int) int { return out + 2 }
