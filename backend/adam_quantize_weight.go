package backend

import "github.com/goqat/goqat/quant"

// AdamQuantizeWeight is [Adam] and then [WeightCodes] of the new parameter,
// each row of which is quantized while it is in the cache: the next step finds
// the codes of its weights made. Inputs: param, grad, m, v, lr and step of
// Adam; codes int8 or uint8, least and greatest float32 [channels]. Outputs, in
// place: codes, least, greatest, param, m, v.
type AdamQuantizeWeight struct {
	Adam   Adam
	Rule   quant.Rule
	Scheme quant.Scheme
}

// OpName returns "adam_quantize_weight".
func (AdamQuantizeWeight) OpName() string { return "adam_quantize_weight" }

// Updates maps the outputs to their inputs.
func (AdamQuantizeWeight) Updates(out int) int { return [8]int{6, 7, 8, 0, 2, 3, -1, -1}[out&7] }

// Quantizing returns [AdamQuantizeWeight], which takes the six inputs of Adam.
func (o Adam) Quantizing(r quant.Rule, s quant.Scheme) (Op, int) {
	return AdamQuantizeWeight{Adam: o, Rule: r, Scheme: s}, 6
}
