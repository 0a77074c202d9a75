package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// Arithmetic on two tensors with broadcasting, and the sum of several.
func init() {
	for name, op := range map[string]backend.Op{"Add": backend.Add{}, "Sub": backend.Sub{}, "Mul": backend.Mul{}, "Div": backend.Div{}} {
		registerReader(name, opReader{class: layoutFollow, fold: foldArithmetic, read: func(c *call) error {
			if err := c.inputs(2, 2); err != nil {
				return err
			}
			if c.opset < 7 {
				if err := oldBroadcast(c); err != nil {
					return err
				}
			}
			f, in := c.broadcast()
			if len(in) == 2 {
				c.set(0, f, c.one(op, in...))
			}
			return c.err
		}})
		registerWriter(op, opWriter{class: layoutFollow, write: func(e *emit) error { return writeBroadcast(e, name, e.n.In) }})
	}
	registerReader("Sum", opReader{class: layoutFollow, read: func(c *call) error { return readSum(c, false) }})
	registerReader("Mean", opReader{class: layoutFollow, read: func(c *call) error { return readSum(c, true) }})
}

// readSum adds its inputs one after the other, and with mean divides by their
// number.
func readSum(c *call, mean bool) error {
	if err := c.inputs(1, len(c.in)); err != nil {
		return err
	}
	c.ignore("consumed_inputs")
	for _, v := range c.in {
		if v == nil {
			return formatf("an input is absent")
		}
	}
	if len(c.in) == 1 {
		c.alias(0, c.in[0])
		return nil
	}
	f, in := c.broadcast()
	if c.err != nil {
		return c.err
	}
	y := in[0]
	for _, x := range in[1:] {
		y = c.one(backend.Add{}, y, x)
	}
	if mean && c.err == nil {
		y = c.helper(".mean", backend.Mul{}, y, c.g.Scalar(y.DType(), 1/float64(len(in))))
	}
	c.set(0, f, y)
	return c.err
}

// broadcast returns the inputs in one form, in which they broadcast as they
// do in the file.
func (c *call) broadcast() (form, []graph.Value) {
	f := c.broadcastForm()
	rank := 0
	for _, v := range c.in {
		rank = max(rank, len(v.dims))
	}
	var in []graph.Value
	for i, v := range c.in {
		var x graph.Value
		var err error
		switch {
		case f == formPlain || v.dims.Numel() == 1:
			x, err = c.reader.plain(v)
		case f == formLast && v.isConst():
			x, err = c.viewOf(v, lastOperand(v.dims, rank), roleOperand)
		case f == formLast:
			x, err = c.channelsLast(v)
		case v.isConst():
			x, err = c.viewOf(v, c.flatOperand(v.dims), roleOperand)
		default:
			x = v.flat
		}
		if err != nil {
			c.fail(err)
			return f, nil
		}
		if x.Absent() {
			c.fail(unsupportedf("input %d has no value", i))
			return f, nil
		}
		in = append(in, x)
	}
	return f, in
}

// broadcastForm chooses the form in which all inputs can be taken.
func (c *call) broadcastForm() form {
	rank, f := 0, formPlain
	for _, v := range c.in {
		rank = max(rank, len(v.dims))
	}
	var flat *value
	for _, v := range c.in {
		if v.isConst() {
			continue
		}
		switch g := c.formOf(v); {
		case g == formLast && len(v.dims) == rank && rank > 2:
			f = formLast
		case g == formFlat:
			flat = v
		}
	}
	if f == formPlain && flat != nil {
		f = formFlat
	}
	for _, v := range c.in {
		ok := v.dims.Numel() == 1
		switch f {
		case formLast:
			ok = ok || v.isConst() || len(v.dims) == rank
		case formFlat:
			ok = ok || v.isConst() && v.dims.Last() == flat.flatC*flat.flatS && v.dims.Numel() == v.dims.Last() ||
				!v.flat.Absent() && v.flatC == flat.flatC && v.flatS == flat.flatS
		default:
			ok = true
		}
		if !ok || f != formPlain && v.dq != nil {
			return formPlain
		}
	}
	return f
}

