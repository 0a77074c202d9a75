// Package graph is goqat's model representation: a static graph of
// operations on typed values, with shape inference, reverse-mode
// differentiation and rewriting. It knows no kernel and no single operation:
// package op registers those.
//
// The first error sticks; builders chain calls and look at [Graph.Err] once:
//
//	g := graph.New()
//	x := g.Input("x", tensor.Of(tensor.F32, 1, 784))
//	w := g.Param("w", tensor.New(tensor.Of(tensor.F32, 10, 784)))
//	y := g.Apply(backend.Gemm{}, x, w)
//	g.Output("y", y)
//	err := g.Err()
package graph

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// Kind says where a value comes from.
type Kind uint8

// The kinds of values.
const (
	// Computed values are outputs of nodes.
	Computed Kind = iota
	// Input values are set by the caller before each run.
	Input
	// Param values are trained.
	Param
	// State values persist and are not trained by gradient: running
	// statistics, observers, scales.
	State
	// Const values never change.
	Const
	// Derived values hold what is made of params and states, from one run of a
	// program to the next: see [Graph.Derive].
	Derived
)

// Value is one tensor of a graph. The zero Value means "absent".
type Value struct {
	g  *Graph
	id int
}

type valueInfo struct {
	kind Kind
	name string
	spec tensor.Spec
	init *tensor.Tensor // Param, State: initial value; Const: the value
	node *Node          // Computed: producer
	out  int
}

// Node is one application of an operation.
type Node struct {
	Op   backend.Op
	Name string
	In   []Value
	Out  []Value
	// Again says that a backward pass computes values of the forward pass
	// again.
	Again bool
}

// Graph is a list of nodes in execution order. It is not safe for concurrent
// change.
type Graph struct {
	vals  []valueInfo
	nodes []*Node
	// derivations make derived values; they are not in nodes.
	derivations []*Node
	inputs      []Value
	outputs     []Output
	byName      map[string]Value
	used        map[string]int
	scope       []string
	codes       map[int]Codes
	gradients   backend.GradPrecision
	err         error
}

// Output is a named result of a graph.
type Output struct {
	Name  string
	Value Value
}

// New returns an empty graph.
func New() *Graph {
	return &Graph{vals: make([]valueInfo, 1), byName: map[string]Value{}, used: map[string]int{}}
}

// newLike returns an empty graph for the values of src.
func newLike(src *Graph) *Graph {
	g := New()
	g.gradients = src.gradients
	return g
}

// Err returns the first error of any call on g.
func (g *Graph) Err() error { return g.err }

// GradPrecision returns the precision that gradients of products on codes take,
// that of the mode for which g was lowered.
func (g *Graph) GradPrecision() backend.GradPrecision { return g.gradients }

// Fail records err, prefixed by the current scope, unless an earlier error is
// already there. It returns the zero Value for builders to pass on.
func (g *Graph) Fail(err error) Value {
	if g.err == nil && err != nil {
		if s := strings.Join(g.scope, "."); s != "" {
			err = fmt.Errorf("%s: %w", s, err)
		}
		g.err = err
	}
	return Value{}
}

// Scope runs f with name added to the names of all values made inside it.
func (g *Graph) Scope(name string, f func()) {
	g.scope = append(g.scope, name)
	f()
	g.scope = g.scope[:len(g.scope)-1]
}

// Name returns name under the current scope, as "block1.conv.weight".
func (g *Graph) Name(name string) string {
	if len(g.scope) == 0 {
		return name
	}
	return strings.Join(g.scope, ".") + "." + name
}

func (g *Graph) add(v valueInfo) Value {
	g.vals = append(g.vals, v)
	return Value{g, len(g.vals) - 1}
}

func (g *Graph) named(kind Kind, name string, s tensor.Spec, init *tensor.Tensor) Value {
	if g.err != nil {
		return Value{}
	}
	full := g.Name(name)
	if _, ok := g.byName[full]; ok {
		return g.Fail(fmt.Errorf("graph: two values are named %q", full))
	}
	if err := s.Shape.Check(); err != nil {
		return g.Fail(fmt.Errorf("graph: %s: %w", full, err))
	}
	v := g.add(valueInfo{kind: kind, name: full, spec: s, init: init})
	g.byName[full] = v
	return v
}

