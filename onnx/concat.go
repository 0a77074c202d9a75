package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("Concat", opReader{class: layoutFollow, fold: foldConcat, read: readConcat})
	registerReader("Split", opReader{class: layoutFollow, read: readSplit})
	registerWriter(backend.Concat{}, opWriter{class: layoutFollow, codes: true, write: writeConcat})
}

// lastAxis returns where axis a of [n, c, ...] is in [n, ..., c].
func lastAxis(a, rank int) int {
	switch {
	case a == 0:
		return 0
	case a == 1:
		return rank - 1
	}
	return a - 1
}

// firstAxis returns where axis a of [n, ..., c] is in [n, c, ...].
func firstAxis(a, rank int) int {
	switch {
	case a == 0:
		return 0
	case a == rank-1:
		return 1
	}
	return a + 1
}

func readConcat(c *call) error {
	if err := c.inputs(1, len(c.in)); err != nil {
		return err
	}
	rank := len(c.in[0].dims)
	def := int64(1)
	if c.opset >= 4 && !c.has("axis") {
		return formatf("there is no axis")
	}
	axis := c.axis("axis", def, rank)
	f := formPlain
	var same *graph.Codes
	for i, v := range c.in {
		if v == nil {
			return formatf("input %d is absent", i)
		}
		if c.formOf(v) == formLast && rank > 2 && len(v.dims) == rank {
			f = formLast
		}
		if i == 0 {
			same = v.codes
		} else if same != nil && (v.codes == nil || v.codes.Scale != same.Scale || v.codes.Zero != same.Zero) {
			same = nil
		}
	}
	var in []graph.Value
	for i := range c.in {
		if f == formLast {
			in = append(in, c.last(i))
		} else {
			in = append(in, c.plain(i))
		}
	}
	if f == formLast {
		axis = lastAxis(axis, rank)
	}
	y := c.one(backend.Concat{Axis: axis}, in...)
	if same != nil {
		c.setPassed(f, y)
	} else {
		c.set(0, f, y)
	}
	return c.err
}

// foldConcat joins lists of dimensions.
func foldConcat(c *call) (bool, error) {
	var out []int64
	var marks []mark
	for _, v := range c.in {
		d, ok := c.shapeInts(v)
		if !ok || len(v.dims) != 1 || len(out)+len(d) > maxFold {
			return false, nil
		}
		for _, x := range d {
			out, marks = append(out, x.v), append(marks, x.m)
		}
	}
	if len(c.in) == 0 {
		return false, nil
	}
	c.axis("axis", 0, 1)
	c.setData(0, pb.Int64, tensor.FromI64(out, len(out))).marks = marks
	return true, c.err
}

// readSplit takes slices one after the other.
func readSplit(c *call) error {
	if err := c.inputs(1, 2); err != nil {
		return err
	}
	x := c.in[0]
	axis := c.axis("axis", 0, len(x.dims))
	parts, ok := c.intList("split", 1, 13)
	n := len(c.n.Outputs)
	if k := c.intAttr("num_outputs", int64(n)); k != int64(n) {
		return formatf("num_outputs %d for %d outputs", k, n)
	}
	if c.err != nil {
		return c.err
	}
	if len(x.dims) == 0 || n == 0 {
		return formatf("split of %v into %d", x.dims, n)
	}
	size := x.dims[axis]
	if !ok {
		each := (size + n - 1) / n
		for i := range n {
			parts = append(parts, min(each, max(size-i*each, 0)))
		}
	}
	total := 0
	for _, p := range parts {
		if p < 0 || p > size {
			return formatf("split %v of %d", parts, size)
		}
		total += p
	}
	if len(parts) != n || total != size {
		return formatf("split %v of %d into %d outputs", parts, size, n)
	}
	f, v := c.follow(0)
	if f == formFlat {
		f, v = formPlain, c.plain(0)
	}
	if f == formLast {
		axis = lastAxis(axis, len(x.dims))
	}
	from := 0
	for i, p := range parts {
		c.set(i, f, c.one(backend.Slice{Axes: tensor.NewDims(axis), Starts: tensor.NewDims(from), Ends: tensor.NewDims(from + p)}, v))
		from += p
	}
	return c.err
}

func writeConcat(e *emit) error {
	rank := len(e.n.In[0].Shape())
	axis, err := backend.Axis(e.n.Op.(backend.Concat).Axis, rank)
	if err != nil {
		return err
	}
	f := formNative
	for _, v := range e.n.In {
		if !e.isStored(v) && e.value(v).home == formFirst {
			f = formFirst
		}
	}
	if f == formFirst {
		axis = firstAxis(axis, rank)
	}
	var in []string
	for i := range e.n.In {
		s, err := e.in(i, f)
		if err != nil {
			return err
		}
		in = append(in, s)
	}
	e.node1("Concat", in, e.out(f), attrInt("axis", axis))
	return nil
}
