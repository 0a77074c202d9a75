package onnx

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Arithmetic, functions and means of codes.
func init() {
	registerReader(opName(microsoft, "QLinearAdd"), opReader{class: layoutFollow, read: func(c *call) error {
		return readQLinearBinary(c, func(s quant.Scheme) backend.Op {
			return backend.QLinearAdd{Rule: quant.ONNX, Scheme: s, Lo: unbounded[0], Hi: unbounded[1]}
		})
	}})
	registerReader(opName(microsoft, "QLinearMul"), opReader{class: layoutFollow, read: func(c *call) error {
		return readQLinearBinary(c, func(s quant.Scheme) backend.Op {
			return backend.QLinearMul{Rule: quant.ONNX, Scheme: s, Lo: unbounded[0], Hi: unbounded[1]}
		})
	}})
	registerReader(opName(microsoft, "QLinearAveragePool"), opReader{class: layoutSpatial, read: readQLinearAveragePool})
	registerReader(opName(microsoft, "QLinearGlobalAveragePool"), opReader{class: layoutSpatial, read: readQLinearGlobalPool})

	registerWriter(backend.QLinearAdd{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		o := e.n.Op.(backend.QLinearAdd)
		return writeQLinearBinary(e, "Add", "QLinearAdd", o.Scheme, o.Lo, o.Hi)
	}})
	registerWriter(backend.QLinearMul{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		o := e.n.Op.(backend.QLinearMul)
		return writeQLinearBinary(e, "Mul", "QLinearMul", o.Scheme, o.Lo, o.Hi)
	}})
	registerWriter(backend.QLinearSub{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		o := e.n.Op.(backend.QLinearSub)
		return writeQLinearBinary(e, "Sub", "", o.Scheme, o.Lo, o.Hi)
	}})
	registerWriter(backend.QLinearUnary{}, opWriter{class: layoutFollow, write: writeQLinearUnary, needs: func(op backend.Op) int {
		switch op.(backend.QLinearUnary).Func {
		case backend.UnaryGelu, backend.UnaryGeluTanh:
			return 20
		case backend.UnaryHardSwish:
			return 14
		}
		return 0
	}})
	registerWriter(backend.Requantize{}, opWriter{class: layoutFollow, write: func(e *emit) error {
		f := e.value(e.n.In[0]).home
		x, err := e.floats(e.value(e.n.In[0]), f)
		if err != nil {
			return err
		}
		e.value(e.n.Out[0]).q = e.paramsOf(3, 4, e.n.Op.(backend.Requantize).Scheme)
		e.direct = true
		return e.quantizeNode(e.n.Name, x, e.out(f), e.value(e.n.Out[0]), f)
	}})
	registerWriter(backend.QLinearAveragePool{}, opWriter{class: layoutSpatial, write: writeQLinearAveragePool, needs: func(op backend.Op) int {
		return poolOpset(op.(backend.QLinearAveragePool).AveragePool)
	}})
	registerWriter(backend.QLinearGlobalAveragePool{}, opWriter{class: layoutSpatial, write: writeQLinearGlobalPool})
}

// oneScale reads the scale and zero point in inputs s and z, one of each, of
// codes of the element type of input x, or of the zero point's.
func (c *call) oneScale(s, z int) (graph.Value, graph.Value, error) {
	scale, zero := c.x(s), c.x(z)
	if scale == nil || scale.dims.Numel() != 1 || zero != nil && zero.dims.Numel() != 1 {
		return graph.Value{}, graph.Value{}, unsupportedf("inputs %d and %d are not one scale and zero point", s, z)
	}
	sv, zv, err := c.scaleZero(scale, zero)
	if err == nil && zv.Absent() {
		var t *tensor.Tensor
		if t, err = c.alloc(tensor.Spec{DType: tensor.I32, Shape: sv.Shape()}); err == nil {
			zv = c.g.Const(c.name+".zero", t)
		}
	}
	return sv, zv, err
}

