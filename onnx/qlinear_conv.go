package onnx

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Convolutions of codes.
func init() {
	registerReader("QLinearConv", opReader{class: layoutSpatial, read: readQLinearConv})
	registerReader("ConvInteger", opReader{class: layoutSpatial, read: readConvInteger})
	registerWriter(backend.QLinearConv{}, opWriter{class: layoutSpatial, write: writeQLinearConv})
	registerWriter(backend.ConvDequant{}, opWriter{class: layoutSpatial, write: writeConvDequant})
	registerWriter(backend.ConvInteger{}, opWriter{class: layoutSpatial, write: writeConvInteger})
}

// perOutput is the scheme of weights with as many scales as p has.
func perOutput(p graph.Value) quant.Scheme {
	s := quant.Scheme{Bits: 8, Signed: true, Symmetric: true}
	if p.Spec().Numel() > 1 {
		s.Grain = quant.Granularity{Kind: quant.PerChannel}
	}
	return s
}

// codeOperand returns an error unless v has codes.
func codeOperand(vs ...*value) error {
	for _, v := range vs {
		if !elemKnownCode(v.elem) {
			return unsupportedf("codes of type %v", v.elem)
		}
	}
	return nil
}

func readQLinearConv(c *call) error {
	if err := c.inputs(8, 9); err != nil {
		return err
	}
	if err := codeOperand(c.in[0], c.in[3], c.in[7]); err != nil {
		return err
	}
	op, err := c.convAttributes(c.in[0], c.in[3])
	if err != nil {
		return err
	}
	w, err := c.convWeight(3)
	if err != nil {
		return err
	}
	in, p, err := c.qlinear(w)
	if err != nil {
		return err
	}
	q := backend.QLinearConv{Conv: op, Rule: quant.ONNX, Scheme: p.Scheme, Lo: float32(math.Inf(-1)), Hi: float32(math.Inf(1))}
	c.setCodes(formLast, c.one(q, append([]graph.Value{c.last(0)}, in...)...), p)
	return c.err
}

// qlinear returns the inputs but the first of a layer of codes in ONNX's order
// x, sx, zx, w, sw, zw, sy, zy, bias, and the parameters of the result.
func (c *call) qlinear(w graph.Value) ([]graph.Value, graph.Codes, error) {
	var p graph.Codes
	sx, zx, err := c.scaleZero(c.in[1], c.in[2])
	if err != nil {
		return nil, p, err
	}
	sw, zw, err := c.scaleZero(c.in[4], c.in[5])
	if err != nil {
		return nil, p, err
	}
	if allZero(zw) {
		zw = graph.Value{}
	}
	if p.Scale, p.Zero, err = c.scaleZero(c.in[6], c.in[7]); err != nil {
		return nil, p, err
	}
	p.Scheme = quant.Scheme{Bits: 8, Signed: c.in[7].elem == pb.Int8}
	p.Rule = quant.ONNX
	in := []graph.Value{sx, zx, w, sw, zw, p.Scale, p.Zero}
	if b := c.x(8); b != nil {
		if b.elem != pb.Int32 {
			return nil, p, formatf("bias is %v, want INT32", b.elem)
		}
		v, err := c.plainAs(b, roleFixed)
		if err != nil {
			return nil, p, err
		}
		in = append(in, v)
	}
	return in, p, nil
}

// allZero reports whether v is constant and zero.
func allZero(v graph.Value) bool {
	t := v.Init()
	if t == nil || t.DType() != tensor.I32 {
		return false
	}
	for _, x := range t.I32() {
		if x != 0 {
			return false
		}
	}
	return true
}

func readConvInteger(c *call) error {
	if err := c.inputs(2, 4); err != nil {
		return err
	}
	if err := codeOperand(c.in[0], c.in[1]); err != nil {
		return err
	}
	op, err := c.convAttributes(c.in[0], c.in[1])
	if err != nil {
		return err
	}
	w, err := c.convWeight(1)
	if err != nil {
		return err
	}
	in := []graph.Value{c.last(0), w}
	for _, z := range c.in[2:] {
		v := graph.Value{}
		if z != nil {
			if v, err = c.zeroPoint(z); err != nil {
				return err
			}
		}
		in = append(in, v)
	}
	c.set(0, formLast, c.one(backend.ConvInteger{Conv: op}, in...))
	return c.err
}

func writeQLinearConv(e *emit) error {
	op := e.n.Op.(backend.QLinearConv)
	p := e.paramsOf(6, 7, op.Scheme)
	attrs := convAttributes(op.Conv, e.n.In[3].Shape())
	w := e.n.In[3]
	view := permView(w.Shape(), toFirst(len(w.Shape())))
	if e.o.Form == FormQOperator && e.n.In[0].DType() == op.Scheme.DType() {
		x, err := e.codeIn(0, formFirst)
		if err != nil {
			return err
		}
		in, err := e.qoperator(x, view, p)
		if err != nil {
			return err
		}
		if len(e.n.In) > 8 && !e.n.In[8].Absent() {
			b, err := e.initializer(e.n.In[8], permView(e.n.In[8].Shape(), identity(1)))
			if err != nil {
				return err
			}
			in = append(in, b)
		}
		return e.operator("QLinearConv", "", in, formFirst, p, op.Lo, op.Hi, attrs...)
	}
	x, wt, bias, err := e.layerReal(formFirst, view)
	if err != nil {
		return err
	}
	return e.quantized(formFirst, p, op.Lo, op.Hi, func(y string) error {
		e.node1("Conv", []string{x, wt, bias}, y, attrs...)
		return nil
	})
}

