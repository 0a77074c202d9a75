package onnx

import (
	"fmt"
	"math"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear.
func init() {
	registerReader("QuantizeLinear", opReader{class: layoutFollow, read: readQuantize})
	registerReader("DequantizeLinear", opReader{class: layoutFollow, read: readDequantize})
	registerReader("DynamicQuantizeLinear", opReader{class: layoutFollow, read: readDynamicQuantize})
	registerWriter(backend.QuantizeLinear{}, opWriter{class: layoutFollow, write: writeQuantize})
	registerWriter(backend.DequantizeLinear{}, opWriter{class: layoutFollow, write: writeDequantize})
	registerWriter(backend.DynamicQuantizeLinear{}, opWriter{class: layoutFollow, write: writeDynamicQuantize})
}

// quantizer reads what QuantizeLinear and DequantizeLinear share: it returns
// the axis of the scales in the file's order, -1 for one scale.
func (c *call) quantizer() (int, error) {
	axis := c.intAttr("axis", 1)
	if b := c.intAttr("block_size", 0); b != 0 {
		return 0, unsupportedf("block_size %d", b)
	}
	if c.err != nil {
		return 0, c.err
	}
	x, scale := c.in[0], c.in[1]
	if err := c.checkScale(scale); err != nil {
		return 0, err
	}
	n := scale.dims.Numel()
	if z := c.x(2); z != nil {
		if z.dims.Numel() != n {
			return 0, formatf("%d scales and %d zero points", n, z.dims.Numel())
		}
		if !elemKnownCode(z.elem) && z.elem != pb.Int32 {
			return 0, unsupportedf("codes of type %v", z.elem)
		}
	}
	switch {
	case len(scale.dims) == 0, n == 1 && len(scale.dims) == 1:
		return -1, nil
	case len(scale.dims) > 1:
		return 0, unsupportedf("scales of shape %v", scale.dims)
	}
	a, err := backend.Axis(int(min(max(axis, math.MinInt32), math.MaxInt32)), len(x.dims))
	if err != nil || x.dims[a] != n {
		return 0, formatf("%d scales along axis %d of %v", n, axis, x.dims)
	}
	return a, nil
}

// checkScale returns an error unless a constant scale is positive and finite.
func (r *reader) checkScale(v *value) error {
	if !v.isConst() {
		return nil
	}
	t, err := r.data(v)
	if err != nil {
		return err
	}
	if t.DType() != tensor.F32 {
		return formatf("scale %q is %v", v.name, t)
	}
	for _, s := range t.F32() {
		if !(s > 0) || math.IsInf(float64(s), 0) {
			return formatf("scale %q is %v", v.name, s)
		}
	}
	return nil
}

func elemKnownCode(e pb.DataType) bool { return e == pb.Int8 || e == pb.Uint8 }

// codeType returns the type of the codes that a quantizer makes.
func (c *call) codeType() (tensor.DType, error) {
	elem := pb.Uint8
	if to := c.intAttr("output_dtype", 0); to != 0 {
		elem = pb.DataType(to)
	}
	if z := c.x(2); z != nil {
		elem = z.elem
	}
	c.ignore("saturate", "precision")
	switch elem {
	case pb.Int8:
		return tensor.I8, c.err
	case pb.Uint8:
		return tensor.U8, c.err
	}
	return tensor.Invalid, unsupportedf("codes of type %v", elem)
}

func readQuantize(c *call) error {
	if err := c.inputs(2, 3); err != nil {
		return err
	}
	d, err := c.codeType()
	if err != nil {
		return err
	}
	axis, err := c.quantizer()
	if err != nil {
		return err
	}
	f, x := c.follow(0)
	if axis >= 0 && f == formFlat {
		f, x = formPlain, c.plain(0)
	}
	if f == formLast && axis >= 0 {
		axis = lastAxis(axis, len(c.in[0].dims))
	}
	scale, zero, err := c.scaleZero(c.in[1], c.x(2))
	if err != nil {
		return err
	}
	if zero.Absent() {
		z, err := c.alloc(tensor.Spec{DType: tensor.I32, Shape: scale.Shape()})
		if err != nil {
			return err
		}
		zero = c.g.Const(c.name+".zero", z)
	}
	p := graph.Codes{Scale: scale, Zero: zero, Scheme: schemeOf(d, axis), Rule: quant.ONNX}
	c.setCodes(f, c.one(backend.QuantizeLinear{Rule: quant.ONNX, Scheme: p.Scheme}, x, scale, zero), p)
	return c.err
}

// setCodes makes y, codes with the parameters p, output 0.
func (c *call) setCodes(f form, y graph.Value, p graph.Codes) {
	v := c.set(0, f, y)
	if c.err == nil && !y.Absent() {
		p.Value = y
		v.codes = &p
		c.g.SetCodes(p)
	}
}

func readDequantize(c *call) error {
	if err := c.inputs(2, 3); err != nil {
		return err
	}
	c.ignore("output_dtype", "precision")
	axis, err := c.quantizer()
	if err != nil {
		return err
	}
	x := c.in[0]
	if !elemKnownCode(x.elem) && x.elem != pb.Int32 {
		return unsupportedf("codes of type %v", x.elem)
	}
	if z := c.x(2); z != nil && z.elem != x.elem {
		return formatf("codes are %v, their zero point %v", x.elem, z.elem)
	}
	if x.isConst() && c.in[1].isConst() && (c.x(2) == nil || c.in[2].isConst()) && len(c.n.Outputs) == 1 {
		c.vals[c.n.Outputs[0]] = &value{name: c.n.Outputs[0], elem: pb.Float, dims: x.dims,
			dq: &dequant{codes: x, scale: c.in[1], zero: c.x(2), axis: axis, name: c.name}}
		return c.err
	}
	f, v := c.follow(0)
	if axis >= 0 && f == formFlat {
		f, v = formPlain, c.plain(0)
	}
	if f == formLast && axis >= 0 {
		axis = lastAxis(axis, len(x.dims))
	}
	scale, zero, err := c.scaleZero(c.in[1], c.x(2))
	if err != nil {
		return err
	}
	in := []graph.Value{v, scale}
	if !zero.Absent() {
		in = append(in, zero)
	}
	c.set(0, f, c.one(backend.DequantizeLinear{Scheme: schemeOf(v.DType(), axis)}, in...))
	return c.err
}

// readDynamicQuantize reads codes, scale and zero point, which are scalars in
// the file and lists of one in the graph.
func readDynamicQuantize(c *call) error {
	if err := c.inputs(1, 1); err != nil {
		return err
	}
	f, x := c.follow(0)
	out := c.apply(backend.DynamicQuantizeLinear{}, x)
	if len(out) < 3 {
		return c.err
	}
	c.setCodes(f, out[0], graph.Codes{Scale: out[1], Zero: out[2], Scheme: quant.UInt8(), Rule: quant.ONNX})
	c.set(1, formPlain, c.helper(".scale", backend.Reshape{}, out[1]))
	if len(c.n.Outputs) > 2 && c.n.Outputs[2] != "" {
		z := c.helper(".zero", backend.Reshape{}, out[2])
		v := c.set(2, formPlain, c.helper(".zero", backend.Cast{To: tensor.U8}, z))
		v.zero = z
	}
	return c.err
}

// clipCodes reads a Clip of codes, which ONNX does on the integers: on the
// real numbers that they stand for, it gives the same codes.
func clipCodes(c *call, lo, hi float32) error {
	p := *c.in[0].codes
	scale, zero := p.Scale.Init(), p.Zero.Init()
	if scale == nil || zero == nil || p.Scheme.Grain.Kind != quant.PerTensor {
		return unsupportedf("Clip of codes whose scale is not one constant")
	}
	f, x := c.follow(0)
	if c.err != nil {
		return c.err
	}
	s, z := scale.F32()[0], float32(zero.I32()[0])
	in := []graph.Value{x, p.Scale, p.Zero}
	y := c.helper(".dequantize", backend.DequantizeLinear{Scheme: p.Scheme}, in...)
	y = c.one(backend.Clip{Lo: (lo - z) * s, Hi: (hi - z) * s}, y)
	y = c.helper(".quantize", backend.QuantizeLinear{Rule: p.Rule, Scheme: p.Scheme}, y, p.Scale, p.Zero)
	c.setCodes(f, y, p)
	return c.err
}

// writeDynamicQuantize writes codes, and scale and zero point, which the
// operator gives as scalars and the zero point as a code.
func writeDynamicQuantize(e *emit) error {
	f := e.form()
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	codes, scale, zero := e.n.Out[0], e.n.Out[1], e.n.Out[2]
	e.value(codes).q = &params{scale: scale, zero: zero, scheme: quant.UInt8()}
	e.direct = true
	y := e.out(f)
	s, z := e.unique(e.n.Name+".scale"), e.unique(e.n.Name+".zero")
	e.addNode("DynamicQuantizeLinear", "", e.n.Name, []string{x}, []string{y, s, z})
	e.dynamic[scale.ID()], e.dynamic[zero.ID()] = s, z
	list := func(v graph.Value, from string) {
		name := e.outName[v.ID()]
		if name == "" {
			name = e.unique(v.Name())
		}
		e.value(v).real[formNative] = name
		e.addNode("Reshape", "", name, []string{from, e.ints(e.n.Name+".shape", []int{1})}, []string{name})
	}
	if e.uses(scale) {
		list(scale, s)
	}
	if e.uses(zero) {
		wide := e.unique(e.n.Name + ".zero")
		e.addNode("Cast", "", wide, []string{z}, []string{wide}, attrInt("to", int(pb.Int32)))
		list(zero, wide)
	}
	return nil
}

// uses reports whether v is a result, or an operand of more than operations
// on codes.
func (w *writer) uses(v graph.Value) bool {
	if w.outName[v.ID()] != "" {
		return true
	}
	for _, n := range w.g.Nodes() {
		switch n.Op.(type) {
		case backend.DequantizeLinear, backend.QuantizeLinear, backend.ConvInteger, backend.MatMulInteger:
			continue
		}
		for _, in := range n.In {
			if in == v {
				return true
			}
		}
	}
	return false
}

// paramsOf returns the parameters in inputs s and z of a node.
func (e *emit) paramsOf(s, z int, scheme quant.Scheme) *params {
	p := &params{scale: e.n.In[s], scheme: scheme}
	if z < len(e.n.In) {
		p.zero = e.n.In[z]
	}
	return p
}

func writeQuantize(e *emit) error {
	op := e.n.Op.(backend.QuantizeLinear)
	f := e.form()
	if op.Scheme.Grain.Kind != quant.PerTensor && f == formFlattened {
		f = formNative
	}
	x, err := e.in(0, f)
	if err != nil {
		return err
	}
	if e.n.In[0].DType() == tensor.BF16 { // The scale would have to be bfloat16 too.
		wide := e.unique(e.n.Name + ".float")
		e.addNode("Cast", "", wide, []string{x}, []string{wide}, attrInt("to", int(pb.Float)))
		x = wide
	}
	e.value(e.n.Out[0]).q = e.paramsOf(1, 2, op.Scheme)
	e.direct = true // The node itself makes the codes.
	y := e.out(f)
	return e.quantizeNode(e.n.Name, x, y, e.value(e.n.Out[0]), f)
}

func writeDequantize(e *emit) error {
	op := e.n.Op.(backend.DequantizeLinear)
	if op.Result == tensor.BF16 {
		return unsupportedf("a dequantized result of bfloat16: cast a float32 one")
	}
	codes := e.n.In[0]
	p := e.paramsOf(1, 2, op.Scheme)
	if codes.Init() != nil {
		if e.outName[e.n.Out[0].ID()] == "" {
			return nil // Written for each user in the layout it wants.
		}
		e.value(e.n.Out[0]).home = formNative
		_, err := e.floats(e.value(e.n.Out[0]), formNative)
		return err
	}
	x := e.value(codes)
	f := x.home
	if x.q == nil {
		x.q = p
	}
	if op.Scheme.Grain.Kind != quant.PerTensor && f == formFlattened {
		f = formNative
	}
	in, err := e.any(x, f)
	if err != nil {
		return err
	}
	name := e.out(f)
	axis, err := e.axisOf(p, codes, f)
	if err != nil {
		return err
	}
	return e.dequantizeParams(e.n.Name, in, name, p, axis, codes.DType())
}

// axisOf returns the axis of per-channel scales in a layout, -1 for one scale.
func (w *writer) axisOf(p *params, v graph.Value, f wform) (int, error) {
	switch g := p.scheme.Grain; g.Kind {
	case quant.PerTensor:
		return -1, nil
	case quant.PerChannel:
		rank := len(v.Shape())
		a, err := backend.Axis(g.Axis, rank)
		if err != nil {
			return 0, err
		}
		if f == formFirst && rank > 2 {
			a = firstAxis(a, rank)
		}
		return a, nil
	}
	return 0, unsupportedf("scheme %v", p.scheme)
}

// scaleZero stores the parameters of codes of type d: a scalar or a list of
// each. The zero point is "" where it is absent.
func (w *writer) scaleZero(p *params, d tensor.DType) (scale, zero string, err error) {
	if s := w.dynamic[p.scale.ID()]; s != "" {
		return s, w.dynamic[p.zero.ID()], nil
	}
	t := p.scale.Init()
	if t == nil {
		return "", "", unsupportedf("the scale %q is computed: convert the model first", p.scale.Name())
	}
	dims := []int{t.Numel()}
	if p.scheme.Grain.Kind == quant.PerTensor {
		if t.Numel() != 1 {
			return "", "", fmt.Errorf("%d scales for one tensor", t.Numel())
		}
		dims = []int{}
	}
	if scale, err = w.initializer(p.scale, view{t.Shape(), identity(len(t.Shape())), dims}); err != nil || p.zero.Absent() {
		return scale, "", err
	}
	zero, err = w.zeroInitializer(p, d)
	return scale, zero, err
}

// zeroInitializer stores a zero point in the type d of its codes.
func (w *writer) zeroInitializer(p *params, d tensor.DType) (string, error) {
	z := p.zero.Init()
	if z == nil {
		return "", unsupportedf("the zero point %q is computed: convert the model first", p.zero.Name())
	}
	dims := []int{z.Numel()}
	if p.scheme.Grain.Kind == quant.PerTensor {
		dims = nil
	}
	key := fmt.Sprint("z", p.zero.ID(), d, len(dims))
	if s, ok := w.stored[key]; ok {
		return s, nil
	}
	codes := tensor.New(tensor.Of(d, z.Numel()))
	for i, v := range z.I32() {
		ok := true
		switch d {
		case tensor.I8:
			ok = v >= math.MinInt8 && v <= math.MaxInt8
			codes.I8()[i] = int8(v)
		case tensor.U8:
			ok = v >= 0 && v <= math.MaxUint8
			codes.U8()[i] = uint8(v)
		case tensor.I32:
			codes.I32()[i] = v
		default:
			return "", unsupportedf("codes of type %v", d)
		}
		if !ok {
			return "", fmt.Errorf("zero point %d of %v codes", v, d)
		}
	}
	name := w.add(p.zero.Name(), elemOf(d), dims, codes.Bytes())
	w.stored[key] = name
	return name, nil
}

// quantizeNode appends a QuantizeLinear of x to codes of v, after a Clip where
// the codes use only part of their type.
func (w *writer) quantizeNode(name, x, code string, v *written, f wform) error {
	axis, err := w.axisOf(v.q, v.v, f)
	if err != nil {
		return err
	}
	return w.quantizeParams(name, x, code, v.q, axis, v.v.DType())
}

func (w *writer) quantizeParams(name, x, code string, p *params, axis int, d tensor.DType) error {
	scale, zero, err := w.scaleZero(p, d)
	if err != nil {
		return err
	}
	if lo, hi := p.scheme.Range(); narrower(p.scheme) {
		if axis >= 0 {
			return unsupportedf("scheme %v: the bounds of the codes differ from channel to channel", p.scheme)
		}
		s, z := p.scale.Init().F32()[0], int32(0)
		if t := p.zero.Init(); t != nil {
			z = t.I32()[0]
		}
		y := w.unique(strings.TrimSuffix(code, ".quantize") + ".clip")
		w.clip(y, x, y, float32(lo-z)*s, float32(hi-z)*s, tensor.F32)
		x = y
	}
	var attr *pb.Message
	if axis >= 0 {
		attr = attrInt("axis", axis)
	}
	w.addNode("QuantizeLinear", "", name, []string{x, scale, zero}, []string{code}, attr)
	return nil
}

// narrower reports whether the codes do not use all of their type.
func narrower(s quant.Scheme) bool {
	lo, hi := s.Range()
	return hi-lo < 255
}

// dequantizeNode appends a DequantizeLinear of the codes of v.
func (w *writer) dequantizeNode(name, code, x string, v *written, f wform) error {
	axis, err := w.axisOf(v.q, v.v, f)
	if err != nil {
		return err
	}
	return w.dequantizeParams(name, code, x, v.q, axis, v.v.DType())
}

func (w *writer) dequantizeParams(name, code, x string, p *params, axis int, d tensor.DType) error {
	scale, zero, err := w.scaleZero(p, d)
	if err != nil {
		return err
	}
	var attr *pb.Message
	if axis >= 0 {
		attr = attrInt("axis", axis)
	}
	w.addNode("DequantizeLinear", "", name, []string{code, scale, zero}, []string{x}, attr)
	return nil
}

// biasReal dequantizes an int32 bias on the grid of input times weight.
func (e *emit) biasReal(bias, sx, sw graph.Value) (string, error) {
	if bias.Absent() {
		return "", nil
	}
	b, x, w := bias.Init(), sx.Init(), sw.Init()
	if b == nil || x == nil || w == nil {
		return "", unsupportedf("the bias or a scale of it is computed: convert the model first")
	}
	code, err := e.initializer(bias, permView(bias.Shape(), identity(1)))
	if err != nil {
		return "", err
	}
	s := make([]float32, w.Numel())
	for i, v := range w.F32() {
		s[i] = x.F32()[0] * v
	}
	dims := []int{len(s)}
	var attr *pb.Message
	if len(s) == 1 {
		dims = nil
	} else {
		attr = attrInt("axis", 0)
	}
	scale := e.add(bias.Name()+".scale", pb.Float, dims, tensor.FromF32(s, len(s)).Bytes())
	out := e.unique(realName(bias.Name()))
	e.addNode("DequantizeLinear", "", out, []string{code, scale}, []string{out}, attr)
	return out, nil
}

// quantized makes output 0, codes with the parameters p, of the float tensor
// that write computes, after the activation with these bounds.
func (e *emit) quantized(f wform, p *params, lo, hi float32, write func(y string) error) error {
	v := e.value(e.n.Out[0])
	v.q = p
	e.direct = true
	code := e.out(f)
	y := code
	if code == e.outName[v.v.ID()] {
		y = e.unique(e.n.Name + ".float")
	} else {
		code = e.unique(codeName(y))
		v.code[f] = code
	}
	if err := write(y); err != nil {
		return err
	}
	if bounded(lo, hi) {
		z := e.unique(e.n.Name + ".act")
		if lo == 0 && math.IsInf(float64(hi), 1) {
			e.addNode("Relu", "", z, []string{y}, []string{z})
		} else {
			e.clip(z, y, z, lo, hi, tensor.F32)
		}
		y = z
	}
	return e.quantizeNode(code, y, code, v, f)
}

// bounded reports whether bounds of a folded activation clamp at all.
func bounded(lo, hi float32) bool {
	return lo < hi && (!math.IsInf(float64(lo), -1) || !math.IsInf(float64(hi), 1))
}