func readQLinearBinary(c *call, op func(quant.Scheme) backend.Op) error {
	if err := c.inputs(7, 8); err != nil {
		// The zero points may be absent in the middle.
		if len(c.in) < 7 || len(c.in) > 8 || c.in[0] == nil || c.in[1] == nil || c.in[3] == nil || c.in[4] == nil || c.in[6] == nil {
			return err
		}
	}
	a, b := c.in[0], c.in[3]
	if err := codeOperand(a, b); err != nil {
		return err
	}
	sa, za, err := c.oneScale(1, 2)
	if err != nil {
		return err
	}
	sb, zb, err := c.oneScale(4, 5)
	if err != nil {
		return err
	}
	sy, zy, err := c.oneScale(6, 7)
	if err != nil {
		return err
	}
	in := c.in
	c.in = []*value{a, b}
	f, v := c.broadcast()
	c.in = in
	if len(v) < 2 {
		return c.err
	}
	p := graph.Codes{Scale: sy, Zero: zy, Scheme: quant.Scheme{Bits: 8, Signed: a.elem == pb.Int8}, Rule: quant.ONNX}
	c.setCodes(f, c.one(op(p.Scheme), v[0], sa, za, v[1], sb, zb, sy, zy), p)
	return c.err
}

// readPoolParams reads the inputs x, sx, zx, sy, zy of a mean of codes.
func (c *call) readPoolParams() (x, y graph.Codes, err error) {
	if len(c.in) < 4 || len(c.in) > 5 || c.in[0] == nil {
		return x, y, formatf("%d inputs, want 5", len(c.in))
	}
	for _, v := range c.in {
		if v == nil {
			continue
		}
		if err := c.shape(v); err != nil {
			return x, y, err
		}
	}
	if c.flag("channels_last", false) {
		return x, y, unsupportedf("channels_last 1")
	}
	if err := codeOperand(c.in[0]); err != nil {
		return x, y, err
	}
	if err := spatial(c.in[0]); err != nil {
		return x, y, err
	}
	s := quant.Scheme{Bits: 8, Signed: c.in[0].elem == pb.Int8}
	x, y = graph.Codes{Scheme: s, Rule: quant.ONNX}, graph.Codes{Scheme: s, Rule: quant.ONNX}
	if x.Scale, x.Zero, err = c.oneScale(1, 2); err != nil {
		return x, y, err
	}
	y.Scale, y.Zero, err = c.oneScale(3, 4)
	return x, y, err
}

func readQLinearAveragePool(c *call) error {
	x, y, err := c.readPoolParams()
	if err != nil {
		return err
	}
	count := c.flag("count_include_pad", false)
	w, k, ceil, err := c.pool()
	if err != nil {
		return err
	}
	if x.Scale != y.Scale || x.Zero != y.Zero {
		return meanOfReals(c, x, y, backend.AveragePool{Window: w, Kernel: k, CountPad: count, Ceil: ceil})
	}
	op := backend.QLinearAveragePool{AveragePool: backend.AveragePool{Window: w, Kernel: k, CountPad: count, Ceil: ceil}, Rule: quant.ONNX, Scheme: x.Scheme}
	c.setCodes(formLast, c.one(op, c.last(0), x.Zero), y)
	return c.err
}

// meanOfReals computes a mean whose result has other parameters than its
// input in float, so that it is rounded once.
func meanOfReals(c *call, x, y graph.Codes, op backend.Op) error {
	v := c.helper(".dequantize", backend.DequantizeLinear{Scheme: x.Scheme}, c.last(0), x.Scale, x.Zero)
	v = c.one(op, v)
	v = c.helper(".quantize", backend.QuantizeLinear{Rule: quant.ONNX, Scheme: y.Scheme}, v, y.Scale, y.Zero)
	c.setCodes(formLast, v, y)
	return c.err
}

