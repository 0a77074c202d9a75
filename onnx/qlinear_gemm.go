package onnx

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Products of matrices of codes.
func init() {
	registerReader("QLinearMatMul", opReader{read: readQLinearMatMul})
	registerReader("MatMulInteger", opReader{read: readMatMulInteger})
	registerReader(opName(microsoft, "QGemm"), opReader{class: layoutMatrix, read: readQGemm})
	registerWriter(backend.QLinearGemm{}, opWriter{class: layoutMatrix, write: writeQLinearGemm})
	registerWriter(backend.GemmDequant{}, opWriter{class: layoutMatrix, write: writeGemmDequant})
	registerWriter(backend.QLinearMatMul{}, opWriter{write: writeQLinearMatMul})
	registerWriter(backend.MatMulDequant{}, opWriter{write: writeMatMulDequant})
	registerWriter(backend.MatMulInteger{}, opWriter{write: writeMatMulInteger})
}

var unbounded = [2]float32{float32(math.Inf(-1)), float32(math.Inf(1))}

func readQLinearMatMul(c *call) error {
	if err := c.inputs(8, 8); err != nil {
		return err
	}
	if err := codeOperand(c.in[0], c.in[3], c.in[7]); err != nil {
		return err
	}
	for i, v := range []*value{c.in[1], c.in[2], c.in[6], c.in[7]} {
		if v.dims.Numel() != 1 {
			return unsupportedf("scale or zero point %v of the left operand or the result (%d)", v.dims, i)
		}
	}
	if len(c.in[4].dims) > 1 || len(c.in[5].dims) > 1 {
		return unsupportedf("scales %v of the right operand", c.in[4].dims)
	}
	b := c.plain(3)
	in, p, err := c.qlinear(b)
	if err != nil {
		return err
	}
	if in[4].Absent() { // qlinear leaves out zeros, which this operation wants.
		z, err := c.alloc(tensor.Spec{DType: tensor.I32, Shape: in[3].Shape()})
		if err != nil {
			return err
		}
		in[4] = c.g.Const(c.name+".zero", z)
	}
	op := backend.QLinearMatMul{Rule: quant.ONNX, Scheme: p.Scheme}
	c.setCodes(formPlain, c.one(op, append([]graph.Value{c.plain(0)}, in...)...), p)
	return c.err
}

func readMatMulInteger(c *call) error {
	if err := c.inputs(2, 4); err != nil {
		return err
	}
	if err := codeOperand(c.in[0], c.in[1]); err != nil {
		return err
	}
	in := []graph.Value{c.plain(0), c.plain(1)}
	for i, z := range c.in[2:] {
		v := graph.Value{}
		if z != nil {
			if len(z.dims) > 1 || i == 0 && z.dims.Numel() != 1 {
				return unsupportedf("zero point %v", z.dims)
			}
			var err error
			if v, err = c.zeroPoint(z); err != nil {
				return err
			}
		}
		in = append(in, v)
	}
	c.set(0, formPlain, c.one(backend.MatMulInteger{}, in...))
	return c.err
}

// readQGemm reads ONNX Runtime's linear layer of codes: a, sa, za, b, sb, zb,
// bias, sy, zy.
func readQGemm(c *call) error {
	if err := c.inputs(6, 9); err != nil {
		return err
	}
	transA, transB := c.flag("transA", false), c.flag("transB", false)
	if a := c.floatAttr("alpha", 1); a != 1 || transA {
		return unsupportedf("alpha %v or transA", a)
	}
	if len(c.in) < 9 || c.in[7] == nil || c.in[8] == nil {
		return unsupportedf("a float result")
	}
	if c.err != nil {
		return c.err
	}
	a, b := c.in[0], c.in[3]
	if err := codeOperand(a, b, c.in[8]); err != nil {
		return err
	}
	if len(a.dims) != 2 || len(b.dims) != 2 {
		return formatf("operands %v and %v, want matrices", a.dims, b.dims)
	}
	flat := c.formOf(a) == formFlat
	x := a.flat
	if !flat {
		x = c.plain(0)
	}
	w, err := c.viewOf(b, matrixView(a, b.dims, transB, flat), roleFixed)
	if err != nil {
		return err
	}
	// In the order of the other layers: the bias is last.
	in := c.in
	c.in = []*value{a, in[1], in[2], b, in[4], in[5], in[7], in[8], in[6]}
	rest, p, err := c.qlinear(w)
	if err != nil {
		return err
	}
	op := backend.QLinearGemm{Rule: quant.ONNX, Scheme: p.Scheme, Lo: unbounded[0], Hi: unbounded[1]}
	c.setCodes(formPlain, c.one(op, append([]graph.Value{x}, rest...)...), p)
	return c.err
}

// gemmView returns the layout in which a linear layer takes its input and the
// view of its weight [n, k] for that.
func (e *emit) gemmView(w tensor.Shape) (wform, view) {
	x := e.value(e.n.In[0])
	if x.home == formFlattened && x.c*x.s == w[1] && len(x.v.Shape()) == 2 {
		return formFlattened, view{[]int{w[0], x.s, x.c}, []int{0, 2, 1}, w}
	}
	return formNative, permView(w, []int{0, 1})
}

