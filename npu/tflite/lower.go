package tflite

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

// lowering turns a converted model into the tables of a file. It goes on
// after a violation, so that all are found at once.
type lowering struct {
	model
	options    Target
	violations []target.Violation
	// index holds the tensor of each value of the graph; results of
	// dequantize_linear have that of the codes.
	index map[int]int
	// bad are tensors that stand for results which could not be lowered.
	bad map[int]bool
}

// lowerings are the operations that have a form in the file.
var lowerings = map[string]func(l *lowering, n *graph.Node){
	"quantize_linear":             (*lowering).quantize,
	"dequantize_linear":           (*lowering).dequantize,
	"qlinear_conv":                (*lowering).layer,
	"qlinear_gemm":                (*lowering).layer,
	"qlinear_add":                 (*lowering).pair,
	"qlinear_sub":                 (*lowering).pair,
	"qlinear_mul":                 (*lowering).pair,
	"qlinear_average_pool":        (*lowering).averagePool,
	"qlinear_global_average_pool": (*lowering).globalAveragePool,
	"qlinear_unary":               (*lowering).unary,
	"requantize":                  (*lowering).requantize,
	"max_pool":                    (*lowering).maxPool,
	"reshape":                     (*lowering).reshape,
	"flatten":                     (*lowering).reshape,
	"transpose":                   (*lowering).transpose,
	"pad":                         (*lowering).pad,
	"slice":                       (*lowering).slice,
	"concat":                      (*lowering).concat,
}

func lower(m *qat.Model, options Target) *lowering {
	l := &lowering{options: options, index: map[int]int{}, bad: map[int]bool{}}
	if m.Rule != quant.TFLite {
		l.fatal("rule", "the model is converted for %v, the kernels compute tflite: train with the target's config", m.Rule)
	}
	g := m.Graph
	for _, v := range g.Inputs() {
		l.input(g, v)
	}
	for _, n := range g.Nodes() {
		f := lowerings[n.Op.OpName()]
		switch {
		case strings.HasSuffix(n.Op.OpName(), "_dequant"):
			l.fatal(n.Name, "%s has a real result: it must be quantized (set float_output to false)", n.Op.OpName())
		case f == nil:
			l.fatal(n.Name, "operation %s has no int8 form in TFLite", n.Op.OpName())
		case l.takesReal(n):
			l.fatal(n.Name, "%s runs on real numbers: its input must be quantized", n.Op.OpName())
		default:
			f(l, n)
		}
		l.placeholder(n)
	}
	for _, o := range g.Outputs() {
		l.output(o)
	}
	l.prune()
	return l
}

func (l *lowering) fatal(node, format string, args ...any) {
	l.violations = append(l.violations, target.Violation{Node: node, Reason: fmt.Sprintf(format, args...), Fatal: true})
}

func (l *lowering) warn(node, format string, args ...any) {
	l.violations = append(l.violations, target.Violation{Node: node, Reason: fmt.Sprintf(format, args...)})
}

// takesReal reports whether the data of n are real numbers.
func (l *lowering) takesReal(n *graph.Node) bool {
	return n.Op.OpName() != "quantize_linear" && len(n.In) > 0 && n.In[0].DType().Float()
}

// placeholder gives a result to a node that has none after a violation, so
// that the nodes after it are checked.
func (l *lowering) placeholder(n *graph.Node) {
	if len(n.Out) == 0 {
		return
	}
	if _, ok := l.index[n.Out[0].ID()]; !ok {
		t := l.activation(n.Name, n.Out[0].Shape(), 1, 0)
		l.bad[t] = true
		l.set(n.Out[0], t)
	}
}

func (l *lowering) set(v graph.Value, i int) { l.index[v.ID()] = i }

// add appends a tensor and returns its number.
func (l *lowering) add(t tensorInfo) int {
	l.tensors = append(l.tensors, t)
	return len(l.tensors) - 1
}

func (l *lowering) activation(name string, shape tensor.Shape, scale float32, zero int32) int {
	return l.add(tensorInfo{name: name, dtype: typeInt8, shape: shape.Clone(), scale: []float32{scale}, zero: []int64{int64(zero)}})
}

// like appends a tensor with the parameters of tensor x.
func (l *lowering) like(x int, name string, shape tensor.Shape) int {
	t := l.tensors[x]
	y := l.add(tensorInfo{name: name, dtype: t.dtype, shape: shape.Clone(), scale: t.scale, zero: t.zero})
	l.bad[y] = l.bad[x]
	return y
}

// ints32 appends a constant vector of int32, such as a shape.
func (l *lowering) ints32(name string, shape []int, v ...int) int {
	data := make([]byte, 0, 4*len(v))
	for _, x := range v {
		data = appendInt32(data, int32(x))
	}
	return l.add(tensorInfo{name: name, dtype: typeInt32, shape: shape, data: data})
}

func appendInt32(b []byte, v int32) []byte {
	return append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
}

func (l *lowering) op(code int, a attributes, out int, in ...int) int {
	l.operators = append(l.operators, operator{code: code, version: operatorDefs[code].version, in: in, out: []int{out}, attributes: a})
	return out
}

// x returns the tensor of an input of n, making one for constant codes with
// the given parameters.
func (l *lowering) x(n *graph.Node, i int, scale float32, zero int32) int {
	v := n.In[i]
	if t, ok := l.index[v.ID()]; ok {
		q := l.tensors[t]
		if !l.bad[t] && (q.scale[0] != scale || q.zero[0] != int64(zero)) {
			l.fatal(n.Name, "input %d is taken as %v * (code - %d), and was made as %v * (code - %d)", i, scale, zero, q.scale[0], q.zero[0])
		}
		return t
	}
	t := l.activation(v.Name(), v.Shape(), scale, zero)
	l.set(v, t)
	c := v.Init()
	if c == nil || c.I8() == nil {
		l.fatal(n.Name, "input %d, %s, has no int8 codes", i, v.Name())
		return t
	}
	l.tensors[t].data = c.Bytes()
	return t
}

