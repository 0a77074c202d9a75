package backend

import "github.com/goqat/goqat/quant"

// WeightCodes makes the codes of a tensor whose channels, or groups, lie one
// after another, by the scale of the range of these very values: what
// [QuantizeWeight] makes of it with momentum 1, without a state. Input: x.
// Outputs: codes int8 or uint8, least and greatest float32 [channels]. It
// never fails on data: ends of a channel with a NaN are NaN, and the codes of
// a channel whose range has no scale are 0. [AdoptRange] reports those.
type WeightCodes struct {
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "weight_codes".
func (WeightCodes) OpName() string { return "weight_codes" }

// WeightOptimizer is an optimizer of a parameter, input 0, that can make the
// codes of the new contents, too.
type WeightOptimizer interface {
	Updater
	// Quantizing returns the operation that does both. Its inputs are those of
	// the optimizer, of which there are so many, absent ones included, then
	// codes, least and greatest; its outputs are these three, then those of the
	// optimizer.
	Quantizing(r quant.Rule, s quant.Scheme) (op Op, inputs int)
}
