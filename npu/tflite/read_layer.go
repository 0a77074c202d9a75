package tflite

import (
	"encoding/binary"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// maxStep bounds strides, dilations and kernels.
const maxStep = 1 << 16

// window returns the window of a convolution or pooling of an image of size
// in under a kernel (without dilation) with TFLite's padding.
func (r *rebuild) window(o *operator, in tensor.Shape, kernel [2]int) (w backend.Window, ok bool) {
	w.Stride = [2]int{o.strideH, o.strideW}
	w.Dilation = [2]int{max(o.dilationH, 1), max(o.dilationW, 1)}
	for i := range 2 {
		if s, d, k := w.Stride[i], w.Dilation[i], kernel[i]; s < 1 || s > maxStep || d > maxStep || k < 1 || k > maxStep {
			r.fault("stride %d, dilation %d, kernel %d", s, d, k)
			return w, false
		}
	}
	switch o.padding {
	case paddingValid:
	case paddingSame:
		for i := range 2 {
			n, s := int64(in[1+i]), int64(w.Stride[i])
			span := (int64(kernel[i])-1)*int64(w.Dilation[i]) + 1
			total := max(((n+s-1)/s-1)*s+span-n, 0)
			w.Pad[i], w.Pad[2+i] = int(total/2), int(total-total/2)
		}
	default:
		r.fault("padding %d", o.padding)
		return w, false
	}
	return w, true
}

// bounds returns the real bounds of the fused activation.
func (r *rebuild) bounds(o *operator) (lo, hi float32, ok bool) {
	if o.activation < actNone || o.activation > actRelu6 {
		r.unsupported("fused activation %d", o.activation)
		return 0, 0, false
	}
	lo, hi = activationBounds(o.activation)
	return lo, hi, true
}

// activated applies the fused activation to real numbers.
func (r *rebuild) activated(v graph.Value, o *operator) graph.Value {
	lo, hi, ok := r.bounds(o)
	switch {
	case !ok || v.Absent() || o.activation == actNone:
		return v
	case o.activation == actRelu:
		return r.apply("", backend.Relu{}, v)
	}
	return r.apply("", backend.Clip{Lo: lo, Hi: hi}, v)
}

// conv rebuilds CONV_2D and DEPTHWISE_CONV_2D.
func (r *rebuild) conv(o *operator) graph.Value {
	x := r.value(o.in[0])
	if x.Absent() {
		return x
	}
	if len(o.in) < 2 || o.in[1] < 0 {
		return r.fault("the weights are missing")
	}
	in := x.Shape()
	w, ok := r.shape(o.in[1])
	if !ok {
		return graph.Value{}
	}
	if len(in) != 4 || len(w) != 4 {
		return r.fault("input %v and weights %v, want 4 dimensions", in, w)
	}
	depthwise := o.code == opDepthwiseConv2D
	groups, axis, out := in[3]/w[3], 0, w[0]
	if depthwise {
		groups, axis, out = in[3], 3, w[3]
		if w[0] != 1 {
			return r.fault("depthwise weights %v", w)
		}
	}
	if !depthwise && (groups < 1 || in[3]%w[3] != 0) || out%groups != 0 {
		return r.fault("input %v and weights %v do not fit", in, w)
	}
	win, ok := r.window(o, in, [2]int{w[1], w[2]})
	if !ok {
		return graph.Value{}
	}
	op := backend.Conv{Window: win, Groups: groups}
	name := r.tensors[o.out[0]].name
	if x.DType() == tensor.F32 {
		weights := r.realWeights(o.in[1], axis)
		if depthwise {
			weights = outputFirst(weights)
		}
		return r.activated(r.apply(name, op, r.withBias(o, out, x, r.constant(o.in[1], weights))...), o)
	}
	l, ok := r.layer(o, axis, out)
	if !ok {
		return graph.Value{}
	}
	if depthwise {
		l.weights = outputFirst(l.weights)
	}
	q := backend.QLinearConv{Conv: op, Rule: quant.TFLite, Scheme: l.y.scheme, Lo: l.lo, Hi: l.hi}
	return r.apply(name, q, l.operands(r, o, x)...)
}

// outputFirst turns depthwise weights [1, kh, kw, out] into [out, kh, kw, 1].
func outputFirst(w *tensor.Tensor) *tensor.Tensor {
	if w == nil {
		return nil
	}
	s := w.Shape()
	t := tensor.New(tensor.Of(w.DType(), s[3], s[1], s[2], 1))
	size, taps, out := w.DType().Bytes(1), s[1]*s[2], s[3]
	for o := range out {
		for i := range taps {
			copy(t.Bytes()[(o*taps+i)*size:][:size], w.Bytes()[(i*out+o)*size:])
		}
	}
	return t
}

// integerLayer has what a layer on codes needs.
type integerLayer struct {
	x, y    *quantization
	weights *tensor.Tensor
	scale   []float32
	bias    *tensor.Tensor
	lo, hi  float32
	xScale  graph.Value
}

// layer reads weights, bias and parameters of a layer on codes with scales
// along axis of the weights.
func (r *rebuild) layer(o *operator, axis, out int) (l integerLayer, ok bool) {
	l.x, l.y = r.quantization(o.in[0]), r.quantization(o.out[0])
	if l.lo, l.hi, ok = r.bounds(o); !ok || l.x == nil || l.y == nil {
		return l, false
	}
	l.xScale = l.x.scale
	w := &r.tensors[o.in[1]]
	if w.dtype != typeInt8 {
		r.unsupported("weights of type %d under integer activations", w.dtype)
		return l, false
	}
	if n := len(w.scale); n != 1 && (n != out || w.axis != axis) {
		r.fault("%d weight scales along dimension %d, want 1, or %d along dimension %d", n, w.axis, out, axis)
		return l, false
	}
	for i, s := range w.scale {
		if !normal(s) {
			r.fault("weight scale %d is %v", i, s)
			return l, false
		}
	}
	if !r.zeros(w) {
		return l, false
	}
	l.scale = w.scale
	if l.weights = r.codes(o.in[1], tensor.I8); l.weights == nil {
		return l, false
	}
	if len(o.in) > 2 && o.in[2] >= 0 {
		if l.bias = r.intBias(o.in[2], out); l.bias == nil {
			return l, false
		}
	}
	return l, true
}

// operands returns the inputs of qlinear_conv and qlinear_gemm.
func (l *integerLayer) operands(r *rebuild, o *operator, x graph.Value) []graph.Value {
	name := r.tensors[o.in[1]].name
	w := r.constant(o.in[1], l.weights)
	scale := r.g.Const(name+".scale", tensor.FromF32(l.scale, len(l.scale)))
	in := []graph.Value{x, l.xScale, l.x.zero, w, scale, {}, l.y.scale, l.y.zero}
	if l.bias != nil {
		in = append(in, r.constant(o.in[2], l.bias))
	}
	return in
}

func (r *rebuild) constant(i int, t *tensor.Tensor) graph.Value {
	if t == nil {
		return graph.Value{}
	}
	return r.g.Const(r.tensors[i].name, t)
}

// intBias reads an int32 bias.
func (r *rebuild) intBias(i, out int) *tensor.Tensor {
	if d := r.tensors[i].dtype; d != typeInt32 {
		r.unsupported("a bias of type %d", d)
		return nil
	}
	d, _ := r.data(i, 4)
	if d == nil {
		return nil
	}
	if len(d) != 4*out {
		r.fault("a bias of %d values for %d channels", len(d)/4, out)
		return nil
	}
	t := tensor.New(tensor.Of(tensor.I32, out))
	for k := range t.I32() {
		t.I32()[k] = int32(binary.LittleEndian.Uint32(d[4*k:]))
	}
	return t
}

// realWeights reads the weights of a layer on real numbers. Those of hybrid
// models are int8 with scales along axis.
func (r *rebuild) realWeights(i, axis int) *tensor.Tensor {
	t := &r.tensors[i]
	if t.dtype == typeFloat32 {
		return r.floats(i)
	}
	if !r.coded(i) || t.dtype != typeInt8 {
		r.unsupported("weights of type %d under float activations", t.dtype)
		return nil
	}
	codes := r.codes(i, tensor.I8)
	if codes == nil {
		return nil
	}
	s := codes.Shape()
	inner, n := s[axis+1:].Numel(), len(t.scale)
	if n != 1 && (n != s[axis] || t.axis != axis) || !r.zeros(t) || 3*len(t.data) > r.budget {
		r.fault("%d weight scales along dimension %d of %v", n, t.axis, s)
		return nil
	}
	r.budget -= 3 * len(t.data)
	w := tensor.New(tensor.Spec{DType: tensor.F32, Shape: s.Clone()})
	for k, c := range codes.I8() {
		w.F32()[k] = float32(c) * t.scale[k/inner%s[axis]%n]
	}
	return w
}

// zeros reports whether all zero points of t are 0, and faults otherwise.
func (r *rebuild) zeros(t *tensorInfo) bool {
	for i, z := range t.zero {
		if z != 0 {
			r.fault("weight zero point %d is %d, want 0", i, z)
			return false
		}
	}
	return true
}

// withBias appends the float bias of a layer, if it has one.
func (r *rebuild) withBias(o *operator, out int, in ...graph.Value) []graph.Value {
	if len(o.in) < 3 || o.in[2] < 0 {
		return in
	}
	b := r.value(o.in[2])
	if !b.Absent() && (b.DType() != tensor.F32 || b.Spec().Numel() != out || len(b.Shape()) != 1) {
		r.fault("a bias of %v for %d channels", b.Spec(), out)
	}
	return append(in, b)
}

// fullyConnected rebuilds FULLY_CONNECTED.
func (r *rebuild) fullyConnected(o *operator) graph.Value {
	x := r.value(o.in[0])
	if x.Absent() {
		return x
	}
	if len(o.in) < 2 || o.in[1] < 0 {
		return r.fault("the weights are missing")
	}
	if o.weightsFormat != 0 {
		return r.unsupported("shuffled weights")
	}
	w, ok := r.shape(o.in[1])
	if !ok {
		return graph.Value{}
	}
	s := x.Shape()
	if len(w) != 2 || s.Numel()%w[1] != 0 {
		return r.fault("input %v and weights %v do not fit", s, w)
	}
	out, k := w[0], w[1]
	switch {
	case len(s) > 1 && s.Last() == k && (o.keepNumDims != 0 || len(s) == 2):
	case o.keepNumDims != 0:
		return r.fault("input %v and weights %v do not fit", s, w)
	case len(s) > 1 && s[1:].Numel() == k:
		x = r.apply("", backend.Flatten{}, x)
	default:
		x = r.apply("", backend.Reshape{Shape: tensor.NewDims(-1, k)}, x)
	}
	name := r.tensors[o.out[0]].name
	if x.DType() == tensor.F32 {
		return r.activated(r.apply(name, backend.Gemm{}, r.withBias(o, out, x, r.constant(o.in[1], r.realWeights(o.in[1], 0)))...), o)
	}
	l, ok := r.layer(o, 0, out)
	if !ok {
		return graph.Value{}
	}
	if len(l.scale) == 1 {
		l.floatProduct(r)
	}
	q := backend.QLinearGemm{Rule: quant.TFLite, Scheme: l.y.scheme, Lo: l.lo, Hi: l.hi}
	return r.apply(name, q, l.operands(r, o, x)...)
}

// floatProduct makes the multiplier that of TFLite's per-tensor
// FULLY_CONNECTED: the product of the scales, rounded to float32, is given as
// the weight scale, with an input scale of 1.
func (l *integerLayer) floatProduct(r *rebuild) {
	p := float32(l.x.params.scale * l.scale[0])
	if !normal(p) || math.IsInf(float64(p), 0) {
		r.fault("scales %v and %v have no float32 product", l.x.params.scale, l.scale[0])
		return
	}
	exact := quant.TFLite.NewMultiplier(l.x.params.scale, l.scale[0], l.y.params.scale)
	if quant.TFLite.NewMultiplier(1, p, l.y.params.scale) == exact {
		return
	}
	l.scale = []float32{p}
	l.xScale = r.g.Const("one", tensor.FromF32([]float32{1}, 1))
}
