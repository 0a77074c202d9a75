package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("Gemm", opReader{class: layoutMatrix, read: readGemm})
	registerWriter(backend.Gemm{}, opWriter{class: layoutMatrix, write: func(e *emit) error {
		bias := func() (string, error) { return e.optional(2) }
		weight := func(v view) (string, error) { return e.weight(1, v) }
		return e.gemm(e.n.In[1].Shape(), weight, bias, func(f wform) string { return e.out(f) })
	}})
}

// readGemm reads alpha * A' * B' + beta * C.
func readGemm(c *call) error {
	if err := c.inputs(2, 3); err != nil {
		return err
	}
	c.ignore("broadcast")
	transA, transB := c.flag("transA", false), c.flag("transB", false)
	alpha, beta := c.floatAttr("alpha", 1), c.floatAttr("beta", 1)
	a, b, bias := c.in[0], c.in[1], c.x(2)
	if len(a.dims) != 2 || len(b.dims) != 2 {
		return formatf("operands %v and %v, want matrices", a.dims, b.dims)
	}
	n := b.dims[1]
	if transB {
		n = b.dims[0]
	}
	var x graph.Value
	flat := c.formOf(a) == formFlat && !transA
	if flat {
		x = a.flat
	} else if x = c.plain(0); transA && c.err == nil {
		x = c.helper(".transpose", backend.Transpose{Perm: tensor.NewDims(1, 0)}, x)
	}
	if c.err != nil {
		return c.err
	}
	if alpha != 1 && b.isConst() && b.dq == nil {
		var err error
		if b, err = c.scaled(b, alpha); err != nil {
			return err
		}
		alpha = 1
	}
	w, err := c.viewOf(b, matrixView(a, b.dims, transB, flat), roleWeight)
	if err != nil {
		return err
	}
	if beta == 0 {
		bias = nil
	}
	if bias != nil && beta != 1 && bias.isConst() && bias.dq == nil {
		if bias, err = c.scaled(bias, beta); err != nil {
			return err
		}
		beta = 1
	}
	if bias == nil && alpha == 1 {
		c.set(0, formPlain, c.one(backend.Gemm{}, x, w))
		return c.err
	}
	if bias != nil && alpha == 1 && beta == 1 && bias.dims.Numel() == n && bias.dims.Last() == n {
		v, err := c.viewOf(bias, view{bias.dims, identity(len(bias.dims)), []int{n}}, roleWeight)
		if err != nil {
			return err
		}
		c.set(0, formPlain, c.one(backend.Gemm{}, x, w, v))
		return c.err
	}
	y := c.helper(".matmul", backend.Gemm{}, x, w)
	if alpha != 1 && c.err == nil {
		y = c.helper(".alpha", backend.Mul{}, y, c.g.Scalar(y.DType(), float64(alpha)))
	}
	if bias != nil && c.err == nil {
		v, err := c.reader.plain(bias)
		if err != nil {
			return err
		}
		if beta != 1 {
			v = c.helper(".beta", backend.Mul{}, v, c.g.Scalar(v.DType(), float64(beta)))
		}
		y = c.one(backend.Add{}, y, v)
	}
	c.set(0, formPlain, y)
	return c.err
}

// matrixView returns the view of a matrix b, [k, n] or with trans [n, k], as
// [n, k]; its columns follow the input's when that is flattened from channels
// last.
func matrixView(x *value, b tensor.Shape, trans, flat bool) view {
	n, k := b[1], b[0]
	if trans {
		n, k = k, n
	}
	flat = flat && x.flatC*x.flatS == k
	switch {
	case trans && flat:
		return view{[]int{n, x.flatC, x.flatS}, []int{0, 2, 1}, []int{n, k}}
	case trans:
		return permView(b, []int{0, 1})
	case flat:
		return view{[]int{x.flatC, x.flatS, n}, []int{2, 1, 0}, []int{n, k}}
	}
	return permView(b, []int{1, 0})
}

// scaled returns the constant v times f.
func (c *call) scaled(v *value, f float32) (*value, error) {
	t, err := c.data(v)
	if err != nil {
		return nil, err
	}
	if t.DType() != tensor.F32 {
		return nil, unsupportedf("a factor of %v for %v", f, t.DType())
	}
	out, err := c.alloc(t.Spec())
	if err != nil {
		return nil, err
	}
	for i, x := range t.F32() {
		out.F32()[i] = f * x
	}
	name := v.name
	if v.seen != nil {
		name = c.name + "." + name
	}
	return &value{name: name, elem: pb.Float, data: out, dims: v.dims, stored: v.stored}, nil
}

// optional returns the real numbers of input i, a list, or "" where it is
// absent.
func (e *emit) optional(i int) (string, error) {
	if i >= len(e.n.In) || e.n.In[i].Absent() {
		return "", nil
	}
	return e.weight(i, permView(e.n.In[i].Shape(), identity(1)))
}

// gemm writes x * w^T + bias, w [n, k] given by weight, with the input and
// the output as real numbers.
func (e *emit) gemm(w tensor.Shape, weight func(view) (string, error), bias func() (string, error), out func(wform) string) error {
	x := e.value(e.n.In[0])
	if len(x.v.Shape()) != 2 {
		return e.gemmBatched(weight, w, bias, out)
	}
	f, v := formNative, permView(w, []int{0, 1})
	if x.home == formFlattened && e.constWeight(e.n) && x.c*x.s == w[1] {
		f, v = formFlattened, view{[]int{w[0], x.s, x.c}, []int{0, 2, 1}, w}
	}
	in, err := e.in(0, f)
	if err != nil {
		return err
	}
	wt, err := weight(v)
	if err != nil {
		return err
	}
	b, err := bias()
	if err != nil {
		return err
	}
	e.node1("Gemm", []string{in, wt, b}, out(formNative), attrInt("transB", 1))
	return nil
}

// gemmBatched writes the layer on [..., k]: MatMul and Add.
func (e *emit) gemmBatched(weight func(view) (string, error), w tensor.Shape, bias func() (string, error), out func(wform) string) error {
	in, err := e.in(0, formNative)
	if err != nil {
		return err
	}
	wt, err := weight(permView(w, []int{1, 0}))
	if err != nil {
		return err
	}
	b, err := bias()
	if err != nil {
		return err
	}
	y := out(formNative)
	if b == "" {
		e.node1("MatMul", []string{in, wt}, y)
		return nil
	}
	product := e.unique(e.n.Name + ".matmul")
	e.addNode("MatMul", "", product, []string{in, wt}, []string{product})
	e.node1("Add", []string{product, b}, y)
	return nil
}
