package tensorcore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/tensor"
)

// program is the JSON of a file. Values are numbered: inputs first, then
// constants, then the outputs of the nodes in order; -1 is an absent input.
type program struct {
	Rule      quant.Rule     `json:"rule"`
	Config    *qat.Config    `json:"config,omitempty"`
	Inputs    list[port]     `json:"inputs"`
	Constants list[constant] `json:"constants"`
	Nodes     list[node]     `json:"nodes"`
	Outputs   list[output]   `json:"outputs"`
	// Codes say what the codes of a value stand for.
	Codes list[codes] `json:"codes,omitempty"`
}

// list is a JSON array of at most maxList elements, so that a short text of
// empty elements does not become large.
type list[T any] []T

// UnmarshalJSON reads the elements one by one.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	*l = nil
	if string(b) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return errors.New("want an array")
	}
	for d.More() {
		if len(*l) == maxList {
			return fmt.Errorf("an array of over %d elements", maxList)
		}
		var x T
		if err := d.Decode(&x); err != nil {
			return err
		}
		*l = append(*l, x)
	}
	return nil
}

// port is a float32 input of the program.
type port struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// The layouts of constants: as they are, and weights [n, k] packed by
// [PackedWeights].
const (
	layoutPlain = "plain"
	layoutVNNI4 = "vnni4"
)

// constant is a tensor of the payload. Packed ones have the shape of the
// weights, [n, ...] with k = the product of the others.
type constant struct {
	Name   string `json:"name"`
	Tensor string `json:"tensor"`
	Layout string `json:"layout"`
	Shape  []int  `json:"shape,omitempty"`
}

type node struct {
	Name       string          `json:"name"`
	Op         string          `json:"op"`
	Attributes json.RawMessage `json:"attributes"`
	In         []int           `json:"in"`
	// Out is the number of outputs.
	Out int `json:"out"`
}

type output struct {
	Name  string `json:"name"`
	Value int    `json:"value"`
}

type codes struct {
	Value  int          `json:"value"`
	Scale  int          `json:"scale"`
	Zero   int          `json:"zero"`
	Scheme quant.Scheme `json:"scheme"`
}

// Limits of a file, far above those of real models.
const (
	maxList       = 1 << 16
	maxOperands   = 1 << 10
	maxAttributes = 1 << 12
)

// encode turns a model into a program and its tensors.
func encode(m *qat.Model) (*program, []safetensors.Named, error) {
	p := &program{Rule: m.Rule, Config: m.Config}
	g := m.Graph
	number := map[int]int{}
	for _, v := range g.Inputs() {
		number[v.ID()] = len(number)
		p.Inputs = append(p.Inputs, port{v.Name(), v.Shape()})
	}
	packed := map[int]bool{}
	var consts []graph.Value
	for _, n := range g.Nodes() {
		for i, v := range n.In {
			if v.Absent() || v.Init() == nil {
				continue
			}
			if _, ok := number[v.ID()]; !ok {
				number[v.ID()] = len(number)
				consts = append(consts, v)
			}
			packed[v.ID()] = packed[v.ID()] || i == 3 && packable(n)
		}
	}
	var tensors []safetensors.Named
	for i, v := range consts {
		c := constant{Name: v.Name(), Tensor: strconv.Itoa(i) + "." + v.Name(), Layout: layoutPlain}
		t := v.Init()
		if packed[v.ID()] {
			s := v.Shape()
			b, err := PackedWeights(t.I8(), s[0], s[1:].Numel())
			if err != nil {
				return nil, nil, fmt.Errorf("tensorcore: %s: %w", v.Name(), err)
			}
			c.Layout, c.Shape = layoutVNNI4, s
			t = tensor.FromU8(b, len(b))
		}
		p.Constants = append(p.Constants, c)
		tensors = append(tensors, safetensors.Named{Name: c.Tensor, Tensor: t})
	}
	for _, n := range g.Nodes() {
		a, err := encodeAttributes(n.Op)
		if err != nil {
			return nil, nil, err
		}
		in := make([]int, len(n.In))
		for i, v := range n.In {
			in[i] = -1
			if !v.Absent() {
				in[i] = number[v.ID()]
			}
		}
		for _, o := range n.Out {
			number[o.ID()] = len(number)
		}
		p.Nodes = append(p.Nodes, node{n.Name, n.Op.OpName(), a, in, len(n.Out)})
	}
	p.addCodes(g, number)
	for _, o := range g.Outputs() {
		i, ok := number[o.Value.ID()]
		if !ok {
			return nil, nil, fmt.Errorf("tensorcore: output %s is a constant", o.Name)
		}
		p.Outputs = append(p.Outputs, output{o.Name, i})
	}
	return p, tensors, nil
}

