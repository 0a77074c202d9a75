package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/tensor"
)

func init() {
	registerReader("MatMul", opReader{class: layoutMatrix, read: readMatMul})
	registerWriter(backend.MatMul{}, opWriter{class: layoutNative, write: func(e *emit) error {
		op := e.n.Op.(backend.MatMul)
		a, err := e.matrix(0, op.TransA, nil)
		if err != nil {
			return err
		}
		b, err := e.matrix(1, op.TransB, nil)
		if err != nil {
			return err
		}
		e.node1("MatMul", []string{a, b}, e.out(formNative))
		return nil
	}})
}

// readMatMul reads a product of matrices; one with a constant matrix is a
// linear layer, together with the bias that is added to it.
func readMatMul(c *call) error {
	if err := c.inputs(2, 2); err != nil {
		return err
	}
	a, b := c.in[0], c.in[1]
	if !b.isConst() || len(b.dims) != 2 || len(a.dims) < 2 || a.isConst() {
		c.set(0, formPlain, c.one(backend.MatMul{}, c.plain(0), c.plain(1)))
		return c.err
	}
	flat := c.formOf(a) == formFlat
	x := a.flat
	if !flat {
		x = c.plain(0)
	}
	if c.err != nil {
		return c.err
	}
	w, err := c.viewOf(b, matrixView(a, b.dims, false, flat), roleWeight)
	if err != nil {
		return err
	}
	u, bias := c.biasAfter(b.dims[1])
	if bias == nil {
		c.set(0, formPlain, c.one(backend.Gemm{}, x, w))
		return c.err
	}
	v, err := c.viewOf(bias, view{bias.dims, identity(len(bias.dims)), []int{b.dims[1]}}, roleWeight)
	if err != nil {
		return err
	}
	c.name = nodeName(u)
	y := c.one(backend.Gemm{}, x, w, v)
	c.done[u] = true
	if c.err == nil {
		c.vals[u.Outputs[0]] = &value{name: u.Outputs[0], elem: pb.Float, dims: y.Shape().Clone(), plain: y, batched: a.batched}
		c.vals[c.n.Outputs[0]] = &value{} // Nobody else asks for it.
	}
	return c.err
}

// biasAfter returns the Add that is the only user of the result and adds a
// constant of n numbers, and that constant.
func (c *call) biasAfter(n int) (*pb.Node, *value) {
	u := c.soleUser()
	if u == nil || u.OpType != "Add" || len(u.Inputs) != 2 || len(u.Outputs) != 1 || u.Outputs[0] == "" || len(u.Attributes) > 0 {
		return nil, nil
	}
	for i, name := range u.Inputs {
		b := c.vals[name]
		if u.Inputs[1-i] != c.n.Outputs[0] || b == nil || !b.isConst() || b.dq != nil || c.shape(b) != nil {
			continue
		}
		d, err := elementType(b.elem)
		if err == nil && d == tensor.F32 && b.dims.Numel() == n && b.dims.Last() == n && len(b.dims) <= 2 {
			return u, b
		}
	}
	return nil, nil
}

// matrix returns operand i, with its last two dimensions exchanged if trans:
// real numbers, dequantized by p unless it is nil.
func (e *emit) matrix(i int, trans bool, p *params) (string, error) {
	v := e.n.In[i]
	perm := identity(len(v.Shape()))
	if n := len(perm); trans {
		perm[n-1], perm[n-2] = perm[n-2], perm[n-1]
	}
	if p != nil && v.Init() != nil {
		return e.realCodes(v, p, permView(v.Shape(), perm), realName(v.Name()))
	}
	if e.isStored(v) {
		return e.operand(v, permView(v.Shape(), perm))
	}
	return e.turned(v, perm, e.floats)
}

// turned returns a computed operand permuted.
func (e *emit) turned(v graph.Value, perm []int, get func(*written, wform) (string, error)) (string, error) {
	s, err := get(e.value(v), formNative)
	if err != nil || isIdentity(perm) {
		return s, err
	}
	t := e.unique(v.Name() + ".transposed")
	e.addNode("Transpose", "", t, []string{s}, []string{t}, attrInts("perm", perm))
	return t, nil
}

func isIdentity(perm []int) bool {
	for i, p := range perm {
		if i != p {
			return false
		}
	}
	return true
}
