package qat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
)

// ErrConfig is the cause of every error about a [Config].
var ErrConfig = errors.New("invalid quantization config")

// Quantizer says how the tensors of one kind are quantized.
type Quantizer struct {
	// Scheme is the grid; the zero Scheme leaves the tensor float.
	Scheme quant.Scheme `json:"scheme"`
	// Observer chooses the range, by the name of a registered observer.
	Observer string `json:"observer,omitempty"`
	// Momentum of a moving average (0.01 when 0), Percentile of the
	// percentile observer (99.99 when 0).
	Momentum   float32 `json:"momentum,omitempty"`
	Percentile float32 `json:"percentile,omitempty"`
	// Learn trains the scale by gradient (LSQ) from where calibration put it.
	Learn bool `json:"learn,omitempty"`
	// Delayed quantizes activations with the scale that the steps before
	// left, and observes for the next: one pass over the tensor, where the
	// scale of the same step needs its range first. Calibration makes the
	// scale of the first step.
	Delayed bool `json:"delayed,omitempty"`
}

// Override replaces the quantizers of the layers whose name matches.
type Override struct {
	// Match is a pattern as of path.Match on the layer's name, such as
	// "block1.*" ('*' also matches dots), or "first" or "last" for the first
	// and last layer with weights.
	Match string `json:"match"`
	// Skip leaves the layer float.
	Skip bool `json:"skip,omitempty"`
	// Weights and Activations replace the quantizer of the weights and of
	// the layer's input, when given.
	Weights     *Quantizer `json:"weights,omitempty"`
	Activations *Quantizer `json:"activations,omitempty"`
}

// Schedule places the phases of quantization-aware training, as fractions of
// all steps.
type Schedule struct {
	// Start is when quantizers begin; before it, the model trains in float
	// and observers watch.
	Start float64 `json:"start,omitempty"`
	// FreezeRanges is when observers and learned scales stop, FreezeBN when
	// batch normalization turns to its running statistics; 0 means never.
	// After both, training runs on exactly the deployed integers.
	FreezeRanges float64 `json:"freeze_ranges,omitempty"`
	FreezeBN     float64 `json:"freeze_bn,omitempty"`
}

// Config says everything about the quantization of a model. It is data: a
// Target provides the defaults, files override them, and the artifact keeps
// it, so that a run can be repeated. One Config drives preparation, training
// and conversion alike.
type Config struct {
	// Rule names the arithmetic: "onnx", "pytorch" or "tflite".
	Rule        string     `json:"rule"`
	Weights     Quantizer  `json:"weights"`
	Activations Quantizer  `json:"activations"`
	Overrides   []Override `json:"overrides,omitempty"`
	// FloatOutput leaves the results of the model float instead of
	// quantizing them.
	FloatOutput bool     `json:"float_output,omitempty"`
	Schedule    Schedule `json:"schedule"`
	// FloatPath trains with quantize-dequantize in float instead of on
	// integers: the reference.
	FloatPath bool `json:"float_path,omitempty"`
	// Backward is the precision of gradients in the products of the backward
	// pass: "fp32", "bf16x2" or "bf16", see [backend.GradPrecision]. Empty is
	// [DefaultBackward].
	Backward string `json:"backward,omitempty"`
}

// DefaultBackward is the precision of the backward pass where a config names
// none. Training curves under it cannot be told from those under float32: the
// codes are exact in bfloat16, and the rounding of the gradients, 0.17 % of
// them and without a direction, is far below the noise of a batch.
const DefaultBackward = backend.GradBF16

// backward returns the precision of the backward pass; Validate has refused
// other names.
func (c *Config) backward() backend.GradPrecision {
	if p, err := backend.ParseGradPrecision(c.Backward); err == nil {
		return p
	}
	return DefaultBackward
}

// Default returns W8A8 for integer runtimes under the ONNX rule: uint8 affine
// activations per tensor, int8 symmetric narrow weights per channel.
func Default() *Config { return Bits(8, 8) }

// Bits returns a config with weights of w and activations of a bits. Below 8
// bits the ranges matter more: weights take the scale of least squared error
// and scales are learned.
func Bits(w, a int) *Config {
	c := &Config{
		Rule:        "onnx",
		Weights:     Quantizer{Scheme: quant.Weights(w), Observer: "minmax"},
		Activations: Quantizer{Scheme: quant.Activations(a, false), Observer: "moving_average"},
		Schedule:    Schedule{FreezeRanges: 0.9, FreezeBN: 0.9},
	}
	if w < 8 {
		c.Weights.Observer, c.Weights.Learn = "mse", true
	}
	if a < 8 {
		c.Activations.Observer, c.Activations.Learn = "histogram_mse", true
	}
	return c
}

// ReadConfig reads a JSON config of at most 1 MiB. Unknown fields are
// refused, and every fault is reported at once.
func ReadConfig(r io.Reader) (*Config, error) {
	const limit = 1 << 20
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("qat: read config: %w", err)
	}
	if len(b) > limit {
		return nil, fmt.Errorf("qat: config is over %d bytes: %w", limit, ErrConfig)
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	c := &Config{}
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("qat: config: %w: %w", ErrConfig, err)
	}
	if d.More() {
		return nil, fmt.Errorf("qat: config has data after its end: %w", ErrConfig)
	}
	return c, c.Validate()
}

