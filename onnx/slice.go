package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// Slice, Gather and Pad: parts of tensors, and more than tensors.
func init() {
	registerReader("Slice", opReader{class: layoutFollow, fold: foldSlice, read: readSlice})
	registerWriter(backend.Slice{}, opWriter{class: layoutFollow, codes: true, write: writeSlice})
	registerReader("Gather", opReader{fold: foldGather, read: readGather})
	registerWriter(backend.Gather{}, opWriter{codes: true, write: writeGather})
	registerReader("Pad", opReader{class: layoutFollow, read: readPad})
	registerWriter(backend.Pad{}, opWriter{class: layoutFollow, codes: true, write: writePad})
}

// slice reads the attributes or inputs of Slice, with axes counted from the
// front.
func (c *call) slice() (backend.Slice, error) {
	var op backend.Slice
	starts, ok1 := c.intList("starts", 1, 10)
	ends, ok2 := c.intList("ends", 2, 10)
	axes, hasAxes := c.intList("axes", 3, 10)
	var steps []int
	hasSteps := false
	if c.opset >= 10 {
		steps, hasSteps = c.intList("steps", 4, 10)
	}
	if c.err != nil {
		return op, c.err
	}
	n, rank := len(starts), len(c.in[0].dims)
	if !ok1 || !ok2 || len(ends) != n || hasAxes && len(axes) != n || hasSteps && len(steps) != n || n > rank {
		return op, formatf("starts %v, ends %v, axes %v, steps %v of %d dimensions", starts, ends, axes, steps, rank)
	}
	if !hasAxes {
		axes = identity(n)
	}
	for i, a := range axes {
		a, err := backend.Axis(a, rank)
		if err != nil {
			return op, formatf("axes %v of %d dimensions", axes, rank)
		}
		axes[i] = a
	}
	op = backend.Slice{Axes: tensor.NewDims(axes...), Starts: tensor.NewDims(starts...), Ends: tensor.NewDims(ends...)}
	for _, s := range steps {
		if s != 1 {
			op.Steps = tensor.NewDims(steps...)
		}
	}
	return op, nil
}

func readSlice(c *call) error {
	if err := c.inputs(1, 5); err != nil {
		return err
	}
	op, err := c.slice()
	if err != nil {
		return err
	}
	f, x := c.follow(0)
	if f == formFlat {
		f, x = formPlain, c.plain(0)
	}
	if f == formLast {
		for i := range op.Axes.N {
			op.Axes.V[i] = lastAxis(op.Axes.V[i], len(c.in[0].dims))
		}
	}
	c.setPassed(f, c.one(op, x))
	return c.err
}

func foldSlice(c *call) (bool, error) {
	d, ok := c.shapeInts(c.x(0))
	if !ok || len(c.in[0].dims) != 1 {
		return false, nil
	}
	op, err := c.slice()
	if err != nil {
		return false, err
	}
	rs, err := op.Ranges(c.in[0].dims)
	if err != nil {
		return false, formatf("%v", err)
	}
	out := []int64{}
	var marks []mark
	for i := range rs[0].Count {
		x := d[rs[0].Start+i*rs[0].Step]
		out, marks = append(out, x.v), append(marks, x.m)
	}
	c.setData(0, pb.Int64, tensor.FromI64(out, len(out))).marks = marks
	return true, nil
}

func writeSlice(e *emit) error {
	op := e.n.Op.(backend.Slice)
	rank := len(e.n.In[0].Shape())
	f := e.form()
	if f == formFlattened {
		f = formNative
	}
	axes := op.Axes.Slice()
	if op.Axes.N == 0 {
		axes = identity(op.Starts.N)
	}
	for i, a := range axes {
		a, err := backend.Axis(a, rank)
		if err != nil {
			return err
		}
		axes[i] = a
		if f == formFirst {
			axes[i] = firstAxis(a, rank)
		}
	}
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	in := []string{x, e.ints(e.n.Name+".starts", op.Starts.Slice()), e.ints(e.n.Name+".ends", op.Ends.Slice()), e.ints(e.n.Name+".axes", axes)}
	if op.Steps.N > 0 {
		in = append(in, e.ints(e.n.Name+".steps", op.Steps.Slice()))
	}
	e.node1("Slice", in, e.out(f))
	return nil
}

func readGather(c *call) error {
	if err := c.inputs(2, 2); err != nil {
		return err
	}
	axis := c.axis("axis", 0, len(c.in[0].dims))
	x, err := c.plainAs(c.in[0], roleWeight)
	if err != nil {
		return err
	}
	c.setPassed(formPlain, c.one(backend.Gather{Axis: axis}, x, c.plain(1)))
	return c.err
}