func writeQLinearGemm(e *emit) error {
	op := e.n.Op.(backend.QLinearGemm)
	p := e.paramsOf(6, 7, op.Scheme)
	w := e.n.In[3]
	f, turned := e.gemmView(w.Shape())
	if e.o.Form == FormQOperator && e.n.In[0].DType() == op.Scheme.DType() && len(e.n.In[0].Shape()) == 2 {
		x, err := e.codeIn(0, f)
		if err != nil {
			return err
		}
		in, err := e.qoperator(x, turned, p)
		if err != nil {
			return err
		}
		bias := ""
		if len(e.n.In) > 8 && !e.n.In[8].Absent() {
			if bias, err = e.initializer(e.n.In[8], permView(e.n.In[8].Shape(), identity(1))); err != nil {
				return err
			}
		}
		in = append(in[:6:6], bias, in[6], in[7])
		return e.operator("QGemm", microsoft, in, formNative, p, op.Lo, op.Hi, attrInt("transB", 1))
	}
	bias := func() (string, error) {
		if len(e.n.In) <= 8 {
			return "", nil
		}
		return e.biasReal(e.n.In[8], e.n.In[1], e.n.In[4])
	}
	q := e.paramsOf(4, 5, perOutput(e.n.In[4]))
	weight := func(v view) (string, error) { return e.realCodes(w, q, v, realName(w.Name())) }
	return e.quantized(formNative, p, op.Lo, op.Hi, func(y string) error {
		e.direct = false
		return e.gemm(w.Shape(), weight, bias, func(wform) string { return y })
	})
}

// writeGemmDequant writes a layer from codes to real numbers: x, sx, zx, w,
// sw, bias.
func writeGemmDequant(e *emit) error {
	w := e.n.In[3]
	q := e.paramsOf(4, len(e.n.In), perOutput(e.n.In[4]))
	bias := func() (string, error) { return e.optional(5) }
	weight := func(v view) (string, error) { return e.realCodes(w, q, v, realName(w.Name())) }
	return e.gemm(w.Shape(), weight, bias, func(f wform) string { return e.out(f) })
}

// columns is the scheme of a right matrix with as many scales as p has.
func columns(p, b graph.Value, trans bool) quant.Scheme {
	s := quant.Scheme{Bits: 8, Signed: b.DType() == tensor.I8}
	if p.Spec().Numel() > 1 {
		axis := len(b.Shape()) - 1
		if trans {
			axis--
		}
		s.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: axis}
	}
	return s
}

// matMulReal returns the real numbers of the operands of a, sa, za, b, sb, zb.
func (e *emit) matMulReal(m backend.MatMul) (a, b string, err error) {
	if a, err = e.matrix(0, m.TransA, e.paramsOf(1, 2, quant.Scheme{})); err != nil {
		return "", "", err
	}
	b, err = e.matrix(3, m.TransB, e.paramsOf(4, 5, columns(e.n.In[4], e.n.In[3], m.TransB)))
	return a, b, err
}

func writeQLinearMatMul(e *emit) error {
	op := e.n.Op.(backend.QLinearMatMul)
	p := e.paramsOf(6, 7, op.Scheme)
	if e.o.Form != FormQOperator || e.n.In[0].DType() != op.Scheme.DType() {
		a, b, err := e.matMulReal(op.MatMul)
		if err != nil {
			return err
		}
		return e.quantized(formNative, p, unbounded[0], unbounded[1], func(y string) error {
			e.node1("MatMul", []string{a, b}, y)
			return nil
		})
	}
	in := make([]string, 0, 8)
	for _, i := range []int{0, 3} {
		v, trans := e.n.In[i], op.TransA
		if i == 3 {
			trans = op.TransB
		}
		perm := identity(len(v.Shape()))
		if n := len(perm); trans {
			perm[n-1], perm[n-2] = perm[n-2], perm[n-1]
		}
		var code string
		var err error
		if v.Init() != nil {
			code, err = e.initializer(v, permView(v.Shape(), perm))
		} else {
			code, err = e.turned(v, perm, e.codes)
		}
		if err != nil {
			return err
		}
		scheme := quant.Scheme{}
		if i == 3 {
			scheme = columns(e.n.In[4], v, op.TransB)
		}
		s, z, err := e.scaleZero(e.paramsOf(i+1, i+2, scheme), v.DType())
		if err != nil {
			return err
		}
		in = append(in, code, s, z)
	}
	s, z, err := e.scaleZero(p, op.Scheme.DType())
	if err != nil {
		return err
	}
	return e.operator("QLinearMatMul", "", append(in, s, z), formNative, p, unbounded[0], unbounded[1])
}

func writeMatMulDequant(e *emit) error {
	a, b, err := e.matMulReal(e.n.Op.(backend.MatMulDequant).MatMul)
	if err != nil {
		return err
	}
	e.node1("MatMul", []string{a, b}, e.out(formNative))
	return nil
}

func writeMatMulInteger(e *emit) error {
	op := e.n.Op.(backend.MatMulInteger)
	if op.TransA || op.TransB {
		return unsupportedf("transposed operands")
	}
	var in []string
	for i := range 2 {
		x := e.value(e.n.In[i])
		s, err := e.codes(x, formNative)
		if err != nil {
			return err
		}
		in = append(in, s)
	}
	for i := 2; i < len(e.n.In); i++ {
		z, err := e.zeroOf(e.n.In[i], e.n.In[i-2].DType())
		if err != nil {
			return err
		}
		in = append(in, z)
	}
	e.node1("MatMulInteger", in, e.out(formNative))
	return nil
}
