package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("LayerNormalization", opReader{read: readLayerNorm})
	registerWriter(backend.LayerNorm{}, opWriter{since: 17, write: writeLayerNorm})
}

// readLayerNorm normalizes over the dimensions from axis on, joined to one.
func readLayerNorm(c *call) error {
	if err := c.inputs(2, 3); err != nil {
		return err
	}
	dims := c.in[0].dims
	axis := c.axis("axis", -1, len(dims))
	op := backend.LayerNorm{Eps: c.floatAttr("epsilon", 1e-5)}
	if t := c.intAttr("stash_type", 1); t != 1 {
		return unsupportedf("stash_type %d", t)
	}
	x := c.plain(0)
	if c.err != nil {
		return c.err
	}
	size := dims[axis:].Numel()
	rows := append(dims[:axis:axis], size)
	joined := axis < len(dims)-1
	if joined {
		x = c.helper(".join", backend.Reshape{Shape: tensor.NewDims(perSample(c.in[0], rows, axis > 0)...)}, x)
	}
	in := []graph.Value{x}
	for _, v := range c.in[1:] {
		if v == nil {
			continue
		}
		if v.dims.Numel() != size {
			return unsupportedf("scale or bias %v for %d values", v.dims, size)
		}
		p, err := c.viewOf(v, view{v.dims, identity(len(v.dims)), []int{size}}, roleWeight)
		if err != nil {
			return err
		}
		in = append(in, p)
	}
	out := c.apply(op, in...)
	if len(out) < 3 {
		return c.err
	}
	y := out[0]
	if joined {
		y = c.helper(".split", backend.Reshape{Shape: tensor.NewDims(perSample(c.in[0], dims, axis > 0)...)}, y)
	}
	c.set(0, formPlain, y)
	for i := 1; i < min(3, len(c.n.Outputs)); i++ {
		if c.n.Outputs[i] == "" {
			continue
		}
		s := dims.Clone()
		for k := axis; k < len(s); k++ {
			s[k] = 1
		}
		c.set(i, formPlain, c.helper(".statistics", backend.Reshape{Shape: tensor.NewDims(s...)}, out[i]))
	}
	return c.err
}

// perSample returns dims with 0, for whatever it is, as the outermost
// dimension where that is the batch of x and kept.
func perSample(x *value, dims []int, kept bool) []int {
	if !kept || !x.batched || len(dims) < 2 || dims[0] != x.dims[0] {
		return dims
	}
	out := append([]int{0}, dims[1:]...)
	for _, d := range out[1:] {
		if d == 0 {
			return dims // Zero would copy there too.
		}
	}
	return out
}

func writeLayerNorm(e *emit) error {
	x, err := e.in(0, formNative)
	if err != nil {
		return err
	}
	op := e.n.Op.(backend.LayerNorm)
	n := e.n.In[0].Shape().Last()
	in := []string{x, "", ""}
	for i := 1; i < len(e.n.In); i++ {
		if e.n.In[i].Absent() {
			continue
		}
		if in[i], err = e.weight(i, permView(e.n.In[i].Shape(), identity(1))); err != nil {
			return err
		}
	}
	if in[1] == "" { // The operator must have one.
		ones := tensor.New(tensor.Of(tensor.F32, n))
		for i := range ones.F32() {
			ones.F32()[i] = 1
		}
		in[1] = e.add(e.n.Name+".gamma", pb.Float, []int{n}, ones.Bytes())
	}
	e.node1("LayerNormalization", in, e.out(formNative), attrInt("axis", -1), attrFloat("epsilon", op.Eps))
	return nil
}