func readQLinearGlobalPool(c *call) error {
	x, y, err := c.readPoolParams()
	if err != nil {
		return err
	}
	op := backend.QLinearGlobalAveragePool{GlobalAveragePool: backend.GlobalAveragePool{KeepDims: true}, Rule: quant.ONNX, Scheme: x.Scheme}
	in := []graph.Value{c.last(0), x.Zero}
	if x.Scale != y.Scale || x.Zero != y.Zero {
		in = append(in, x.Scale, y.Scale, y.Zero)
	}
	u := c.flattenAfter()
	if u == nil {
		c.setCodes(formLast, c.one(op, in...), y)
		return c.err
	}
	c.name = nodeName(u)
	op.KeepDims = false
	z := c.one(op, in...)
	c.done[u] = true
	if c.err == nil {
		y.Value = z
		c.g.SetCodes(y)
		c.vals[u.Outputs[0]] = &value{name: u.Outputs[0], elem: c.in[0].elem, dims: z.Shape().Clone(), plain: z, batched: c.in[0].batched, codes: &y}
		c.vals[c.n.Outputs[0]] = &value{} // Nobody else asks for it.
	}
	return c.err
}

// writeQLinearBinary writes a, sa, za, b, sb, zb, sy, zy.
func writeQLinearBinary(e *emit, op, code string, s quant.Scheme, lo, hi float32) error {
	p := e.paramsOf(6, 7, s)
	a, b := e.n.In[0], e.n.In[3]
	for i, v := range []graph.Value{a, b} {
		if x := e.value(v); x.q == nil {
			x.q = e.paramsOf(3*i+1, 3*i+2, quant.Scheme{Bits: 8, Signed: v.DType() == tensor.I8})
		}
	}
	same := a.DType() == b.DType() && a.DType() == s.DType() && !e.isStored(a) && !e.isStored(b)
	if e.o.Form != FormQOperator || code == "" || !same {
		f, in, err := e.codeOperands([]graph.Value{a, b}, e.floats)
		if err != nil {
			return err
		}
		return e.quantized(f, p, lo, hi, func(y string) error {
			e.node1(op, in, y)
			return nil
		})
	}
	f, codes, err := e.codeOperands([]graph.Value{a, b}, e.codes)
	if err != nil {
		return err
	}
	var in []string
	for i, c := range codes {
		s, z, err := e.scaleZero(e.paramsOf(3*i+1, 3*i+2, quant.Scheme{}), a.DType())
		if err != nil {
			return err
		}
		in = append(in, c, s, z)
	}
	sy, zy, err := e.scaleZero(p, s.DType())
	if err != nil {
		return err
	}
	return e.operator(code, microsoft, append(in, sy, zy), f, p, lo, hi)
}

// codeOperands returns operands with codes in one layout.
func (e *emit) codeOperands(in []graph.Value, get func(*written, wform) (string, error)) (wform, []string, error) {
	f, _ := e.operandForm(in)
	for _, v := range in {
		if e.isStored(v) {
			f = formNative
		}
	}
	var out []string
	for i, v := range in {
		x := e.value(v)
		if v.Init() != nil { // Stored codes.
			s, err := e.realCodes(v, e.paramsOf(3*i+1, 3*i+2, quant.Scheme{}), permView(v.Shape(), identity(len(v.Shape()))), realName(v.Name()))
			if err != nil {
				return f, nil, err
			}
			out = append(out, s)
			continue
		}
		g := f
		if v.Shape().Numel() == 1 && len(v.Shape()) < 3 {
			g = formNative
		}
		s, err := get(x, g)
		if err != nil {
			return f, nil, err
		}
		out = append(out, s)
	}
	return f, out, nil
}

// writeQLinearUnary writes a function of codes by its float operator.
func writeQLinearUnary(e *emit) error {
	o := e.n.Op.(backend.QLinearUnary)
	x := e.value(e.n.In[0])
	f := x.home
	in, err := e.floats(x, f)
	if err != nil {
		return err
	}
	var name string
	var attrs []*pb.Message
	switch o.Func {
	case backend.UnarySigmoid:
		name = "Sigmoid"
	case backend.UnaryTanh:
		name = "Tanh"
	case backend.UnaryHardSwish:
		name = "HardSwish"
	case backend.UnaryHardSigmoid:
		name, attrs = "HardSigmoid", []*pb.Message{attrFloat("alpha", 1.0/6), attrFloat("beta", 0.5)}
	case backend.UnaryLeakyRelu:
		name, attrs = "LeakyRelu", []*pb.Message{attrFloat("alpha", o.Alpha)}
	case backend.UnaryExp:
		name = "Exp"
	case backend.UnaryGelu, backend.UnaryGeluTanh:
		a := "none"
		if o.Func == backend.UnaryGeluTanh {
			a = "tanh"
		}
		name, attrs = "Gelu", []*pb.Message{attrText("approximate", a)}
	default:
		return unsupportedf("%v", o.Func)
	}
	return e.quantized(f, e.paramsOf(3, 4, o.Scheme), unbounded[0], unbounded[1], func(y string) error {
		e.node1(name, []string{in}, y, attrs...)
		return nil
	})
}