// foldGather picks dimensions out of a shape.
func foldGather(c *call) (bool, error) {
	d, ok := c.shapeInts(c.x(0))
	index := c.x(1)
	if !ok || len(c.in[0].dims) != 1 || index == nil || c.shape(index) != nil || len(index.dims) > 1 {
		return false, nil //nolint:nilerr // What is not folded is read as an operation, which tells the fault.
	}
	c.axis("axis", 0, 1)
	at, err := c.constInts(1)
	if err != nil {
		return false, err
	}
	if len(at) > maxFold {
		return false, nil
	}
	out := tensor.New(tensor.Spec{DType: tensor.I64, Shape: index.dims})
	var marks []mark
	for i, k := range at {
		if k < 0 {
			k += len(d)
		}
		if k < 0 || k >= len(d) {
			return false, formatf("index %d of %d", at[i], len(d))
		}
		out.I64()[i] = d[k].v
		marks = append(marks, d[k].m)
	}
	c.setData(0, pb.Int64, out).marks = marks
	return true, c.err
}

func writeGather(e *emit) error {
	x, err := e.in(0, formNative)
	if err != nil {
		return err
	}
	index, err := e.any(e.value(e.n.In[1]), formNative)
	if err != nil {
		return err
	}
	e.node1("Gather", []string{x, index}, e.out(formNative), attrInt("axis", e.n.Op.(backend.Gather).Axis))
	return nil
}

var padModes = map[string]backend.PadMode{"constant": backend.PadConstant, "reflect": backend.PadReflect, "edge": backend.PadEdge}

func readPad(c *call) error {
	if err := c.inputs(1, 4); err != nil {
		return err
	}
	x := c.in[0]
	rank := len(x.dims)
	mode, ok := padModes[c.text("mode", "constant")]
	if !ok {
		return unsupportedf("mode %q", c.text("mode", ""))
	}
	name := "pads"
	if c.opset < 2 {
		name = "paddings"
	}
	pads, ok := c.intList(name, 1, 11)
	axes := identity(rank)
	if c.x(3) != nil {
		var err error
		if axes, err = c.constInts(3); err != nil {
			return err
		}
	}
	if c.err != nil {
		return c.err
	}
	if !ok || len(pads) != 2*len(axes) {
		return formatf("pads %v for %d axes", pads, len(axes))
	}
	op := backend.Pad{Mode: mode}
	op.Before.N, op.After.N = rank, rank
	seen := map[int]bool{}
	for i, a := range axes {
		a, err := backend.Axis(a, rank)
		if err != nil || seen[a] {
			return formatf("axes %v of %v", axes, x.dims)
		}
		seen[a] = true
		op.Before.V[a], op.After.V[a] = pads[i], pads[len(axes)+i]
		if pads[i] < 0 || pads[len(axes)+i] < 0 {
			return unsupportedf("negative pads %v", pads)
		}
	}
	if c.opset < 11 {
		op.Value = c.floatAttr("value", 0)
	} else {
		op.Value = c.scalar(2, 0)
	}
	f, v := c.follow(0)
	if f == formFlat {
		f, v = formPlain, c.plain(0)
	}
	if f == formLast {
		op.Before = tensor.NewDims(permuted(op.Before.Slice(), toLast(rank))...)
		op.After = tensor.NewDims(permuted(op.After.Slice(), toLast(rank))...)
	}
	if mode != backend.PadConstant {
		op.Value = 0
	}
	c.set(0, f, c.one(op, v))
	return c.err
}

func writePad(e *emit) error {
	op := e.n.Op.(backend.Pad)
	v := e.n.In[0]
	f := e.form()
	if f == formFlattened {
		f = formNative
	}
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	p := e.perm(v, f)
	pads := append(permuted(op.Before.Slice(), p), permuted(op.After.Slice(), p)...)
	mode := "constant"
	for name, m := range padModes {
		if m == op.Mode {
			mode = name
		}
	}
	in := []string{x, e.ints(e.n.Name+".pads", pads), ""}
	if mode == "constant" {
		if in[2], err = e.padValue(op); err != nil {
			return err
		}
	}
	e.node1("Pad", in, e.out(f), attrText("mode", mode))
	return nil
}

// padValue returns what to pad with. Codes padded with their zero point are
// real numbers padded with 0.
func (e *emit) padValue(op backend.Pad) (string, error) {
	v := e.n.In[0]
	value := float64(op.Value)
	var given *tensor.Tensor
	if len(e.n.In) > 1 && !e.n.In[1].Absent() {
		if given = e.n.In[1].Init(); given == nil {
			return "", unsupportedf("a computed padding value")
		}
		value = given.At(0)
	}
	if d := v.DType(); !d.Float() {
		if d.Code() && !e.direct {
			q := e.value(v).q
			zero, scale := 0.0, float64(q.scale.Init().F32()[0])
			if z := q.zero.Init(); z != nil {
				zero = z.At(0)
			}
			return e.scalar(e.n.Name+".value", float32(scale*(value-zero)), tensor.F32), nil
		}
		t := tensor.New(tensor.Of(d, 1))
		switch d {
		case tensor.I8:
			t.I8()[0] = int8(value)
		case tensor.U8:
			t.U8()[0] = uint8(value)
		case tensor.I32:
			t.I32()[0] = int32(value)
		default:
			t.I64()[0] = int64(value)
		}
		return e.add(e.n.Name+".value", elemOf(d), nil, t.Bytes()), nil
	}
	return e.scalar(e.n.Name+".value", float32(value), v.DType()), nil
}