// Validate returns all faults of c, joined, nil when there are none.
func (c *Config) Validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("qat: "+format, a...)) }
	if _, err := quant.RuleByName(c.Rule); err != nil {
		bad("rule: %w", err)
	}
	errs = append(errs, c.Weights.validate("weights", true)...)
	errs = append(errs, c.Activations.validate("activations", false)...)
	for i, o := range c.Overrides {
		where := fmt.Sprintf("overrides[%d]", i)
		if _, err := path.Match(o.Match, ""); err != nil || o.Match == "" {
			bad("%s: match %q is not a pattern", where, o.Match)
		}
		if o.Skip && (o.Weights != nil || o.Activations != nil) {
			bad("%s: skip and quantizers contradict each other", where)
		}
		if !o.Skip && o.Weights == nil && o.Activations == nil {
			bad("%s: changes nothing: give skip, weights or activations", where)
		}
		if o.Weights != nil {
			errs = append(errs, o.Weights.validate(where+".weights", true)...)
		}
		if o.Activations != nil {
			errs = append(errs, o.Activations.validate(where+".activations", false)...)
		}
	}
	if c.Backward != "" {
		if _, err := backend.ParseGradPrecision(c.Backward); err != nil {
			bad("backward: %w", err)
		}
	}
	s := c.Schedule
	for _, f := range []struct {
		name string
		v    float64
	}{{"start", s.Start}, {"freeze_ranges", s.FreezeRanges}, {"freeze_bn", s.FreezeBN}} {
		if !(f.v >= 0 && f.v <= 1) {
			bad("schedule.%s is %v: want a fraction of the steps, 0 to 1", f.name, f.v)
		}
	}
	if s.FreezeRanges > 0 && s.FreezeRanges < s.Start {
		bad("schedule: freeze_ranges %v is before start %v", s.FreezeRanges, s.Start)
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%w", ErrConfig, errors.Join(errs...))
}

func (q *Quantizer) validate(where string, weights bool) (errs []error) {
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf("qat: "+where+": "+format, a...)) }
	if q.Scheme.IsZero() {
		if q.Learn {
			bad("learn needs a scheme")
		}
		return errs
	}
	if err := q.Scheme.Validate(); err != nil {
		bad("scheme: %w", err)
	}
	o, ok := observers[q.Observer]
	switch {
	case !ok:
		bad("unknown observer %q: have %s", q.Observer, strings.Join(Observers(), ", "))
	case o.PerTensorOnly && q.Scheme.Grain.Kind != quant.PerTensor:
		bad("observer %q sees whole tensors, the scheme is %v", q.Observer, q.Scheme.Grain)
	}
	if weights && !q.Scheme.Symmetric {
		bad("weights must be symmetric: integer kernels have no zero point for them")
	}
	if weights && !q.Scheme.Signed {
		bad("weights must be signed")
	}
	if !weights && q.Scheme.Grain.Kind != quant.PerTensor {
		bad("activations must be per tensor, not %v", q.Scheme.Grain)
	}
	if !(q.Momentum >= 0 && q.Momentum <= 1) {
		bad("momentum %v is not in [0, 1]", q.Momentum)
	}
	if q.Percentile != 0 && !(q.Percentile > 50 && q.Percentile <= 100) {
		bad("percentile %v is not in (50, 100]", q.Percentile)
	}
	if q.Delayed && weights {
		bad("delayed is for activations: the range of a weight is known")
	}
	if q.Delayed && q.Learn {
		bad("delayed and learn contradict each other: a learned scale does not follow ranges")
	}
	if q.Learn && q.Scheme.PowerOf2 {
		bad("learn and power_of_2 contradict each other")
	}
	return errs
}

// Write writes c as indented JSON that ReadConfig reads.
func (c *Config) Write(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(c); err != nil {
		return fmt.Errorf("qat: write config: %w", err)
	}
	return nil
}

// layer returns the quantizers of a layer: skip, weights, activations.
func (c *Config) layer(name string, first, last bool) (skip bool, w, a Quantizer) {
	w, a = c.Weights, c.Activations
	for _, o := range c.Overrides {
		if !o.matches(name, first, last) {
			continue
		}
		skip = o.Skip
		if o.Weights != nil {
			w = *o.Weights
		}
		if o.Activations != nil {
			a = *o.Activations
		}
	}
	return skip, w, a
}

func (o *Override) matches(name string, first, last bool) bool {
	switch o.Match {
	case "first":
		return first
	case "last":
		return last
	}
	// path.Match stops '*' at slashes, which layer names do not have.
	ok, err := path.Match(o.Match, strings.ReplaceAll(name, "/", "."))
	return err == nil && ok
}

// Observers returns the names of all observers in order.
func Observers() []string {
	var n []string
	for k := range observers {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}

// WithBits returns a copy of c for other bit widths, 0 keeping one. Rule,
// signs and granularity stay; below 8 bits the observers and learned scales
// are those of [Bits].
func (c *Config) WithBits(w, a int) *Config {
	d := *c
	if w == 0 {
		w = c.Weights.Scheme.Bits
	}
	if a == 0 {
		a = c.Activations.Scheme.Bits
	}
	b := Bits(w, a)
	b.Weights.Scheme = d.Weights.Scheme
	b.Weights.Scheme.Bits = w
	b.Activations.Scheme = d.Activations.Scheme
	b.Activations.Scheme.Bits = a
	d.Weights, d.Activations = b.Weights, b.Activations
	return &d
}
