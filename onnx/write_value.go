package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// wform is one of the layouts in which a value of the graph is in the file.
type wform uint8

const (
	// formNative is as in the graph.
	formNative wform = iota
	// formFirst is channels first.
	formFirst
	// formFlattened is [n, c*s], flattened from channels first, where the
	// graph has [n, s*c].
	formFlattened
	wforms
)

var formSuffix = [wforms]string{".native", ".first", ".flat"}

// written is a value of the graph with the tensors that stand for it.
type written struct {
	v    graph.Value
	home wform // in which it was made
	// real has the names of float tensors (or of integers that are no codes),
	// code those of codes.
	real, code [wforms]string
	q          *params
	c, s       int // of formFlattened
}

// params is what codes stand for.
type params struct {
	scale, zero graph.Value
	scheme      quant.Scheme
}

func (w *writer) value(v graph.Value) *written {
	x := w.vals[v.ID()]
	if x == nil {
		x = &written{v: v}
		w.vals[v.ID()] = x
	}
	return x
}

// any returns the tensor of a value in a layout as it is: codes where it has
// codes.
func (w *writer) any(x *written, f wform) (string, error) {
	if x.code[x.home] != "" {
		return w.codes(x, f)
	}
	return w.floats(x, f)
}

// floats returns the real numbers of a value in a layout.
func (w *writer) floats(x *written, f wform) (string, error) {
	if x.real[f] != "" {
		return x.real[f], nil
	}
	if x.v.Init() != nil {
		name, err := w.constant(x.v, permView(x.v.Shape(), w.perm(x.v, f)))
		if err == nil {
			x.real[f] = name
		}
		return name, err
	}
	if n, _ := x.v.Producer(); n != nil && w.isStored(x.v) {
		name, err := w.realOf(x.v, permView(x.v.Shape(), w.perm(x.v, f)))
		if err == nil {
			x.real[f] = name
		}
		return name, err
	}
	if x.q != nil {
		code, err := w.codes(x, f)
		if err != nil {
			return "", err
		}
		name := w.unique(realName(x.v.Name()))
		if err := w.dequantizeNode(name, code, name, x, f); err != nil {
			return "", err
		}
		x.real[f] = name
		return name, nil
	}
	from := x.real[x.home]
	if from == "" {
		return "", unsupportedf("%q has no value", x.v.Name())
	}
	x.real[f] = w.relayout(x, from, x.home, f)
	return x.real[f], nil
}

// codes returns the codes of a value in a layout.
func (w *writer) codes(x *written, f wform) (string, error) {
	if x.code[f] != "" {
		return x.code[f], nil
	}
	if x.v.Init() != nil {
		name, err := w.initializer(x.v, permView(x.v.Shape(), w.perm(x.v, f)))
		if err == nil {
			x.code[f] = name
		}
		return name, err
	}
	from := x.code[x.home]
	if from == "" {
		return "", unsupportedf("%q has no codes", x.v.Name())
	}
	if w.o.Form == FormQOperator || x.q == nil {
		x.code[f] = w.relayout(x, from, x.home, f)
		return x.code[f], nil
	}
	// In the QDQ form only float operations stand between codes.
	real, err := w.floats(x, x.home)
	if err != nil {
		return "", err
	}
	moved := w.relayout(x, real, x.home, f)
	name := w.unique(x.v.Name() + formSuffix[f])
	x.code[f] = name
	return name, w.quantizeNode(name, moved, name, x, f)
}

// perm returns the permutation from the graph's layout to f.
func (w *writer) perm(v graph.Value, f wform) []int {
	if f == formFirst {
		return toFirst(len(v.Shape()))
	}
	return identity(len(v.Shape()))
}

// relayout appends what turns a tensor of x from one layout to another.
func (w *writer) relayout(x *written, name string, from, to wform) string {
	rank := len(x.v.Shape())
	step := func(op string, attr *pb.Message, in ...string) {
		out := w.unique(x.v.Name() + formSuffix[to])
		w.addNode(op, "", out, append([]string{name}, in...), []string{out}, attr)
		name = out
	}
	switch {
	case from == to || rank < 2:
	case from == formFirst && to == formNative && rank > 2:
		step("Transpose", attrInts("perm", toLast(rank)))
	case from == formNative && to == formFirst && rank > 2:
		step("Transpose", attrInts("perm", toFirst(rank)))
	case from == formFlattened && x.c > 1 && x.s > 1:
		step("Reshape", nil, w.ints(x.v.Name()+".shape", []int{0, x.c, x.s}))
		step("Transpose", attrInts("perm", []int{0, 2, 1}))
		step("Reshape", nil, w.ints(x.v.Name()+".shape", []int{0, x.c * x.s}))
	}
	return name
}

