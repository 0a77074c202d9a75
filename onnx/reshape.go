package onnx

import (
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

// Operators that change the dimensions and keep the elements.
func init() {
	registerReader("Flatten", opReader{class: layoutFlatten, fold: foldReshape, read: readFlatten})
	registerReader("Reshape", opReader{class: layoutFlatten, fold: foldReshape, read: readReshape})
	registerReader("Squeeze", opReader{fold: foldReshape, read: readSqueeze})
	registerReader("Unsqueeze", opReader{fold: foldReshape, read: readUnsqueeze})
	registerWriter(backend.Flatten{}, opWriter{class: layoutFlatten, codes: true, write: writeFlatten})
	registerWriter(backend.Reshape{}, opWriter{codes: true, write: func(e *emit) error {
		x, err := e.in(0, formNative)
		if err != nil {
			return err
		}
		shape := e.ints(e.n.Name+".shape", e.n.Op.(backend.Reshape).Shape.Slice())
		e.node1("Reshape", []string{x, shape}, e.out(formNative))
		return nil
	}})
}

func readFlatten(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	dims := c.in[0].dims
	axis := c.flattenAxis(len(dims))
	if c.err != nil {
		return c.err
	}
	switch {
	case axis == 1 && len(dims) > 0:
		return readFlattened(c)
	case axis == 0:
		return c.reshapeTo([]int{1, -1}, nil)
	}
	return c.reshapeTo([]int{-1, dims[axis:].Numel()}, nil)
}

// flattenAxis reads the axis of Flatten, which may also be the rank.
func (c *call) flattenAxis(rank int) int {
	axis := c.intAttr("axis", 1)
	if axis < 0 {
		axis += int64(rank)
	}
	if axis < 0 || axis > int64(rank) {
		c.fail(formatf("attribute \"axis\" is %d for rank %d", axis, rank))
		return 0
	}
	return int(axis)
}

// readFlattened joins all dimensions of the input but the first. An image
// that is at hand channels last stays so: who multiplies it with a matrix
// turns the matrix.
func readFlattened(c *call) error {
	x := c.in[0]
	if c.formOf(x) != formLast || len(x.dims) < 3 {
		if c.formOf(x) == formFlat { // It is flat already.
			c.alias(0, x)
			return nil
		}
		c.setPassed(formPlain, c.one(backend.Flatten{}, c.plain(0)))
		return c.err
	}
	ch, s := x.dims[1], x.dims[2:].Numel()
	if ch == 1 || s == 1 {
		c.setPassed(formPlain, c.one(backend.Flatten{}, x.last))
		return c.err
	}
	if !c.flatten[c.n.Outputs[0]] {
		c.setPassed(formPlain, c.one(backend.Flatten{}, c.plain(0)))
		return c.err
	}
	y := c.one(backend.Flatten{}, x.last)
	c.setPassed(formFlat, y)
	if v := c.vals[c.n.Outputs[0]]; v != nil {
		v.flatC, v.flatS = ch, s
	}
	return c.err
}

func readReshape(c *call) error {
	if err := c.inputs(1, 2); err != nil {
		return err
	}
	target, marks, err := c.reshapeTarget()
	if err != nil {
		return err
	}
	x := c.in[0]
	if len(target) == 2 && len(x.dims) > 2 && x.dims.Numel() > 0 {
		// One row a sample is a flattening.
		rest := x.dims[1:].Numel()
		first := target[0] == 0 || target[0] == x.dims[0] || target[0] == -1 && target[1] == rest
		if first && (target[1] == -1 || target[1] == rest) && (len(marks) < 2 || marks[1] == markNone) {
			return readFlattened(c)
		}
	}
	return c.reshapeTo(target, marks)
}

// reshapeTarget returns the dimensions that Reshape is given.
func (c *call) reshapeTarget() ([]int, []mark, error) {
	if c.flag("allowzero", false) {
		if t, err := c.constInts(1); err == nil && slices.Contains(t, 0) {
			return nil, nil, unsupportedf("allowzero with a dimension of 0")
		}
	}
	if c.opset < 5 {
		c.ignore("consumed_inputs")
		t, ok := c.ints("shape")
		if !ok {
			c.fail(formatf("there is no shape"))
		}
		return t, nil, c.err
	}
	t, err := c.constInts(1)
	if err != nil {
		return nil, nil, err
	}
	return t, c.in[1].marks, c.err
}

// reshapeTo appends a Reshape that follows the batch where the file's does.
func (c *call) reshapeTo(target []int, marks []mark) error {
	if len(target) > tensor.MaxRank {
		return unsupportedf("rank %d", len(target))
	}
	in := c.in[0].dims
	out, err := backend.Reshape{Shape: tensor.NewDims(target...)}.Output(in)
	if err != nil {
		return formatf("%v", err)
	}
	target = slices.Clone(target)
	infer, batch := slices.Index(target, -1), -1
	for i := range target {
		if i < len(marks) && marks[i] != markNone {
			batch = i
		}
	}
	switch {
	case batch > 0 || batch == 0 && marks[0] == markDerived:
		// A dimension computed from the batch is what is left over.
		if infer < 0 {
			target[batch] = -1
		}
	case len(out) > 0 && len(in) > 0 && out[0] == in[0] && in[0] != 0 && infer != 0 && out[1:].Numel() == in[1:].Numel() && c.in[0].batched:
		target[0] = 0
	}
	x := c.plain(0)
	if c.err != nil {
		return c.err
	}
	c.setPassed(formPlain, c.one(backend.Reshape{Shape: tensor.NewDims(target...)}, x))
	return c.err
}

// squeezed returns the dimensions of the input of Squeeze after it.
func (c *call) squeezed() ([]int, error) {
	dims := c.in[0].dims
	axes, ok := c.intList("axes", 1, 13)
	if c.err != nil {
		return nil, c.err
	}
	drop := make([]bool, len(dims))
	for i, d := range dims {
		drop[i] = !ok && d == 1
	}
	for _, a := range axes {
		a, err := backend.Axis(a, len(dims))
		if err != nil || dims[a] != 1 {
			return nil, formatf("axes %v of %v", axes, dims)
		}
		drop[a] = true
	}
	out := []int{}
	for i, d := range dims {
		if !drop[i] {
			out = append(out, d)
		}
	}
	return out, nil
}

func readSqueeze(c *call) error {
	if err := c.inputs(1, 2); err != nil {
		return err
	}
	out, err := c.squeezed()
	if err != nil {
		return err
	}
	x := c.in[0]
	if len(out) == 2 && len(x.dims) > 2 && out[0] == x.dims[0] && c.formOf(x) == formLast && x.dims[2:].Numel() == 1 {
		return readFlattened(c)
	}
	return c.reshapeTo(perSample(x, out, true), nil)
}

// unsqueezed returns the dimensions of the input of Unsqueeze after it.
func (c *call) unsqueezed() ([]int, error) {
	dims := c.in[0].dims
	axes, ok := c.intList("axes", 1, 13)
	if c.err != nil {
		return nil, c.err
	}
	rank := len(dims) + len(axes)
	if !ok || rank > tensor.MaxRank {
		return nil, formatf("axes %v of %v", axes, dims)
	}
	added := make([]bool, rank)
	for _, a := range axes {
		a, err := backend.Axis(a, rank)
		if err != nil || added[a] {
			return nil, formatf("axes %v of %v", axes, dims)
		}
		added[a] = true
	}
	out := make([]int, rank)
	k := 0
	for i := range out {
		if added[i] {
			out[i] = 1
			continue
		}
		out[i] = dims[k]
		k++
	}
	return out, nil
}

func readUnsqueeze(c *call) error {
	if err := c.inputs(1, 2); err != nil {
		return err
	}
	out, err := c.unsqueezed()
	if err != nil {
		return err
	}
	return c.reshapeTo(perSample(c.in[0], out, true), nil)
}

// foldReshape gives a constant other dimensions.
func foldReshape(c *call) (bool, error) {
	if err := c.inputs(1, 2); err != nil {
		return false, err
	}
	x := c.in[0]
	if x.dq != nil {
		return false, nil
	}
	var out []int
	var err error
	switch c.n.OpType {
	case "Flatten":
		axis := c.flattenAxis(len(x.dims))
		out = []int{x.dims[:axis].Numel(), x.dims[axis:].Numel()}
	case "Reshape":
		if out, _, err = c.reshapeTarget(); err == nil {
			var s tensor.Shape
			if len(out) > tensor.MaxRank {
				return false, unsupportedf("rank %d", len(out))
			}
			s, err = backend.Reshape{Shape: tensor.NewDims(out...)}.Output(x.dims)
			out = s
		}
	case "Squeeze":
		out, err = c.squeezed()
	default:
		out, err = c.unsqueezed()
	}
	if err == nil {
		err = c.err
	}
	if err != nil {
		return false, formatf("%v", err)
	}
	t, err := c.data(x)
	if err != nil {
		return false, err
	}
	if t, err = t.Reshape(out...); err != nil {
		return false, formatf("%v", err)
	}
	v := c.setData(0, x.elem, t)
	v.marks, v.stored = x.marks, x.stored
	return true, nil
}

// writeFlatten leaves an image that is at hand channels first so.
func writeFlatten(e *emit) error {
	x := e.value(e.n.In[0])
	s := x.v.Shape()
	f, out := formNative, formNative
	if x.home == formFirst && len(s) > 2 {
		moved := s.Last() > 1 && s[1:len(s)-1].Numel() > 1
		switch {
		case !moved:
			f = formFirst
		case e.flatten[e.n.Out[0].ID()]:
			f, out = formFirst, formFlattened
		}
	}
	in, err := e.in(0, f)
	if err != nil {
		return err
	}
	name := e.out(out)
	y := e.value(e.n.Out[0])
	y.c, y.s = s.Last(), s[1:max(len(s)-1, 1)].Numel()
	e.node1("Flatten", []string{in}, name, attrInt("axis", 1))
	return nil
}

// Transpose, which in the layout of images only gives another name.
func init() {
	registerReader("Transpose", opReader{fold: foldTranspose, read: readTranspose})
	registerWriter(backend.Transpose{}, opWriter{codes: true, write: func(e *emit) error {
		x, err := e.in(0, formNative)
		if err != nil {
			return err
		}
		e.node1("Transpose", []string{x}, e.out(formNative), attrInts("perm", e.n.Op.(backend.Transpose).Perm.Slice()))
		return nil
	}})
}

// transposition returns the permutation of Transpose.
func (c *call) transposition() ([]int, error) {
	rank := len(c.in[0].dims)
	perm, ok := c.ints("perm")
	if !ok {
		for i := range rank {
			perm = append(perm, rank-1-i)
		}
	}
	if c.err == nil {
		if len(perm) > tensor.MaxRank {
			return nil, formatf("perm %v", perm)
		}
		if err := (backend.Transpose{Perm: tensor.NewDims(perm...)}).Check(rank); err != nil {
			return nil, formatf("%v", err)
		}
	}
	return perm, c.err
}

func readTranspose(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	perm, err := c.transposition()
	if err != nil {
		return err
	}
	x := c.in[0]
	rank := len(x.dims)
	if rank > 2 && !x.isConst() && !c.isOut[c.n.Outputs[0]] {
		if slices.Equal(perm, toLast(rank)) && !x.last.Absent() {
			c.set(0, formPlain, x.last).codes = x.codes
			return c.err
		}
		if slices.Equal(perm, toFirst(rank)) && !x.plain.Absent() {
			v := c.set(0, formLast, x.plain)
			v.codes, v.turn = x.codes, c.name
			return c.err
		}
	}
	if slices.IsSorted(perm) {
		c.alias(0, x)
		return nil
	}
	c.setPassed(formPlain, c.one(backend.Transpose{Perm: tensor.NewDims(perm...)}, c.plain(0)))
	return c.err
}

func foldTranspose(c *call) (bool, error) {
	if err := c.inputs(1, 1); err != nil {
		return false, err
	}
	x := c.in[0]
	perm, err := c.transposition()
	if err != nil {
		return false, err
	}
	if x.dq != nil { // Turn the codes.
		d := *x.dq
		t, err := c.data(d.codes)
		if err != nil {
			return false, err
		}
		if t, err = c.viewed(t, permView(x.dims, perm)); err != nil {
			return false, err
		}
		d.codes = &value{name: d.codes.name + ".transposed", elem: d.codes.elem, data: t, dims: t.Shape()}
		if d.axis >= 0 {
			d.axis = slices.Index(perm, d.axis)
		}
		d.name = c.name
		c.vals[c.n.Outputs[0]] = &value{name: c.n.Outputs[0], elem: pb.Float, dims: t.Shape(), dq: &d}
		return true, nil
	}
	t, err := c.data(x)
	if err != nil {
		return false, err
	}
	if t, err = c.viewed(t, permView(x.dims, perm)); err != nil {
		return false, err
	}
	v := c.setData(0, x.elem, t)
	v.stored = x.stored
	return true, nil
}