// meanParams returns the parameters of the input of a mean and those of the
// result, which are the same unless the node has inputs for them.
func (e *emit) meanParams(s quant.Scheme) (x, y *params, err error) {
	if len(e.n.In) > 2 {
		v := e.n.In[0]
		x = &params{scale: e.n.In[2], zero: e.n.In[1], scheme: quant.Scheme{Bits: 8, Signed: v.DType() == tensor.I8}}
		if w := e.value(v); w.q == nil {
			w.q = x
		}
		return x, &params{scale: e.n.In[3], zero: e.n.In[4], scheme: s}, nil
	}
	v := e.value(e.n.In[0])
	if v.q == nil {
		return nil, nil, unsupportedf("codes of unknown scale")
	}
	x = &params{scale: v.q.scale, zero: e.n.In[1], scheme: s}
	return x, x, nil
}

func writeQLinearAveragePool(e *emit) error {
	op := e.n.Op.(backend.QLinearAveragePool)
	x, p, err := e.meanParams(op.Scheme)
	if err != nil {
		return err
	}
	if e.o.Form != FormQOperator || op.Normal().Dilation != [2]int{1, 1} {
		e.value(e.n.Out[0]).q = p
		return e.averagePool(op.AveragePool)
	}
	if err := checkRank(e.n.In[0]); err != nil {
		return err
	}
	in, err := e.meanInputs(x, p)
	if err != nil {
		return err
	}
	attrs := windowAttributes(op.Window, op.Kernel[4-len(e.n.In[0].Shape()):])
	attrs = append(attrs[:2:2], attrs[3], attrInt("ceil_mode", bit(op.Ceil)), attrInt("count_include_pad", bit(op.CountPad)))
	return e.operator("QLinearAveragePool", microsoft, in, formFirst, p, unbounded[0], unbounded[1], attrs...)
}

// meanInputs returns the inputs x, sx, zx, sy, zy.
func (e *emit) meanInputs(x, y *params) ([]string, error) {
	code, err := e.codeIn(0, formFirst)
	if err != nil {
		return nil, err
	}
	sx, zx, err := e.scaleZero(x, e.n.In[0].DType())
	if err != nil {
		return nil, err
	}
	sy, zy, err := e.scaleZero(y, e.n.Out[0].DType())
	return []string{code, sx, zx, sy, zy}, err
}

func writeQLinearGlobalPool(e *emit) error {
	op := e.n.Op.(backend.QLinearGlobalAveragePool)
	x, p, err := e.meanParams(op.Scheme)
	if err != nil {
		return err
	}
	if e.o.Form != FormQOperator || e.n.In[0].DType() != e.n.Out[0].DType() || x != p && narrower(p.scheme) {
		return e.globalPool(op.KeepDims, p)
	}
	if err := checkRank(e.n.In[0]); err != nil {
		return err
	}
	in, err := e.meanInputs(x, p)
	if err != nil {
		return err
	}
	e.value(e.n.Out[0]).q = p
	e.direct = true
	keep := attrInt("channels_last", 0)
	if op.KeepDims {
		e.addNode("QLinearGlobalAveragePool", microsoft, e.n.Name, in, []string{e.out(formFirst)}, keep)
		return nil
	}
	mean := e.unique(e.n.Name + ".mean")
	e.addNode("QLinearGlobalAveragePool", microsoft, mean, in, []string{mean}, keep)
	e.node1("Flatten", []string{mean}, e.out(formNative), attrInt("axis", 1))
	return nil
}