// constant returns a stored value in a view: an initializer, or the output of
// a Constant node for numbers that are not trained.
func (w *writer) constant(v graph.Value, view view) (string, error) {
	if v.Kind() != graph.Const || !v.DType().Float() {
		return w.initializer(v, view)
	}
	key := fmt.Sprint("c", v.ID(), view.key())
	if s, ok := w.stored[key]; ok {
		return s, nil
	}
	t, err := w.viewed(v, view)
	if err != nil {
		return "", err
	}
	name := w.unique(v.Name())
	a := &pb.Message{}
	a.Text(1, "value")
	a.Message(5, w.tensor("", elemOf(t.DType()), view.final, t.Bytes(), false))
	a.Int(20, int64(pb.AttributeTensor))
	w.addNode("Constant", "", name, nil, []string{name}, a)
	w.stored[key] = name
	return name, nil
}

// initializer returns the name of a stored value under a view.
func (w *writer) initializer(v graph.Value, view view) (string, error) {
	key := fmt.Sprint(v.ID(), view.key())
	if s, ok := w.stored[key]; ok {
		return s, nil
	}
	t, err := w.viewed(v, view)
	if err != nil {
		return "", err
	}
	name := v.Name()
	if v.Kind() == graph.Const || w.stored[fmt.Sprint(v.ID())] != "" {
		name = w.unique(name)
	}
	w.stored[fmt.Sprint(v.ID())] = name
	w.stored[key] = name
	w.inits = append(w.inits, w.tensor(name, elemOf(t.DType()), view.final, t.Bytes(), true))
	return name, nil
}

// viewed returns the contents of a stored value under a view.
func (w *writer) viewed(v graph.Value, view view) (*tensor.Tensor, error) {
	t := v.Init()
	if t == nil {
		return nil, unsupportedf("%q is computed: fold the graph's constants first", v.Name())
	}
	if elemOf(t.DType()) == pb.Undefined {
		return nil, unsupportedf("%q is %v", v.Name(), t.DType())
	}
	t, err := t.Reshape(view.shape...)
	if err != nil {
		return nil, err
	}
	if !slices.IsSorted(view.perm) {
		out := tensor.New(tensor.Spec{DType: t.DType(), Shape: permuted(view.shape, view.perm)})
		permute(t, out, view.perm)
		t = out
	}
	return t.Reshape(view.final...)
}

// add stores a tensor that is not a value of the graph.
func (w *writer) add(name string, elem pb.DataType, dims []int, b []byte) string {
	name = w.unique(name)
	w.inits = append(w.inits, w.tensor(name, elem, dims, b, true))
	return name
}

// ints stores a list of int64.
func (w *writer) ints(name string, v []int) string {
	t := tensor.New(tensor.Of(tensor.I64, len(v)))
	for i, x := range v {
		t.I64()[i] = int64(x)
	}
	return w.add(name, pb.Int64, []int{len(v)}, t.Bytes())
}

// scalar stores one float of type d.
func (w *writer) scalar(name string, v float32, d tensor.DType) string {
	if d == tensor.F64 {
		return w.add(name, pb.Double, nil, tensor.FromF64([]float64{float64(v)}, 1).Bytes())
	}
	return w.add(name, pb.Float, nil, tensor.FromF32([]float32{v}, 1).Bytes())
}

