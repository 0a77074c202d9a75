package onnx

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// call is a node of a file being read. Its first error sticks.
type call struct {
	*reader
	n     *pb.Node
	opset int
	name  string
	in    []*value // nil where absent
	known []string // attributes asked for
	err   error
}

func (c *call) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

// constant reports whether all inputs are constants.
func (c *call) constant() bool {
	for _, v := range c.in {
		if v != nil && !v.isConst() {
			return false
		}
	}
	return true
}

// finish checks that nothing in the node was left out.
func (c *call) finish() error {
	if c.err == nil {
		if err := c.g.Err(); err != nil {
			c.err = unsupportedf("%w", err)
		}
	}
	if c.err == nil {
		for i := range c.n.Attributes {
			if a := c.n.Attributes[i].Name; !c.asked(a) {
				c.err = unsupportedf("attribute %q", a)
				break
			}
		}
	}
	if c.err == nil {
		for i, name := range c.n.Outputs {
			if name != "" && c.vals[name] == nil {
				c.err = unsupportedf("output %d (%q)", i, name)
				break
			}
		}
	}
	if c.err != nil {
		return c.nodeError(c.n, c.err)
	}
	return nil
}

func (c *call) asked(name string) bool {
	for _, k := range c.known {
		if k == name {
			return true
		}
	}
	return false
}

// x returns input i, nil where it is absent.
func (c *call) x(i int) *value {
	if i < len(c.in) {
		return c.in[i]
	}
	return nil
}

// inputs returns an error unless there are between lo and hi inputs and the
// first lo are present.
func (c *call) inputs(lo, hi int) error {
	if len(c.in) < lo || len(c.in) > hi {
		return formatf("%d inputs, want %d to %d", len(c.in), lo, hi)
	}
	for i, v := range c.in[:lo] {
		if v == nil {
			return formatf("input %d is absent", i)
		}
	}
	for _, v := range c.in {
		if v == nil {
			continue
		}
		if err := c.shape(v); err != nil {
			return err
		}
	}
	return nil
}

// attribute returns an attribute of the wanted type, nil where it is absent.
func (c *call) attribute(name string, t pb.AttributeType) *pb.Attribute {
	c.known = append(c.known, name)
	for i := range c.n.Attributes {
		a := &c.n.Attributes[i]
		if a.Name != name {
			continue
		}
		if a.Type != t && a.Type != pb.AttributeUndefined {
			c.fail(formatf("attribute %q is %v, want %v", name, a.Type, t))
			return nil
		}
		return a
	}
	return nil
}

// has reports whether the node has an attribute.
func (c *call) has(name string) bool {
	for i := range c.n.Attributes {
		if c.n.Attributes[i].Name == name {
			return true
		}
	}
	return false
}

// ignore marks attributes that do not change the result.
func (c *call) ignore(names ...string) { c.known = append(c.known, names...) }

func (c *call) intAttr(name string, def int64) int64 {
	if a := c.attribute(name, pb.AttributeInt); a != nil {
		return a.I
	}
	return def
}

// flag returns an attribute that is 0 or 1.
func (c *call) flag(name string, def bool) bool {
	d := int64(0)
	if def {
		d = 1
	}
	v := c.intAttr(name, d)
	if v != 0 && v != 1 {
		c.fail(formatf("attribute %q is %d, want 0 or 1", name, v))
	}
	return v == 1
}

// axis returns an axis attribute counted from the front.
func (c *call) axis(name string, def int64, rank int) int {
	v := c.intAttr(name, def)
	a, err := backend.Axis(int(min(max(v, math.MinInt32), math.MaxInt32)), rank)
	if err != nil {
		c.fail(formatf("attribute %q: axis %d of rank %d", name, v, rank))
		return 0
	}
	return a
}

func (c *call) floatAttr(name string, def float32) float32 {
	if a := c.attribute(name, pb.AttributeFloat); a != nil {
		return a.F
	}
	return def
}

func (c *call) text(name, def string) string {
	if a := c.attribute(name, pb.AttributeString); a != nil {
		return string(a.S)
	}
	return def
}

// ints returns a list of small integers, false where it is absent.
func (c *call) ints(name string) ([]int, bool) {
	a := c.attribute(name, pb.AttributeInts)
	if a == nil {
		return nil, false
	}
	v, err := a.Ints()
	if err != nil {
		c.fail(formatf("attribute %q: %v", name, err))
		return nil, false
	}
	return smallInts(v), true
}

// smallInts clamps to int32, which is far beyond any dimension.
func smallInts(v []int64) []int {
	out := make([]int, len(v))
	for i, x := range v {
		out[i] = int(min(max(x, math.MinInt32), math.MaxInt32))
	}
	return out
}

// intList returns the axes, sizes or the like that are input i from opset
// since on and attribute name before; false where they are absent.
func (c *call) intList(name string, i, since int) ([]int, bool) {
	if c.opset < since {
		return c.ints(name)
	}
	if c.x(i) == nil {
		return nil, false
	}
	v, err := c.constInts(i)
	if err != nil {
		c.fail(err)
	}
	return v, err == nil
}