// layerReal returns the real numbers of input, weight and bias of a layer
// x, sx, zx, w, sw, zw, sy, zy, bias.
func (e *emit) layerReal(f wform, view view) (x, w, bias string, err error) {
	if x, err = e.floats(e.value(e.n.In[0]), f); err != nil {
		return "", "", "", err
	}
	q := e.paramsOf(4, 5, perOutput(e.n.In[4]))
	if w, err = e.realCodes(e.n.In[3], q, view, realName(e.n.In[3].Name())); err != nil {
		return "", "", "", err
	}
	if len(e.n.In) > 8 {
		bias, err = e.biasReal(e.n.In[8], e.n.In[1], e.n.In[4])
	}
	return x, w, bias, err
}

// qoperator returns the inputs x, sx, zx, w, sw, zw, sy, zy of an operator on
// codes.
func (e *emit) qoperator(x string, view view, y *params) ([]string, error) {
	w := e.n.In[3]
	code, err := e.initializer(w, view)
	if err != nil {
		return nil, err
	}
	sx, zx, err := e.scaleZero(e.paramsOf(1, 2, quant.Scheme{}), e.n.In[0].DType())
	if err != nil {
		return nil, err
	}
	q := e.paramsOf(4, 5, perOutput(e.n.In[4]))
	sw, zw, err := e.scaleZero(q, w.DType())
	if err != nil {
		return nil, err
	}
	if zw == "" { // The operator must have one.
		var dims []int
		n := 1
		if q.scheme.Grain.Kind == quant.PerChannel {
			n = q.scale.Spec().Numel()
			dims = []int{n}
		}
		zw = e.add(w.Name()+".zero", elemOf(w.DType()), dims, make([]byte, n))
	}
	sy, zy, err := e.scaleZero(y, e.n.Out[0].DType())
	if err != nil {
		return nil, err
	}
	return []string{x, sx, zx, code, sw, zw, sy, zy}, nil
}

// operator appends an operator that makes the codes of output 0, and a Clip of
// them where the scheme or a folded activation has closer bounds than the
// type.
func (e *emit) operator(op, domain string, in []string, f wform, p *params, lo, hi float32, attrs ...*pb.Message) error {
	v := e.value(e.n.Out[0])
	v.q = p
	e.direct = true
	d := v.v.DType()
	least, most := int32(0), int32(255)
	if d == tensor.I8 {
		least, most = -128, 127
	}
	first, last := p.scheme.Range()
	if bounded(lo, hi) {
		s, z := p.scale.Init().F32()[0], int32(0)
		if t := p.zero.Init(); t != nil {
			z = t.I32()[0]
		}
		rule := e.ruleOf()
		if !math.IsInf(float64(lo), -1) {
			c, _ := rule.Quantize(lo, s, z, first, last)
			first = c
		}
		if !math.IsInf(float64(hi), 1) {
			c, _ := rule.Quantize(hi, s, z, first, last)
			last = c
		}
	}
	code := e.out(f)
	if first <= least && last >= most {
		e.addNode(op, domain, e.n.Name, in, []string{code}, attrs...)
		return nil
	}
	wide := e.unique(e.n.Name + ".wide")
	e.addNode(op, domain, e.n.Name, in, []string{wide}, attrs...)
	bound := func(suffix string, c int32) string {
		return e.add(e.n.Name+suffix, elemOf(d), nil, []byte{byte(c)})
	}
	e.addNode("Clip", "", e.unique(code+".clip"), []string{wide, bound(".lo", first), bound(".hi", last)}, []string{code})
	return nil
}

// ruleOf returns the rule of an operation that has one.
func (e *emit) ruleOf() quant.Rule {
	switch o := e.n.Op.(type) {
	case backend.QLinearConv:
		return o.Rule
	case backend.QLinearGemm:
		return o.Rule
	case backend.QLinearAdd:
		return o.Rule
	case backend.QLinearMul:
		return o.Rule
	}
	return quant.ONNX
}

// writeConvDequant writes a layer from codes to real numbers: x, sx, zx, w,
// sw, bias.
func writeConvDequant(e *emit) error {
	op := e.n.Op.(backend.ConvDequant)
	x, err := e.floats(e.value(e.n.In[0]), formFirst)
	if err != nil {
		return err
	}
	w, err := e.convWeight(3, e.paramsOf(4, len(e.n.In), perOutput(e.n.In[4])))
	if err != nil {
		return err
	}
	bias, err := e.optional(5)
	if err != nil {
		return err
	}
	e.node1("Conv", []string{x, w, bias}, e.out(formFirst), convAttributes(op.Conv, e.n.In[3].Shape())...)
	return nil
}

func writeConvInteger(e *emit) error {
	op := e.n.Op.(backend.ConvInteger)
	w := e.n.In[1]
	x, err := e.any(e.value(e.n.In[0]), formFirst)
	if err != nil {
		return err
	}
	code, err := e.initializer(w, permView(w.Shape(), toFirst(len(w.Shape()))))
	if err != nil {
		return err
	}
	in := []string{x, code}
	for i := 2; i < len(e.n.In); i++ {
		z, err := e.zeroOf(e.n.In[i], e.n.In[i-2].DType())
		if err != nil {
			return err
		}
		in = append(in, z)
	}
	e.node1("ConvInteger", in, e.out(formFirst), convAttributes(op.Conv, w.Shape())...)
	return nil
}

// zeroOf stores a zero point by itself.
func (e *emit) zeroOf(zero graph.Value, d tensor.DType) (string, error) {
	if zero.Absent() {
		return "", nil
	}
	if s := e.dynamic[zero.ID()]; s != "" {
		return s, nil
	}
	return e.zeroInitializer(&params{zero: zero, scheme: perOutput(zero)}, d)
}