// codes returns the tensor of input i of a node that keeps its parameters.
func (l *lowering) codes(n *graph.Node, i int) int {
	v := n.In[i]
	if t, ok := l.index[v.ID()]; ok {
		return t
	}
	l.fatal(n.Name, "input %d, %s, has codes of unknown scale", i, v.Name())
	t := l.activation(v.Name(), v.Shape(), 1, 0)
	l.set(v, t)
	return t
}

// params reads the constant scale and zero point at inputs i and i+1.
func (l *lowering) params(n *graph.Node, i int) (float32, int32) {
	s, z, err := target.Params(n, i, i+1)
	if err != nil {
		l.fatal(n.Name, "%v", err)
		return 1, 0
	}
	l.checkParams(n.Name, s, z)
	return s, z
}

func (l *lowering) checkParams(node string, scale float32, zero int32) {
	l.violations = append(l.violations, target.CheckScales(node, scale)...)
	if zero < math.MinInt8 || zero > math.MaxInt8 {
		l.fatal(node, "zero point %d is no int8", zero)
	}
}

// scheme checks the codes of an activation: int8, one scale.
func (l *lowering) scheme(node string, s quant.Scheme) {
	if !s.Signed || s.Grain.Kind != quant.PerTensor {
		l.fatal(node, "codes are %v, want int8 with one scale", s)
	}
}

// full checks that no clamp narrower than int8 follows an operation that
// cannot carry one.
func (l *lowering) full(node string, s quant.Scheme) {
	l.scheme(node, s)
	if lo, hi := s.Range(); s.Signed && (lo != math.MinInt8 || hi != math.MaxInt8) {
		l.fatal(node, "codes are clamped to [%d, %d], the operation clamps to [-128, 127] only", lo, hi)
	}
}

// fused returns the activation that clamps to the codes [lo, hi].
func (l *lowering) fused(node string, lo, hi int32, scale float32, zero int32) int {
	for _, a := range []int{actNone, actRelu, actRelu6, actReluN1} {
		alo, ahi := activationCodes(a, scale, zero)
		if lo == alo && hi == ahi {
			return a
		}
	}
	l.fatal(node, "codes are clamped to [%d, %d], which is no activation of TFLite at scale %v and zero point %d", lo, hi, scale, zero)
	return actNone
}

// activationCodes returns the code range of a fused activation, as TFLite's
// CalculateActivationRangeQuantized does.
func activationCodes(act int, scale float32, zero int32) (lo, hi int32) {
	rlo, rhi := activationBounds(act)
	return target.CodeBounds(quant.TFLite, quant.Int8(), rlo, rhi, scale, zero)
}

// activationBounds returns the real bounds of a fused activation, infinite
// without one.
func activationBounds(act int) (lo, hi float32) {
	inf := float32(math.Inf(1))
	switch act {
	case actRelu:
		return 0, inf
	case actRelu6:
		return 0, 6
	case actReluN1:
		return -1, 1
	}
	return -inf, inf
}

// input makes the tensors of a graph input: those of the codes that it is
// quantized to.
func (l *lowering) input(g *graph.Graph, v graph.Value) {
	users := 0
	for _, n := range g.Nodes() {
		if !slices.Contains(n.In, v) {
			continue
		}
		users++
		if _, ok := n.Op.(backend.QuantizeLinear); !ok {
			l.fatal(v.Name(), "the input goes to %s without being quantized", n.Name)
		}
	}
	if users > 1 {
		l.fatal(v.Name(), "the input is quantized in %d ways", users)
	}
	if users == 0 {
		l.fatal(v.Name(), "the input is not used")
	}
	if v.DType() != tensor.F32 {
		l.fatal(v.Name(), "the input is %v, want float32 that is quantized", v.DType())
	}
}

// quantize takes the place of an input of the graph: callers of the file pass
// codes.
func (l *lowering) quantize(n *graph.Node) {
	o := n.Op.(backend.QuantizeLinear)
	l.full(n.Name, o.Scheme)
	s, z := l.params(n, 1)
	t, ok := l.index[n.In[0].ID()]
	if ok && l.bad[t] {
		l.set(n.Out[0], l.activation(n.Name, n.Out[0].Shape(), s, z))
		return
	}
	if ok {
		// Codes that go through reals: QUANTIZE from int8 to int8 rounds
		// once more than this.
		l.fatal(n.Name, "codes are dequantized and quantized again: lower the model with one quantizer here")
		return
	}
	if n.In[0].Kind() != graph.Input {
		l.fatal(n.Name, "%s is computed in float and quantized: every operation must run on codes", n.In[0].Name())
		return
	}
	t = l.activation(n.In[0].Name(), n.Out[0].Shape(), s, z)
	l.set(n.Out[0], t)
	l.inputs = append(l.inputs, t)
}

// dequantize ends the codes: what uses its result must be an output.
func (l *lowering) dequantize(n *graph.Node) {
	s, z := l.params(n, 1)
	l.set(n.Out[0], l.x(n, 0, s, z))
}

func (l *lowering) output(o graph.Output) {
	t, ok := l.index[o.Value.ID()]
	switch {
	case !ok:
		l.fatal(o.Name, "the output is an input or a constant")
		return
	case l.bad[t]:
		return
	case slices.Contains(l.inputs, t):
		l.fatal(o.Name, "the output is an input")
		return
	}
	if !slices.Contains(l.outputs, t) {
		l.tensors[t].name = o.Name
	}
	l.outputs = append(l.outputs, t)
}