// lastOperand is the view of a constant that broadcasts with an image
// [n, c, ...] of this rank, for the same image channels last.
func lastOperand(dims tensor.Shape, rank int) view {
	s := make([]int, rank)
	for i := range s {
		s[i] = 1
	}
	copy(s[rank-len(dims):], dims)
	v := permView(s, toLast(rank))
	if len(dims) < rank {
		v.final = trimOnes(v.final)
	}
	return v
}

// trimOnes drops leading ones, but not the last dimension.
func trimOnes(s []int) []int {
	for len(s) > 1 && s[0] == 1 {
		s = s[1:]
	}
	return s
}

// flatOperand is the view of a constant vector added to a flattened image.
func (c *call) flatOperand(dims tensor.Shape) view {
	for _, v := range c.in {
		if !v.flat.Absent() {
			return view{[]int{v.flatC, v.flatS}, []int{1, 0}, dims}
		}
	}
	return permView(dims, identity(len(dims)))
}

// oldBroadcast gives the second operand the shape that the attributes
// broadcast and axis of operator sets before 7 mean.
func oldBroadcast(c *call) error {
	c.ignore("consumed_inputs")
	on := c.flag("broadcast", false)
	a, b := c.in[0].dims, c.in[1]
	axis := int(c.intAttr("axis", int64(len(a)-len(b.dims))))
	if axis < 0 {
		axis += len(a)
	}
	if c.err != nil {
		return c.err
	}
	if !on {
		if !a.Equal(b.dims) {
			return formatf("operands %v and %v without broadcast", a, b.dims)
		}
		return nil
	}
	if axis < 0 || axis+len(b.dims) > len(a) {
		return formatf("axis %d for operands %v and %v", axis, a, b.dims)
	}
	tail := len(a) - axis - len(b.dims)
	if tail == 0 {
		return nil
	}
	s := b.dims.Clone()
	for range tail {
		s = append(s, 1)
	}
	if !b.isConst() {
		x, err := c.viewOf(b, view{b.dims, identity(len(b.dims)), s}, roleOperand)
		if err != nil {
			return err
		}
		c.in[1] = &value{name: b.name, elem: b.elem, dims: s, plain: x}
		return nil
	}
	t, err := c.data(b)
	if err != nil {
		return err
	}
	if t, err = t.Reshape(s...); err != nil {
		return err
	}
	c.in[1] = &value{name: b.name, elem: b.elem, dims: s, data: t, stored: b.stored}
	return nil
}

// writeBroadcast writes an operator on several inputs that broadcast.
func writeBroadcast(e *emit, op string, in []graph.Value) error {
	f, names, err := e.operands(in)
	if err != nil {
		return err
	}
	e.node1(op, names, e.out(f))
	return nil
}

// operands returns the real numbers of inputs in one layout in which they
// broadcast as they do in the graph.
func (e *emit) operands(in []graph.Value) (wform, []string, error) {
	f, like := e.operandForm(in)
	rank := 0
	for _, v := range in {
		rank = max(rank, len(v.Shape()))
	}
	var names []string
	for _, v := range in {
		var s string
		var err error
		switch {
		case !e.isStored(v):
			g := f
			if v.Shape().Numel() == 1 && len(v.Shape()) < rank {
				g = formNative
			}
			s, err = e.floats(e.value(v), g)
		case f == formNative || v.Shape().Numel() == 1:
			s, err = e.operand(v, permView(v.Shape(), identity(len(v.Shape()))))
		case f == formFirst:
			s, err = e.operand(v, firstOperand(v.Shape(), rank))
		default:
			s, err = e.operand(v, view{[]int{like.s, like.c}, []int{1, 0}, v.Shape()})
		}
		if err != nil {
			return f, nil, err
		}
		names = append(names, s)
	}
	return f, names, nil
}

