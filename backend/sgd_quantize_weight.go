package backend

import "github.com/goqat/goqat/quant"

// SGDQuantizeWeight is [SGD] and then [WeightCodes] of the new parameter, each
// row of which is quantized while it is in the cache: the next step finds the
// codes of its weights made. Inputs: param, grad, velocity, lr and momentum of
// SGD, velocity and momentum absent where SGD has none; codes int8 or uint8,
// least and greatest float32 [channels]. Outputs, in place: codes, least,
// greatest, param, and with momentum velocity.
type SGDQuantizeWeight struct {
	SGD    SGD
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "sgd_quantize_weight".
func (SGDQuantizeWeight) OpName() string { return "sgd_quantize_weight" }

// Updates maps the outputs to their inputs.
func (SGDQuantizeWeight) Updates(out int) int { return [8]int{5, 6, 7, 0, 2, -1, -1, -1}[out&7] }

// Quantizing returns [SGDQuantizeWeight], which takes five inputs of SGD.
func (o SGD) Quantizing(r quant.Rule, s quant.Scheme) (Op, int) {
	return SGDQuantizeWeight{SGD: o, Rule: r, Scheme: s}, 5
}