// tensor encodes a TensorProto.
func (w *writer) tensor(name string, elem pb.DataType, dims []int, b []byte, mayMove bool) *pb.Message {
	if bigEndian {
		b = slices.Clone(b)
		swap(b, storages[elem].bytes)
	}
	m := &pb.Message{}
	if len(dims) > 0 {
		d := make([]int64, len(dims))
		for i, x := range dims {
			d[i] = int64(x)
		}
		m.Ints(1, d)
	}
	m.Int(2, int64(elem))
	if name != "" {
		m.Text(8, name)
	}
	threshold := w.o.ExternalThreshold
	if threshold <= 0 {
		threshold = 1024
	}
	if !mayMove || w.o.External == "" || len(b) < threshold {
		m.Bytes(9, b)
		return m
	}
	for _, e := range [][2]string{{"location", w.o.External}, {"offset", fmt.Sprint(w.ext.add(b))}, {"length", fmt.Sprint(len(b))}} {
		x := &pb.Message{}
		x.Text(1, e[0])
		x.Text(2, e[1])
		m.Message(13, x)
	}
	m.Int(14, 1)
	return m
}

// addNode appends a NodeProto. Trailing absent inputs are dropped.
func (w *writer) addNode(op, domain, name string, in, out []string, attrs ...*pb.Message) {
	for len(in) > 0 && in[len(in)-1] == "" {
		in = in[:len(in)-1]
	}
	m := &pb.Message{}
	for _, s := range in {
		m.Text(1, s)
	}
	for _, s := range out {
		m.Text(2, s)
	}
	m.Text(3, name)
	m.Text(4, op)
	for _, a := range attrs {
		if a != nil {
			m.Message(5, a)
		}
	}
	if domain != "" {
		m.Text(7, domain)
		w.domains = true
	}
	w.nodes = append(w.nodes, m)
}

func attrInt[T int | int64](name string, v T) *pb.Message {
	m := &pb.Message{}
	m.Text(1, name)
	m.Int(3, int64(v))
	m.Int(20, int64(pb.AttributeInt))
	return m
}

func attrInts(name string, v []int) *pb.Message {
	m := &pb.Message{}
	m.Text(1, name)
	for _, x := range v {
		m.Int(8, int64(x))
	}
	m.Int(20, int64(pb.AttributeInts))
	return m
}

func attrFloat(name string, v float32) *pb.Message {
	m := &pb.Message{}
	m.Text(1, name)
	m.Float(2, v)
	m.Int(20, int64(pb.AttributeFloat))
	return m
}

func attrText(name, v string) *pb.Message {
	m := &pb.Message{}
	m.Text(1, name)
	m.Bytes(4, []byte(v))
	m.Int(20, int64(pb.AttributeString))
	return m
}

// emit is a node of the graph being written.
type emit struct {
	*writer
	n *graph.Node
	// direct is set when the operator runs on codes.
	direct bool
	after  func() error
}

// node writes one node.
func (w *writer) node(n *graph.Node) error {
	f := writers[n.Op.OpName()]
	e := &emit{writer: w, n: n}
	if f.codes && len(n.In) > 0 && n.In[0].DType().Code() {
		x := w.value(n.In[0])
		e.direct = x.q == nil || w.o.Form == FormQOperator
	}
	err := f.write(e)
	if err == nil && e.after != nil {
		err = e.after()
	}
	if err != nil {
		return &NodeError{Node: n.Name, Op: n.Op.OpName(), Err: err}
	}
	return nil
}

// form returns the layout in which the first computed input is at hand.
func (e *emit) form() wform {
	for _, v := range e.n.In {
		if !v.Absent() && !e.isStored(v) {
			return e.value(v).home
		}
	}
	return formNative
}

// in returns the tensor of input i in a layout: codes if the operator runs on
// codes, else real numbers.
func (e *emit) in(i int, f wform) (string, error) {
	if i >= len(e.n.In) || e.n.In[i].Absent() {
		return "", nil
	}
	x := e.value(e.n.In[i])
	if e.direct {
		return e.codes(x, f)
	}
	return e.floats(x, f)
}

// codeIn returns the codes of input i.
func (e *emit) codeIn(i int, f wform) (string, error) { return e.codes(e.value(e.n.In[i]), f) }