// operand returns a stored value under a view.
func (e *emit) operand(v graph.Value, view view) (string, error) {
	if v.Init() != nil {
		return e.constant(v, view)
	}
	return e.realOf(v, view)
}

func (e *emit) operandForm(in []graph.Value) (wform, *written) {
	rank, f := 0, formNative
	for _, v := range in {
		rank = max(rank, len(v.Shape()))
	}
	var flat *written
	for _, v := range in {
		if e.isStored(v) {
			continue
		}
		switch x := e.value(v); {
		case x.home == formFirst && len(v.Shape()) == rank && rank > 2:
			f = formFirst
		case x.home == formFlattened:
			flat = x
		}
	}
	if f == formNative && flat != nil {
		f = formFlattened
	}
	for _, v := range in {
		s := v.Shape()
		ok := s.Numel() == 1 || f == formNative
		switch {
		case ok:
		case f == formFirst:
			// A constant dequantized along a channel keeps its layout.
			ok = v.Init() != nil || !e.isStored(v) && len(s) == rank
		case e.isStored(v):
			ok = v.Init() != nil && s.Numel() == s.Last() && s.Last() == flat.c*flat.s
		default:
			x := e.value(v)
			ok = x.home == formFlattened && x.c == flat.c && x.s == flat.s
		}
		if !ok {
			return formNative, nil
		}
	}
	return f, flat
}

// firstOperand is the view of a constant that broadcasts with an image
// channels last, for the same image channels first.
func firstOperand(dims tensor.Shape, rank int) view {
	s := make([]int, rank)
	for i := range s {
		s[i] = 1
	}
	copy(s[rank-len(dims):], dims)
	v := permView(s, toFirst(rank))
	if len(dims) < rank {
		v.final = v.final[1:]
	}
	return v
}

// foldArithmetic computes on small integer constants: the arithmetic of
// shapes.
func foldArithmetic(c *call) (bool, error) {
	if err := c.inputs(2, 2); err != nil {
		return false, err
	}
	a, okA := c.shapeInts(c.in[0])
	b, okB := c.shapeInts(c.in[1])
	if !okA || !okB || c.opset < 7 {
		return false, nil
	}
	dims, err := tensor.Broadcast(c.in[0].dims, c.in[1].dims)
	if err != nil {
		return false, formatf("%v", err)
	}
	if len(dims) > 1 || len(a) == 0 || len(b) == 0 {
		return false, nil
	}
	out := tensor.New(tensor.Spec{DType: tensor.I64, Shape: dims})
	marks := make([]mark, len(out.I64()))
	for i := range out.I64() {
		x, y := a[min(i, len(a)-1)], b[min(i, len(b)-1)]
		var z int64
		switch c.n.OpType {
		case "Add":
			z = x.v + y.v
		case "Sub":
			z = x.v - y.v
		case "Mul":
			z = x.v * y.v
		default:
			if y.v == 0 {
				return false, formatf("division by zero")
			}
			z = x.v / y.v
		}
		out.I64()[i] = z
		if x.m != markNone || y.m != markNone {
			marks[i] = markDerived
		}
	}
	c.setData(0, pb.Int64, out).marks = marks
	return true, nil
}

// dimension is an integer that stands for a dimension, and its mark.
type dimension struct {
	v int64
	m mark
}

// shapeInts returns a short constant of int64 with its marks.
func (r *reader) shapeInts(v *value) ([]dimension, bool) {
	if v == nil || !v.isConst() || v.dq != nil || v.elem != pb.Int64 || r.shape(v) != nil || len(v.dims) > 1 || v.dims.Numel() > maxFold {
		return nil, false
	}
	t, err := r.data(v)
	if err != nil || t.DType() != tensor.I64 {
		return nil, false
	}
	out := make([]dimension, t.Numel())
	for i, x := range t.I64() {
		out[i].v = x
		if i < len(v.marks) {
			out[i].m = v.marks[i]
		}
	}
	return out, true
}

// maxFold is the longest list of dimensions that is computed on.
const maxFold = 1024
