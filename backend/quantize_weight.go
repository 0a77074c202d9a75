package backend

import "github.com/goqat/goqat/quant"

// QuantizeWeight is [ObserveMinMax], [ScaleZero] and [QuantizeLinear] of a
// tensor whose channels, or groups, lie one after another: each is read from
// memory once. Inputs: x, min, max, scale float32 [channels], zero int32.
// Outputs: codes int8 or uint8, the bit mask, and min, max, scale and zero in
// place. Errors are those of the three; all states keep their values then.
type QuantizeWeight struct {
	Rule     quant.Rule
	Scheme   quant.Scheme
	Momentum float32
}

// OpName returns "quantize_weight".
func (QuantizeWeight) OpName() string { return "quantize_weight" }

// Updates maps outputs 2 to 5 to inputs 1 to 4.
func (QuantizeWeight) Updates(out int) int {
	if out >= 2 {
		return out - 1
	}
	return -1
}

// Inside reports whether no value can lie outside of the range of the codes:
// the range is that of these very values, and the scale is their greatest
// magnitude over the highest code.
func (q QuantizeWeight) Inside() bool {
	s := q.Scheme
	return q.Momentum == 1 && s.Signed && s.Symmetric && s.Narrow && q.Rule.Scale != quant.ScaleFBGEMM
}
