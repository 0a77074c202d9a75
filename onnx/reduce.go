package onnx

import (
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

var reduceNames = map[backend.ReduceKind]string{backend.ReduceSum: "ReduceSum", backend.ReduceMean: "ReduceMean", backend.ReduceMax: "ReduceMax",
	backend.ReduceMin: "ReduceMin", backend.ReduceProd: "ReduceProd", backend.ReduceL2: "ReduceL2"}

func init() {
	for kind, name := range reduceNames {
		registerReader(name, opReader{class: layoutFollow, read: func(c *call) error { return readReduce(c, kind) }})
	}
	// The sum of squares has no operation of its own.
	registerReader("ReduceSumSquare", opReader{class: layoutFollow, read: func(c *call) error {
		if err := c.inputs(1, 2); err != nil {
			return err
		}
		f, x := c.follow(0)
		y := c.helper(".square", backend.Mul{}, x, x)
		if c.err != nil {
			return c.err
		}
		v := *c.in[0]
		v.init, v.data, v.dq = nil, nil, nil
		v.plain, v.last, v.flat = graph.Value{}, graph.Value{}, graph.Value{}
		switch f {
		case formLast:
			v.last = y
		case formFlat:
			v.flat = y
		default:
			v.plain = y
		}
		c.in[0] = &v
		return readReduce(c, backend.ReduceSum)
	}})
	registerWriter(backend.Reduce{}, opWriter{class: layoutFollow, write: writeReduce})
}

// readReduce reads a reduction. The axes became an input with operator set 13
// (ReduceSum) and 18 (the others).
func readReduce(c *call, kind backend.ReduceKind) error {
	if err := c.inputs(1, 2); err != nil {
		return err
	}
	since := 18
	if c.n.OpType == "ReduceSum" {
		since = 13
	}
	x := c.in[0]
	rank := len(x.dims)
	axes, _ := c.intList("axes", 1, since)
	keep := c.flag("keepdims", true)
	noop := c.opset >= since && c.flag("noop_with_empty_axes", false)
	if c.err != nil {
		return c.err
	}
	if len(axes) > rank {
		return formatf("axes %v of %v", axes, x.dims)
	}
	if len(axes) == 0 && noop && kind != backend.ReduceL2 {
		c.alias(0, x)
		return nil
	}
	if len(axes) == 0 && noop {
		return unsupportedf("noop_with_empty_axes")
	}
	for i, a := range axes {
		a, err := backend.Axis(a, rank)
		if err != nil {
			return formatf("axes %v of %v", axes, x.dims)
		}
		axes[i] = a
	}
	op := backend.Reduce{Kind: kind, Axes: tensor.NewDims(axes...), KeepDims: keep}
	if rank == 0 || c.formOf(x) != formLast || !keep && !allButOuter(axes, rank) {
		c.set(0, formPlain, c.one(op, c.plain(0)))
		return c.err
	}
	for i, a := range axes {
		op.Axes.V[i] = lastAxis(a, rank)
	}
	f := formLast
	if !keep {
		f = formPlain // [n, c] in either layout.
	}
	c.set(0, f, c.one(op, x.last))
	return c.err
}

// allButOuter reports whether axes are all dimensions of [n, c, ...] but the
// first two, or all of them.
func allButOuter(axes []int, rank int) bool {
	if len(axes) == 0 || len(axes) == rank {
		return true
	}
	for a := range rank {
		if slices.Contains(axes, a) != (a >= 2) {
			return false
		}
	}
	return true
}

func writeReduce(e *emit) error {
	op := e.n.Op.(backend.Reduce)
	name, ok := reduceNames[op.Kind]
	if !ok {
		return unsupportedf("reduction %d", op.Kind)
	}
	rank := len(e.n.In[0].Shape())
	mask, err := op.Reduced(rank)
	if err != nil {
		return err
	}
	native := op.Axes.Slice()
	f := e.form()
	var first []int
	for a, on := range mask {
		if on && rank > 2 {
			first = append(first, firstAxis(a, rank))
		}
	}
	axes, out := native, f
	switch {
	case f == formFirst && (op.KeepDims || allButOuter(first, rank)):
		slices.Sort(first)
		axes = first
		if !op.KeepDims {
			out = formNative
		}
	default:
		f, out = formNative, formNative
	}
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	y := e.out(out)
	keep := attrInt("keepdims", bit(op.KeepDims))
	switch {
	case len(axes) == 0:
		e.node1(name, []string{x}, y, keep)
	case op.Kind == backend.ReduceSum || e.opset >= 18:
		e.node1(name, []string{x, e.ints(e.n.Name+".axes", axes)}, y, keep)
	default:
		e.node1(name, []string{x}, y, attrInts("axes", axes), keep)
	}
	return nil
}
