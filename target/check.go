package target

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Layer is a layer with weights of a converted model, with the constants that
// a target needs: what a qlinear_conv or qlinear_gemm node holds.
type Layer struct {
	Node *graph.Node
	// Conv is the convolution's geometry, nil for a linear layer.
	Conv *backend.Conv
	// X has the codes that go in, Y those that come out.
	X, Y           graph.Value
	XScale, YScale float32
	XZero, YZero   int32
	// Weights are codes [out, ...] with one scale, or one an output channel.
	Weights *tensor.Tensor
	WScale  []float32
	// WZero is nil for zero points of 0; Bias is nil without one.
	WZero, Bias []int32
	Rule        quant.Rule
	Scheme      quant.Scheme
	// Lo and Hi are the smallest and the largest code that comes out: the
	// range of Scheme, narrowed by a folded activation.
	Lo, Hi int32
}

// LayerOf returns the layer that n is, false for nodes of other kinds. It
// fails when scales, zero points, weights or bias are not constants.
func LayerOf(n *graph.Node) (l Layer, ok bool, err error) {
	var lo, hi float32
	switch o := n.Op.(type) {
	case backend.QLinearConv:
		c := o.Conv
		l.Conv, l.Rule, l.Scheme, lo, hi = &c, o.Rule, o.Scheme, o.Lo, o.Hi
	case backend.QLinearGemm:
		l.Rule, l.Scheme, lo, hi = o.Rule, o.Scheme, o.Lo, o.Hi
	default:
		return l, false, nil
	}
	l.Node, l.X, l.Y = n, n.In[0], n.Out[0]
	r := constants{node: n}
	l.XScale, l.XZero = r.pair(1)
	l.YScale, l.YZero = r.pair(6)
	l.Weights = r.tensor(3)
	l.WScale = r.f32(4)
	l.WZero = r.i32(5, false)
	l.Bias = r.i32(8, false)
	l.Lo, l.Hi = CodeBounds(l.Rule, l.Scheme, lo, hi, l.YScale, l.YZero)
	return l, true, r.err
}

// CodeBounds returns the range of codes of a result: that of the scheme,
// narrowed to the codes of the real bounds of a folded activation. Infinite
// bounds, and lo >= hi, mean none.
func CodeBounds(r quant.Rule, s quant.Scheme, lo, hi, scale float32, zero int32) (codeLo, codeHi int32) {
	codeLo, codeHi = s.Range()
	if !(lo < hi) {
		return codeLo, codeHi
	}
	first, last := codeLo, codeHi
	codeLo, _ = r.Quantize(lo, scale, zero, first, last)
	codeHi, _ = r.Quantize(hi, scale, zero, first, last)
	return codeLo, codeHi
}

// Params returns the constant scale and zero point that inputs scale and zero
// of n are: one of each.
func Params(n *graph.Node, scale, zero int) (float32, int32, error) {
	r := constants{node: n}
	s, z := r.f32(scale), r.i32(zero, true)
	if r.err == nil && (len(s) != 1 || len(z) != 1) {
		r.err = fmt.Errorf("target: %s: %d scales and %d zero points, want one", n.Name, len(s), len(z))
	}
	if r.err != nil {
		return 0, 0, r.err
	}
	return s[0], z[0], nil
}

// constants reads inputs of a node that must be constants; the first fault
// sticks.
type constants struct {
	node *graph.Node
	err  error
}

func (r *constants) tensor(i int) *tensor.Tensor {
	t := optional(r.node, i)
	if t == nil && r.err == nil {
		r.err = fmt.Errorf("target: %s: input %d is computed, not a constant", r.node.Name, i)
	}
	return t
}

func optional(n *graph.Node, i int) *tensor.Tensor {
	if i >= len(n.In) {
		return nil
	}
	return n.In[i].Init()
}

func (r *constants) f32(i int) []float32 {
	if t := r.tensor(i); t != nil {
		return t.F32()
	}
	return nil
}

func (r *constants) i32(i int, want bool) []int32 {
	if i >= len(r.node.In) || r.node.In[i].Absent() {
		if want && r.err == nil {
			r.err = fmt.Errorf("target: %s: input %d is absent", r.node.Name, i)
		}
		return nil
	}
	if t := r.tensor(i); t != nil {
		return t.I32()
	}
	return nil
}

func (r *constants) pair(i int) (float32, int32) {
	s, z := r.f32(i), r.i32(i+1, true)
	if len(s) != 1 || len(z) != 1 {
		if r.err == nil {
			r.err = fmt.Errorf("target: %s: %d scales and %d zero points at input %d, want one", r.node.Name, len(s), len(z), i)
		}
		return 0, 0
	}
	return s[0], z[0]
}