// packable reports whether the weights of n, its input 3, are packed: int8
// ones of a layer that is one matrix product.
func packable(n *graph.Node) bool {
	switch o := n.Op.(type) {
	case backend.QLinearConv:
		return o.Groups <= 1 && n.In[3].DType() == tensor.I8
	case backend.ConvDequant:
		return o.Groups <= 1 && n.In[3].DType() == tensor.I8
	case backend.QLinearGemm, backend.GemmDequant:
		return n.In[3].DType() == tensor.I8
	}
	return false
}

// addCodes notes the codes of the values that nodes compute, for those whose
// parameters are constants of the program.
func (p *program) addCodes(g *graph.Graph, number map[int]int) {
	for _, n := range g.Nodes() {
		for _, o := range n.Out {
			c, ok := g.CodesOf(o)
			if !ok {
				continue
			}
			scale, okS := number[c.Scale.ID()]
			zero, okZ := number[c.Zero.ID()]
			if okS && okZ {
				p.Codes = append(p.Codes, codes{number[o.ID()], scale, zero, c.Scheme})
			}
		}
	}
}

// graph rebuilds the graph from the program and its tensors.
func (p *program) graph(tensors map[string]*tensor.Tensor) (*graph.Graph, error) {
	if len(p.Inputs) == 0 || len(p.Outputs) == 0 {
		return nil, formatError("the program has no input or no output")
	}
	g := graph.New()
	var values []graph.Value
	for _, x := range p.Inputs {
		s := tensor.Of(tensor.F32, x.Shape...)
		if err := s.Shape.Check(); err != nil {
			return nil, formatError("input %q: %v", x.Name, err)
		}
		values = append(values, g.Input(x.Name, s))
	}
	used := map[string]bool{}
	for _, c := range p.Constants {
		if used[c.Tensor] {
			return nil, formatError("tensor %q is used twice", c.Tensor)
		}
		used[c.Tensor] = true
		t, err := c.open(tensors[c.Tensor])
		if err != nil {
			return nil, err
		}
		values = append(values, g.Const(c.Name, t))
	}
	if len(used) != len(tensors) {
		return nil, formatError("%d tensors, the program uses %d", len(tensors), len(used))
	}
	for i, n := range p.Nodes {
		if len(n.In) > maxOperands || len(n.Attributes) > maxAttributes {
			return nil, formatError("node %d has %d inputs and %d bytes of attributes", i, len(n.In), len(n.Attributes))
		}
		op, err := decodeAttributes(n.Op, n.Attributes)
		if err != nil {
			return nil, formatError("node %d, %s: %v", i, n.Name, err)
		}
		in := make([]graph.Value, len(n.In))
		for k, v := range n.In {
			if v < -1 || v >= len(values) {
				return nil, formatError("node %d, %s: input %d is value %d of %d", i, n.Name, k, v, len(values))
			}
			if v >= 0 {
				in[k] = values[v]
			}
		}
		out := g.ApplyNamed(n.Name, op, in...)
		if err := g.Err(); err != nil {
			return nil, formatError("node %d: %v", i, err)
		}
		if len(out) != n.Out {
			return nil, formatError("node %d, %s: %d outputs, the file says %d", i, n.Name, len(out), n.Out)
		}
		values = append(values, out...)
	}
	return g, p.finish(g, values)
}

func (p *program) finish(g *graph.Graph, values []graph.Value) error {
	at := func(i int) (graph.Value, error) {
		if i < 0 || i >= len(values) {
			return graph.Value{}, formatError("value %d of %d", i, len(values))
		}
		return values[i], nil
	}
	for _, c := range p.Codes {
		v, e1 := at(c.Value)
		s, e2 := at(c.Scale)
		z, e3 := at(c.Zero)
		if err := errors.Join(e1, e2, e3); err != nil {
			return err
		}
		g.SetCodes(graph.Codes{Value: v, Scale: s, Zero: z, Scheme: c.Scheme, Rule: p.Rule})
	}
	for _, o := range p.Outputs {
		v, err := at(o.Value)
		if err != nil {
			return err
		}
		g.Output(o.Name, v)
	}
	if err := g.Err(); err != nil {
		return formatError("%v", err)
	}
	return nil
}

// open returns the constant that a tensor of the payload holds.
func (c constant) open(t *tensor.Tensor) (*tensor.Tensor, error) {
	switch {
	case t == nil:
		return nil, formatError("constant %s: no tensor %q", c.Name, c.Tensor)
	case c.Layout == layoutPlain:
		return t, nil
	case c.Layout != layoutVNNI4:
		return nil, formatError("constant %s: unknown layout %q", c.Name, c.Layout)
	}
	s := tensor.Shape(c.Shape)
	if err := s.Check(); err != nil || len(s) < 2 || t.DType() != tensor.U8 {
		return nil, formatError("constant %s: %v packed as %v", c.Name, s, t.Spec())
	}
	w, err := UnpackWeights(t.U8(), s[0], s[1:].Numel())
	if err != nil {
		return nil, formatError("constant %s: %v", c.Name, err)
	}
	return tensor.FromI8(w, s...), nil
}