// Input adds a value that the caller sets before each run. Its outermost
// dimension is the batch, which a program may change.
func (g *Graph) Input(name string, s tensor.Spec) Value {
	v := g.named(Input, name, s, nil)
	if v.g != nil {
		g.inputs = append(g.inputs, v)
	}
	return v
}

// Param adds a trained value with its initial contents, which g keeps.
func (g *Graph) Param(name string, init *tensor.Tensor) Value {
	return g.named(Param, name, init.Spec(), init)
}

// State adds a persistent value that gradients do not reach, with its initial
// contents, which g keeps.
func (g *Graph) State(name string, init *tensor.Tensor) Value {
	return g.named(State, name, init.Spec(), init)
}

// Const adds a fixed value, which g keeps; a name that is taken gets a
// number.
func (g *Graph) Const(name string, t *tensor.Tensor) Value {
	if g.err != nil {
		return Value{}
	}
	return g.add(valueInfo{kind: Const, name: g.unique(name), spec: t.Spec(), init: t})
}

// Scalar adds a constant of one float of type d and rank 0.
func (g *Graph) Scalar(d tensor.DType, v float64) Value {
	t := tensor.New(tensor.Of(d))
	switch d {
	case tensor.F64:
		t.F64()[0] = v
	default:
		if d != tensor.F32 {
			return g.Fail(fmt.Errorf("graph: scalar of type %v", d))
		}
		t.F32()[0] = float32(v)
	}
	return g.Const("scalar", t)
}

func (g *Graph) unique(name string) string {
	full := g.Name(name)
	n := g.used[full]
	g.used[full] = n + 1
	if _, taken := g.byName[full]; n == 0 && !taken {
		return full
	}
	return fmt.Sprintf("%s_%d", full, n+1)
}

// Apply appends op and returns its first output.
func (g *Graph) Apply(op backend.Op, in ...Value) Value {
	out := g.ApplyN(op, in...)
	if len(out) == 0 {
		return Value{}
	}
	return out[0]
}

// ApplyN appends op and returns all its outputs, nil after an error.
func (g *Graph) ApplyN(op backend.Op, in ...Value) []Value {
	return g.ApplyNamed("", op, in...)
}

// ApplyNamed is ApplyN with a name for the node; an empty one takes the
// operation's.
func (g *Graph) ApplyNamed(name string, op backend.Op, in ...Value) []Value {
	if g.err != nil {
		return nil
	}
	if name == "" {
		name = op.OpName()
	}
	d := Lookup(op.OpName())
	if d == nil {
		g.Fail(fmt.Errorf("graph: operation %q is not registered", op.OpName()))
		return nil
	}
	specs := make([]tensor.Spec, len(in))
	for i, v := range in {
		if v.g == nil {
			continue
		}
		if v.g != g {
			g.Fail(fmt.Errorf("graph: %s: input %d is of another graph", name, i))
			return nil
		}
		specs[i] = v.Spec()
	}
	outs, err := d.Infer(op, specs)
	if err == nil {
		for _, s := range outs {
			err = errors.Join(err, s.Shape.Check())
		}
	}
	if err != nil {
		g.Fail(&NodeError{Node: g.Name(name), Op: op.OpName(), In: specs, Err: err})
		return nil
	}
	n := &Node{Op: op, Name: g.unique(name), In: append([]Value(nil), in...)}
	for i, s := range outs {
		vn := n.Name
		if i > 0 {
			vn = fmt.Sprintf("%s:%d", n.Name, i)
		}
		n.Out = append(n.Out, g.add(valueInfo{name: vn, spec: s, node: n, out: i}))
	}
	g.nodes = append(g.nodes, n)
	return append([]Value(nil), n.Out...)
}

// NodeError says which node does not fit its inputs.
type NodeError struct {
	Node, Op string
	In       []tensor.Spec
	Err      error
}

// Error returns one line.
func (e *NodeError) Error() string {
	in := make([]string, len(e.In))
	for i, s := range e.In {
		in[i] = s.String()
		if s.DType == tensor.Invalid {
			in[i] = "-"
		}
	}
	return fmt.Sprintf("graph: node %s: %s(%s): %v", e.Node, e.Op, strings.Join(in, ", "), e.Err)
}