// smallestNormal is the least scale whose reciprocal is finite and which has
// full precision.
const smallestNormal = 0x1p-126

// CheckScales returns a violation for the first scale that is not a positive,
// finite, normal number.
func CheckScales(node string, scales ...float32) []Violation {
	for i, s := range scales {
		if !(s >= smallestNormal) || math.IsInf(float64(s), 0) {
			return []Violation{{node, fmt.Sprintf("scale %d is %v: want a positive normal number", i, s), true}}
		}
	}
	return nil
}

// CheckWeights returns violations of the rule that most integer kernels have:
// weights are int8 codes in [lo, hi] with zero point 0.
func (l *Layer) CheckWeights(lo, hi int8) []Violation {
	var vs []Violation
	name := l.Node.Name
	w := l.Weights.I8()
	if w == nil {
		return []Violation{{name, fmt.Sprintf("weights are %v, want int8", l.Weights.DType()), true}}
	}
	for i, v := range w {
		if v < lo || v > hi {
			vs = append(vs, Violation{name, fmt.Sprintf("weight %d is %d, outside of [%d, %d]: use a narrow scheme", i, v, lo, hi), true})
			break
		}
	}
	for i, z := range l.WZero {
		if z != 0 {
			vs = append(vs, Violation{name, fmt.Sprintf("weight zero point %d is %d, want 0", i, z), true})
			break
		}
	}
	return append(vs, CheckScales(name, l.WScale...)...)
}

// CheckBias returns violations of the rule that the int32 bias lies on the
// grid of the products: its scale, as the float32 that files hold, must be
// within 1e-6 of sx*sw.
func (l *Layer) CheckBias() []Violation {
	for i, sw := range l.WScale {
		exact := float64(l.XScale) * float64(sw)
		if s := l.XScale * sw; !(math.Abs(float64(s)-exact) <= 1e-6*exact) || !(s >= smallestNormal) || math.IsInf(float64(s), 0) {
			return []Violation{{l.Node.Name, fmt.Sprintf("bias scale %d, %v * %v, is no normal float32", i, l.XScale, sw), true}}
		}
	}
	return nil
}

// Accumulator returns the largest magnitude that a sum of products with bias
// can reach, over all channels and all codes of X in [lo, hi].
func (l *Layer) Accumulator(lo, hi int32) int64 {
	w := l.Weights.I8()
	n := l.Weights.Shape()[0]
	if w == nil || n == 0 {
		return 0
	}
	low, high := int64(lo-l.XZero), int64(hi-l.XZero)
	k := len(w) / n
	var worst int64
	for o := range n {
		var most, least int64
		if l.Bias != nil {
			most, least = int64(l.Bias[o]), int64(l.Bias[o])
		}
		for _, v := range w[o*k : o*k+k] {
			a, b := int64(v)*low, int64(v)*high
			most += max(a, b, 0)
			least += min(a, b, 0)
		}
		worst = max(worst, most, -least)
	}
	return worst
}

// CheckAccumulator returns a violation when sums may leave an int32 for codes
// of X in [lo, hi], or when they may after the left shift of a fixed-point
// multiplier over 1: kernels in C wrap around there.
func (l *Layer) CheckAccumulator(lo, hi int32) []Violation {
	worst := l.Accumulator(lo, hi)
	if worst > math.MaxInt32 {
		return []Violation{{l.Node.Name, fmt.Sprintf("sums may reach %d, beyond an int32", worst), true}}
	}
	if l.Rule.Requant == quant.RequantFloat {
		return nil
	}
	for i, sw := range l.WScale {
		if m := l.Rule.NewMultiplier(l.XScale, sw, l.YScale); m.Shift > 0 && worst > math.MaxInt32>>m.Shift {
			return []Violation{{l.Node.Name, fmt.Sprintf("multiplier %d of %v shifts sums of up to %d beyond an int32", i, m.Real(), worst), true}}
		}
	}
	return nil
}

// WeightSum returns the largest sum of absolute weights of an output channel,
// which some chips bound.
func (l *Layer) WeightSum() int64 {
	w := l.Weights.I8()
	n := l.Weights.Shape()[0]
	var worst int64
	for o := range n {
		k := len(w) / n
		var s int64
		for _, v := range w[o*k : o*k+k] {
			s += max(int64(v), -int64(v))
		}
		worst = max(worst, s)
	}
	return worst
}