// out returns the tensor to compute output 0 into, in a layout. A result of
// codes is quantized after it unless the operator makes codes.
func (e *emit) out(f wform) string {
	v := e.n.Out[0]
	x := e.value(v)
	x.home = f
	if f == formFlattened {
		for _, u := range e.n.In {
			if y := e.value(u); y.c > 0 {
				x.c, x.s = y.c, y.s
				break
			}
		}
	}
	name := e.outName[v.ID()]
	if name == "" {
		name = e.unique(v.Name())
	}
	if !v.DType().Code() {
		x.real[f] = name
		return name
	}
	if x.q == nil && len(e.n.In) > 0 {
		x.q = e.value(e.n.In[0]).q
	}
	x.code[f] = name
	if e.direct || x.q == nil {
		return name
	}
	if name == e.outName[v.ID()] {
		float := e.unique(v.Name() + ".float")
		e.after = func() error { return e.quantizeNode(name+".quantize", float, name, x, f) }
		return float
	}
	code := e.unique(codeName(name))
	x.code[f] = code
	e.after = func() error { return e.quantizeNode(code, name, code, x, f) }
	return name
}

// codeName returns the name of the codes of a tensor, realName that of the
// real numbers that codes stand for.
func codeName(s string) string { return s + ".quantize" }

func realName(s string) string { return strings.TrimSuffix(s, ".quantize") + ".dequantize" }

// add appends the operator's node.
func (e *emit) node1(op string, in []string, out string, attrs ...*pb.Message) {
	e.addNode(op, "", e.n.Name, in, []string{out}, attrs...)
}

// simple writes an operator with one input that works on any layout.
func (e *emit) simple(op string, attrs ...*pb.Message) error {
	f := e.form()
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	e.node1(op, []string{x}, e.out(f), attrs...)
	return nil
}

// weight returns the real numbers of input i under a view.
func (e *emit) weight(i int, view view) (string, error) { return e.realOf(e.n.In[i], view) }

// realOf returns the real numbers of a stored or computed value under a view.
func (w *writer) realOf(v graph.Value, view view) (string, error) {
	if v.Init() != nil {
		return w.initializer(v, view)
	}
	if n, _ := v.Producer(); n != nil && w.isStored(v) {
		op := n.Op.(backend.DequantizeLinear)
		p := &params{scale: n.In[1], scheme: op.Scheme}
		if len(n.In) > 2 {
			p.zero = n.In[2]
		}
		return w.realCodes(n.In[0], p, view, v.Name())
	}
	name, err := w.floats(w.value(v), formNative)
	if err != nil {
		return "", err
	}
	x := w.value(v)
	if !slices.Equal(view.shape, x.v.Shape()) {
		s := w.unique(x.v.Name() + ".view")
		w.addNode("Reshape", "", s, []string{name, w.ints(x.v.Name()+".shape", view.shape)}, []string{s})
		name = s
	}
	if !slices.IsSorted(view.perm) {
		s := w.unique(x.v.Name() + ".view")
		w.addNode("Transpose", "", s, []string{name}, []string{s}, attrInts("perm", view.perm))
		name = s
	}
	if !slices.Equal(view.final, permuted(view.shape, view.perm)) {
		s := w.unique(x.v.Name() + ".view")
		w.addNode("Reshape", "", s, []string{name, w.ints(x.v.Name()+".shape", view.final)}, []string{s})
		name = s
	}
	return name, nil
}

// realCodes returns the real numbers of stored codes, in a tensor of this name
// if it is free, under a view, which must keep the axis of the scales whole.
func (w *writer) realCodes(codes graph.Value, p *params, view view, name string) (string, error) {
	key := fmt.Sprint(codes.ID(), " ", p.scale.ID(), view.key())
	if s, ok := w.reals[key]; ok {
		return s, nil
	}
	code, err := w.initializer(codes, view)
	if err != nil {
		return "", err
	}
	axis := -1
	switch g := p.scheme.Grain; g.Kind {
	case quant.PerTensor:
	case quant.PerChannel:
		shape := codes.Shape()
		a, err := backend.Axis(g.Axis, len(shape))
		if err != nil {
			return "", err
		}
		var ok bool
		if axis, ok = view.axis(shape, a); !ok {
			return "", unsupportedf("scales of %q along axis %d, which the operator splits", codes.Name(), a)
		}
	default:
		return "", unsupportedf("scheme %v", p.scheme)
	}
	scale, zero, err := w.scaleZero(p, codes.DType())
	if err != nil {
		return "", err
	}
	out := w.unique(name)
	var attr *pb.Message
	if axis >= 0 {
		attr = attrInt("axis", axis)
	}
	w.addNode("DequantizeLinear", "", out, []string{code, scale, zero}, []string{out}, attr)
	w.reals[key] = out
	return out, nil
}
