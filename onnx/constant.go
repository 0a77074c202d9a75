package onnx

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// Constants, and what exporters compute from shapes.
func init() {
	registerReader("Constant", opReader{read: readConstant})
	registerReader("Shape", opReader{class: layoutDims, read: readShape})
	registerReader("Size", opReader{class: layoutDims, read: func(c *call) error {
		if err := c.inputs(1, 1); err != nil {
			return err
		}
		n := tensor.FromI64([]int64{int64(c.in[0].dims.Numel())}, 1)
		n, err := n.Reshape()
		if err != nil {
			return err
		}
		v := c.setData(0, pb.Int64, n)
		if c.in[0].batched {
			v.marks = []mark{markDerived}
		}
		return nil
	}})
	registerReader("ConstantOfShape", opReader{read: readConstantOfShape})
	registerReader("Cast", opReader{class: layoutFollow, fold: foldCast, read: readCast})
	registerReader("CastLike", opReader{class: layoutFollow, read: func(c *call) error {
		if err := c.inputs(2, 2); err != nil {
			return err
		}
		c.ignore("saturate")
		to, err := elementType(c.in[1].elem)
		if err != nil {
			return err
		}
		return readCastTo(c, c.in[1].elem, to)
	}})
	registerWriter(backend.Cast{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		to := elemOf(e.n.Op.(backend.Cast).To)
		f := e.form()
		e.direct = true
		x, err := e.any(e.value(e.n.In[0]), f)
		if err != nil {
			return err
		}
		e.node1("Cast", []string{x}, e.out(f), attrInt("to", int(to)))
		return nil
	}})
	registerReader("Expand", opReader{class: layoutNative, read: readExpand})
}

func readConstant(c *call) error {
	if len(c.in) > 0 {
		return formatf("%d inputs, want none", len(c.in))
	}
	if len(c.n.Attributes) != 1 {
		return formatf("%d attributes, want one", len(c.n.Attributes))
	}
	var t *tensor.Tensor
	elem := pb.Float
	switch a := c.n.Attributes[0]; a.Name {
	case "value":
		x := c.attribute("value", pb.AttributeTensor)
		if x == nil || x.T == nil {
			return formatf("attribute \"value\" has no tensor")
		}
		s, err := shapeOf(x.T.Dims)
		if err != nil {
			return err
		}
		if len(c.n.Outputs) > 0 {
			c.vals[c.n.Outputs[0]] = &value{name: c.n.Outputs[0], elem: x.T.Type, init: x.T, dims: s}
		}
		return nil
	case "value_float":
		t = tensor.FromF32([]float32{c.floatAttr(a.Name, 0)}, 1)
	case "value_int":
		elem = pb.Int64
		t = tensor.FromI64([]int64{c.intAttr(a.Name, 0)}, 1)
	case "value_ints":
		elem = pb.Int64
		if x := c.attribute(a.Name, pb.AttributeInts); x != nil {
			v, err := x.Ints()
			if err != nil {
				return formatf("attribute %q: %v", a.Name, err)
			}
			c.setData(0, elem, tensor.FromI64(v, len(v)))
		}
		return c.err
	case "value_floats":
		if x := c.attribute(a.Name, pb.AttributeFloats); x != nil {
			v, err := x.Floats()
			if err != nil {
				return formatf("attribute %q: %v", a.Name, err)
			}
			c.setData(0, elem, tensor.FromF32(v, len(v)))
		}
		return c.err
	default:
		return unsupportedf("attribute %q", a.Name)
	}
	t, err := t.Reshape()
	if err != nil {
		return err
	}
	c.setData(0, elem, t)
	return c.err
}

// readShape gives the dimensions of a tensor, marking the batch.
func readShape(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	x := c.in[0]
	n := len(x.dims)
	bound := func(name string, def int) int {
		v := int(min(max(c.intAttr(name, int64(def)), math.MinInt32), math.MaxInt32))
		if v < 0 {
			v += n
		}
		return min(max(v, 0), n)
	}
	from, to := bound("start", 0), bound("end", n)
	out := []int64{}
	var marks []mark
	for i := from; i < to; i++ {
		out = append(out, int64(x.dims[i]))
		m := markNone
		if i == 0 && x.batched {
			m = markBatch
		}
		marks = append(marks, m)
	}
	c.setData(0, pb.Int64, tensor.FromI64(out, len(out))).marks = marks
	return c.err
}