// Unwrap returns the cause.
func (e *NodeError) Unwrap() error { return e.Err }

// Output names v as a result of the graph.
func (g *Graph) Output(name string, v Value) {
	if g.err != nil {
		return
	}
	if v.g != g {
		g.Fail(fmt.Errorf("graph: output %q is absent or of another graph", name))
		return
	}
	for i := range g.outputs {
		if g.outputs[i].Name == name {
			g.Fail(fmt.Errorf("graph: two outputs are named %q", name))
			return
		}
	}
	g.outputs = append(g.outputs, Output{name, v})
}

// SetCodes notes what the codes of c.Value stand for, for passes and exporters.
func (g *Graph) SetCodes(c Codes) {
	if g.codes == nil {
		g.codes = map[int]Codes{}
	}
	g.codes[c.Value.id] = c
}

// CodesOf returns what the codes v stand for, if that is known.
func (g *Graph) CodesOf(v Value) (Codes, bool) {
	c, ok := g.codes[v.id]
	return c, ok
}

// Nodes returns the nodes in execution order; the caller must not change the
// slice.
func (g *Graph) Nodes() []*Node { return g.nodes }

// Inputs returns the input values in the order they were added.
func (g *Graph) Inputs() []Value { return g.inputs }

// Outputs returns the named results in order.
func (g *Graph) Outputs() []Output { return g.outputs }

// Lookup returns the value of an input, param, state or output by name.
func (g *Graph) Lookup(name string) (Value, bool) {
	for _, o := range g.outputs {
		if o.Name == name {
			return o.Value, true
		}
	}
	v, ok := g.byName[name]
	return v, ok
}

// Values returns all values of a kind in the order they were added.
func (g *Graph) Values(k Kind) []Value {
	var vs []Value
	for i := 1; i < len(g.vals); i++ {
		if g.vals[i].kind == k {
			vs = append(vs, Value{g, i})
		}
	}
	return vs
}

// Absent reports whether v is the zero Value.
func (v Value) Absent() bool { return v.g == nil }

// Graph returns the graph that v belongs to.
func (v Value) Graph() *Graph { return v.g }

// ID returns a number unique in the graph, 0 for an absent value.
func (v Value) ID() int { return v.id }

// Spec returns the type, the zero Spec for an absent value.
func (v Value) Spec() tensor.Spec {
	if v.g == nil {
		return tensor.Spec{}
	}
	return v.g.vals[v.id].spec
}

// Shape returns the dimensions.
func (v Value) Shape() tensor.Shape { return v.Spec().Shape }

// DType returns the element type.
func (v Value) DType() tensor.DType { return v.Spec().DType }

// Name returns the value's name.
func (v Value) Name() string {
	if v.g == nil {
		return "-"
	}
	return v.g.vals[v.id].name
}

// Kind returns where the value comes from.
func (v Value) Kind() Kind {
	if v.g == nil {
		return Computed
	}
	return v.g.vals[v.id].kind
}

// Init returns the initial contents of a Param or State and the contents of
// a Const, nil otherwise. The caller must not change them.
func (v Value) Init() *tensor.Tensor {
	if v.g == nil {
		return nil
	}
	return v.g.vals[v.id].init
}

// SetInit replaces the contents of a Param, State or Const by t, which must
// have the same type.
func (v Value) SetInit(t *tensor.Tensor) error {
	if v.g == nil || v.Init() == nil {
		return fmt.Errorf("graph: %s has no stored contents", v.Name())
	}
	if !t.Spec().Equal(v.Spec()) {
		return fmt.Errorf("graph: %s is %v, not %v", v.Name(), v.Spec(), t.Spec())
	}
	v.g.vals[v.id].init = t
	return nil
}

// Producer returns the node that computes v and which of its outputs v is;
// nil for inputs, params, states and constants.
func (v Value) Producer() (*Node, int) {
	if v.g == nil {
		return nil, 0
	}
	i := &v.g.vals[v.id]
	return i.node, i.out
}
