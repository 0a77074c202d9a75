package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("Softmax", opReader{read: func(c *call) error { return readSoftmax(c, false) }})
	registerReader("LogSoftmax", opReader{read: func(c *call) error { return readSoftmax(c, true) }})
	registerWriter(backend.Softmax{}, opWriter{write: func(e *emit) error {
		op := e.n.Op.(backend.Softmax)
		x, err := e.in(0, formNative)
		if err != nil {
			return err
		}
		name := "Softmax"
		if op.Log {
			name = "LogSoftmax"
		}
		e.node1(name, []string{x}, e.out(formNative), attrInt("axis", op.Axis))
		return nil
	}})
}

// readSoftmax reads both meanings: from operator set 13 on along one axis,
// before over all dimensions from axis on.
func readSoftmax(c *call, log bool) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	dims := c.in[0].dims
	def := int64(-1)
	if c.opset < 13 {
		def = 1
	}
	if len(dims) == 1 && c.opset < 13 && !c.has("axis") {
		def = 0
	}
	given := c.intAttr("axis", def)
	axis := c.axis("axis", def, len(dims))
	x := c.plain(0)
	if c.err != nil {
		return c.err
	}
	if c.opset >= 13 {
		// As it is written, so that it is written again alike.
		c.set(0, formPlain, c.one(backend.Softmax{Axis: int(given), Log: log}, x))
		return c.err
	}
	if axis == len(dims)-1 {
		c.set(0, formPlain, c.one(backend.Softmax{Axis: axis, Log: log}, x))
		return c.err
	}
	rows := append(dims[:axis:axis], dims[axis:].Numel())
	y := c.helper(".join", backend.Reshape{Shape: tensor.NewDims(perSample(c.in[0], rows, axis > 0)...)}, x)
	y = c.one(backend.Softmax{Axis: axis, Log: log}, y)
	y = c.helper(".split", backend.Reshape{Shape: tensor.NewDims(perSample(c.in[0], dims, axis > 0)...)}, y)
	c.set(0, formPlain, y)
	return c.err
}
