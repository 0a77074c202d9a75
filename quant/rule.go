package quant

import "fmt"

// Rounding says where a tie goes.
type Rounding uint8

// The roundings of x/s to an integer.
const (
	HalfEven Rounding = iota // to the even neighbour: rint, nearbyint, torch.round, ONNX
	HalfAway                 // away from zero: C round, math.Round, TFLite
)

// Requant says how an int32 accumulator is scaled to the next code.
type Requant uint8

// The requantizations.
const (
	// RequantFloat multiplies by a float32 and rounds (ONNX Runtime, XNNPACK).
	RequantFloat Requant = iota
	// RequantQ31Double multiplies by a Q31 number with a rounding shift
	// after a rounding high multiply (gemmlowp, TFLite reference, CMSIS-NN).
	RequantQ31Double
	// RequantQ31Single multiplies by a Q31 number and rounds once, half up
	// (XNNPACK rndnu, CMSIS-NN with CMSIS_NN_USE_SINGLE_ROUNDING).
	RequantQ31Single
)

// ScaleRule says how scale and zero point come from a range; the formulas are
// at [Rule.ScaleZero].
type ScaleRule uint8

// The scale rules.
const (
	ScaleONNX    ScaleRule = iota // ONNX DynamicQuantizeLinear and ONNX Runtime's quantizer
	ScalePyTorch                  // torch.ao.quantization's Python observers
	ScaleTFLite                   // TFLite's ChooseQuantizationParams
	ScaleFBGEMM                   // torch's fused observer kernel and FBGEMM
)

// Rule is one system's way of rounding, the same in training, conversion and
// the integer graph. It is comparable and written to files as its name. The
// zero Rule computes what [ONNX] does.
type Rule struct {
	Name       string
	Reciprocal bool // x * (1/s) instead of x / s, both in float32
	Rounding   Rounding
	ZeroInside bool // the zero point is added before rounding instead of after
	Requant    Requant
	Scale      ScaleRule
	MinScale   float32 // the least scale; 0 means that a range of zero gets scale 1
}

// The rules that have a name.
var (
	// ONNX is saturate(roundHalfEven(x/s) + zero): QuantizeLinear and ONNX
	// Runtime. It is the default.
	ONNX = Rule{Name: "onnx"}
	// PyTorch is torch.fake_quantize_* on the CPU with Python observers:
	// x*(1/s), half to even, scale at least 2^-23.
	PyTorch = Rule{Name: "pytorch", Reciprocal: true, Scale: ScalePyTorch, MinScale: 0x1p-23}
	// PyTorchFused is PyTorch with the scales of
	// fused_moving_avg_obs_fake_quant, which differ from those of the Python
	// observers that conversion uses.
	PyTorchFused = Rule{Name: "pytorch_fused", Reciprocal: true, Scale: ScaleFBGEMM}
	// TFLite is the TFLite reference kernels and TFLite Micro: x/s, half
	// away from zero, double-rounding Q31 requantization.
	TFLite = Rule{Name: "tflite", Rounding: HalfAway, Requant: RequantQ31Double, Scale: ScaleTFLite}
	// TFLiteSingle is TFLite with single-rounding requantization.
	TFLiteSingle = Rule{Name: "tflite_single", Rounding: HalfAway, Requant: RequantQ31Single, Scale: ScaleTFLite}
)

// RuleByName returns the rule of this name; it fails with [ErrRule] when
// there is none.
func RuleByName(name string) (Rule, error) {
	for _, r := range [...]Rule{ONNX, PyTorch, PyTorchFused, TFLite, TFLiteSingle} {
		if r.Name == name {
			return r, nil
		}
	}
	return Rule{}, fmt.Errorf("%w %q", ErrRule, name)
}

// String returns the rule's name.
func (r Rule) String() string {
	if r == (Rule{}) {
		return ONNX.Name
	}
	return r.Name
}

// MarshalText returns the rule's name. It fails with [ErrRule] when the name
// does not stand for this rule, as the file could not be read back.
func (r Rule) MarshalText() ([]byte, error) {
	name := r.String()
	known, err := RuleByName(name)
	if err != nil {
		return nil, err
	}
	if r != known && r != (Rule{}) {
		return nil, fmt.Errorf("%w: a changed %q has no name", ErrRule, name)
	}
	return []byte(name), nil
}

// UnmarshalText reads a rule's name.
func (r *Rule) UnmarshalText(b []byte) error {
	known, err := RuleByName(string(b))
	if err != nil {
		return err
	}
	*r = known
	return nil
}