// constInts returns the integers of constant input i.
func (c *call) constInts(i int) ([]int, error) {
	t, err := c.constInput(i)
	if err != nil {
		return nil, err
	}
	switch t.DType() {
	case tensor.I64:
		return smallInts(t.I64()), nil
	case tensor.I32:
		out := make([]int, t.Numel())
		for k, v := range t.I32() {
			out[k] = int(v)
		}
		return out, nil
	}
	return nil, formatf("input %d is %v, want int64", i, t.DType())
}

// constInput returns the contents of input i, which must be constant.
func (c *call) constInput(i int) (*tensor.Tensor, error) {
	v := c.x(i)
	if v == nil {
		return nil, formatf("input %d is absent", i)
	}
	if !v.isConst() {
		return nil, unsupportedf("input %d is computed, not constant", i)
	}
	return c.data(v)
}

// scalar returns the one float of constant input i, or def where absent.
func (c *call) scalar(i int, def float32) float32 {
	if c.x(i) == nil {
		return def
	}
	t, err := c.constInput(i)
	if err != nil {
		c.fail(err)
		return def
	}
	if t.Numel() != 1 {
		c.fail(formatf("input %d is %v, want one number", i, t))
		return def
	}
	return float32(t.At(0))
}

// apply appends an operation; nil after an error.
func (c *call) apply(op backend.Op, in ...graph.Value) []graph.Value {
	if c.err != nil {
		return nil
	}
	out := c.g.ApplyNamed(c.name, op, in...)
	if out == nil {
		c.fail(unsupportedf("%w", c.g.Err()))
	}
	return out
}

// one is apply for the first output.
func (c *call) one(op backend.Op, in ...graph.Value) graph.Value {
	if out := c.apply(op, in...); len(out) > 0 {
		return out[0]
	}
	return graph.Value{}
}

// helper appends an operation that prepares an operand or a result.
func (c *call) helper(suffix string, op backend.Op, in ...graph.Value) graph.Value {
	if c.err != nil {
		return graph.Value{}
	}
	out := c.g.ApplyNamed(c.name+suffix, op, in...)
	if len(out) == 0 {
		c.fail(unsupportedf("%w", c.g.Err()))
		return graph.Value{}
	}
	return out[0]
}

// plain, last and operand return input i as a graph value.
func (c *call) plain(i int) graph.Value { return c.get(i, (*reader).plain) }
func (c *call) last(i int) graph.Value  { return c.get(i, (*reader).channelsLast) }

func (c *call) get(i int, f func(*reader, *value) (graph.Value, error)) graph.Value {
	v := c.x(i)
	if v == nil || c.err != nil {
		return graph.Value{}
	}
	x, err := f(c.reader, v)
	if err != nil {
		c.fail(fmt.Errorf("input %d: %w", i, err))
	}
	return x
}

// set makes y, in the given form, output i. It returns the new value.
func (c *call) set(i int, f form, y graph.Value) *value {
	if c.err != nil || y.Absent() || i >= len(c.n.Outputs) || c.n.Outputs[i] == "" {
		return &value{}
	}
	v := &value{name: c.n.Outputs[i], elem: elemOf(y.DType())}
	switch f {
	case formLast:
		v.last = y
		v.dims = y.Shape().Clone()
		if len(v.dims) > 2 {
			v.dims = permuted(v.dims, toFirst(len(v.dims)))
		}
	case formFlat:
		v.flat = y
		v.dims = y.Shape().Clone()
		for _, x := range c.in {
			if x != nil && !x.flat.Absent() {
				v.flatC, v.flatS = x.flatC, x.flatS
			}
		}
	default:
		v.plain = y
		v.dims = y.Shape().Clone()
	}
	for _, x := range c.in {
		if x != nil && x.batched && len(x.dims) > 0 && len(v.dims) > 0 && x.dims[0] == v.dims[0] {
			v.batched = true
		}
	}
	c.vals[v.name] = v
	return v
}

// alias makes output i another name of v.
func (c *call) alias(i int, v *value) {
	if c.err == nil && i < len(c.n.Outputs) && c.n.Outputs[i] != "" {
		c.vals[c.n.Outputs[i]] = v
	}
}

// setData makes the constant t output i.
func (c *call) setData(i int, elem pb.DataType, t *tensor.Tensor) *value {
	if c.err != nil || i >= len(c.n.Outputs) || c.n.Outputs[i] == "" {
		return &value{}
	}
	v := &value{name: c.n.Outputs[i], elem: elem, data: t, dims: t.Shape().Clone()}
	c.vals[v.name] = v
	return v
}

// elemOf returns the element type of a file for a type of goqat.
func elemOf(d tensor.DType) pb.DataType {
	switch d {
	case tensor.F32:
		return pb.Float
	case tensor.F64:
		return pb.Double
	case tensor.BF16:
		return pb.BFloat16
	case tensor.I8:
		return pb.Int8
	case tensor.U8:
		return pb.Uint8
	case tensor.I32:
		return pb.Int32
	case tensor.I64:
		return pb.Int64
	}
	return pb.Undefined
}

// soleUser returns the only user of output 0, nil if it has several or is an
// output of the graph.
func (c *call) soleUser() *pb.Node {
	if len(c.n.Outputs) == 0 {
		return nil
	}
	name := c.n.Outputs[0]
	u := c.users[name]
	if len(u) != 1 || c.isOut[name] || domainOf(u[0]) != "" {
		return nil
	}
	return u[0]
}