func readConstantOfShape(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	dims, err := c.constInts(0)
	if err != nil {
		return err
	}
	d := make([]int64, len(dims))
	for i, x := range dims {
		d[i] = int64(x)
	}
	shape, err := shapeOf(d)
	if err != nil {
		return err
	}
	elem := pb.Float
	item := tensor.FromF32([]float32{0}, 1)
	if a := c.attribute("value", pb.AttributeTensor); a != nil {
		if a.T == nil {
			return formatf("attribute \"value\" has no tensor")
		}
		if item, err = c.decode(a.T); err != nil {
			return err
		}
		elem = a.T.Type
		if item.Numel() != 1 {
			return formatf("attribute \"value\" is %v, want one number", item)
		}
	}
	out, err := c.alloc(tensor.Spec{DType: item.DType(), Shape: shape})
	if err != nil {
		return err
	}
	b, size := out.Bytes(), len(item.Bytes())
	for at := 0; at < len(b); at += size {
		copy(b[at:], item.Bytes())
	}
	c.setData(0, elem, out)
	return c.err
}

func (c *call) castTo() (pb.DataType, tensor.DType, error) {
	c.ignore("saturate")
	elem := pb.DataType(c.intAttr("to", 0))
	if c.err != nil {
		return elem, tensor.Invalid, c.err
	}
	d, err := elementType(elem)
	return elem, d, err
}

func readCast(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	elem, to, err := c.castTo()
	if err != nil {
		return err
	}
	return readCastTo(c, elem, to)
}

// readCastTo converts to a type. Numbers of a file's bfloat16 are float32 here,
// so a cast to it rounds and widens again.
func readCastTo(c *call, elem pb.DataType, to tensor.DType) error {
	f, x := c.follow(0)
	if elem == pb.BFloat16 && c.err == nil && c.in[0].elem != elem {
		c.set(0, f, c.one(backend.Cast{To: to}, c.helper(".bfloat16", backend.Cast{To: tensor.BF16}, x))).elem = elem
		return c.err
	}
	if x.DType() == to && c.err == nil { // Such as FLOAT16 to FLOAT: both are float32 here.
		v := *c.in[0]
		if !v.isConst() {
			v.name, v.elem = c.n.Outputs[0], elem
			c.alias(0, &v)
			return nil
		}
	}
	c.set(0, f, c.one(backend.Cast{To: to}, x)).elem = elem
	return c.err
}

// foldCast converts constants between float32 and the integers.
func foldCast(c *call) (bool, error) {
	if err := c.inputs(1, 1); err != nil {
		return false, err
	}
	if len(c.in) == 0 || c.in[0].dq != nil || c.in[0].elem == pb.Bool {
		return false, nil
	}
	elem, to, err := c.castTo()
	if err != nil {
		return false, err
	}
	t, err := c.data(c.in[0])
	if err != nil {
		return false, err
	}
	half := elem == pb.BFloat16 && c.in[0].elem != elem
	if t.DType() == to && !half {
		c.setData(0, elem, t).marks = c.in[0].marks
		return true, nil
	}
	if t.Numel() > maxFold {
		return false, nil
	}
	out, err := c.alloc(tensor.Spec{DType: to, Shape: t.Shape()})
	if err != nil {
		return false, err
	}
	for i := range t.Numel() {
		v := t.At(i)
		if t.DType() == tensor.I64 && to == tensor.I32 { // Exactly, not through a float64.
			out.I32()[i] = int32(t.I64()[i])
			continue
		}
		n := int64(0)
		if v == v {
			n = int64(min(max(v, -1<<62), 1<<62))
		}
		switch to {
		case tensor.F32:
			out.F32()[i] = float32(v)
			if half {
				out.F32()[i] = tensor.ToBFloat16F64(v).Float32()
			}
		case tensor.I64:
			out.I64()[i] = n
		case tensor.I32:
			out.I32()[i] = int32(min(max(n, math.MinInt32), math.MaxInt32))
		case tensor.I8:
			out.I8()[i] = int8(n)
		case tensor.U8:
			out.U8()[i] = uint8(n)
		}
	}
	c.setData(0, elem, out).marks = c.in[0].marks
	return true, nil
}

// readExpand broadcasts to a constant shape: by adding to zeros.
func readExpand(c *call) error {
	if err := c.inputs(2, 2); err != nil {
		return err
	}
	target, err := c.constInts(1)
	if err != nil {
		return err
	}
	for _, d := range target {
		if d < 0 {
			return formatf("shape %v", target)
		}
	}
	x := c.in[0]
	shape, err := tensor.Broadcast(x.dims, target)
	if err != nil {
		return formatf("%v", err)
	}
	if shape.Equal(x.dims) {
		c.alias(0, x)
		return nil
	}
	v := c.plain(0)
	if c.err != nil {
		return c.err
	}
	if d := v.DType(); !d.Float() && d != tensor.I32 && d != tensor.I64 {
		return unsupportedf("Expand of %v", d)
	}
	zeros, err := c.alloc(tensor.Spec{DType: v.DType(), Shape: shape})
	if err != nil {
		return err
	}
	c.set(0, formPlain, c.one(backend.Add{}, v, c.g.Const(c.name+".zeros", zeros)))
	return c.err
}
