package tflite

import (
	"math"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

// layer lowers qlinear_conv and qlinear_gemm.
func (l *lowering) layer(n *graph.Node) {
	d, _, err := target.LayerOf(n)
	if err != nil {
		l.fatal(n.Name, "%v", err)
		return
	}
	before := len(l.violations)
	l.scheme(n.Name, d.Scheme)
	l.checkParams(n.Name, d.XScale, d.XZero)
	l.checkParams(n.Name, d.YScale, d.YZero)
	l.violations = append(l.violations, d.CheckWeights(-math.MaxInt8, math.MaxInt8)...)
	if len(l.violations) > before {
		return
	}
	l.violations = append(l.violations, d.CheckBias()...)
	l.violations = append(l.violations, d.CheckAccumulator(math.MinInt8, math.MaxInt8)...)
	act := l.fused(n.Name, d.Lo, d.Hi, d.YScale, d.YZero)
	if len(l.violations) > before {
		return
	}
	x := l.x(n, 0, d.XScale, d.XZero)
	if d.Conv == nil {
		l.gemm(&d, x, act)
		return
	}
	l.conv(&d, x, act)
}

// bias appends the bias of a layer, -1 when it has none.
func (l *lowering) bias(d *target.Layer) int {
	if d.Bias == nil {
		return -1
	}
	t := tensorInfo{name: d.Node.Name + ".bias", dtype: typeInt32, shape: []int{len(d.Bias)}}
	for _, v := range d.Bias {
		t.data = appendInt32(t.data, v)
	}
	for _, sw := range d.WScale {
		t.scale = append(t.scale, d.XScale*sw)
		t.zero = append(t.zero, 0)
	}
	return l.add(t)
}

// weights appends the weights of a layer with their shape in the file and the
// axis of their scales.
func (l *lowering) weights(d *target.Layer, data []byte, axis int, shape ...int) int {
	return l.add(tensorInfo{name: d.Node.Name + ".weight", dtype: typeInt8, shape: shape, data: data,
		scale: d.WScale, zero: make([]int64, len(d.WScale)), axis: axis})
}

// gemm lowers a linear layer: to FULLY_CONNECTED on [rows, in], or to
// CONV_2D on [rows, 1, 1, in] with kernels of one element.
func (l *lowering) gemm(d *target.Layer, x, act int) {
	name := d.Node.Name
	s := d.Weights.Shape()
	in, out := d.X.Shape(), d.Y.Shape()
	rows := in[:len(in)-1].Numel()
	if !l.options.FullyConnected {
		x = l.reshaped(x, name+".rows", tensor.Shape{rows, 1, 1, s[1]})
		w := l.weights(d, d.Weights.Bytes(), 0, s[0], 1, 1, s[1])
		y := l.activation(name+".conv", tensor.Shape{rows, 1, 1, s[0]}, d.YScale, d.YZero)
		a := attributes{padding: paddingValid, activation: act, strideH: 1, strideW: 1, dilationH: 1, dilationW: 1}
		l.op(opConv2D, a, y, x, w, l.bias(d))
		l.set(d.Y, l.reshaped(y, name, out))
		return
	}
	l.warnFullyConnected(d)
	x = l.reshaped(x, name+".rows", tensor.Shape{rows, s[1]})
	w := l.weights(d, d.Weights.Bytes(), 0, s...)
	y := l.activation(name, tensor.Shape{rows, s[0]}, d.YScale, d.YZero)
	l.op(opFullyConnected, attributes{activation: act}, y, x, w, l.bias(d))
	l.set(d.Y, l.reshaped(y, name+".result", out))
}

// warnFullyConnected warns of what FULLY_CONNECTED rounds in its own way.
func (l *lowering) warnFullyConnected(d *target.Layer) {
	l.warn(d.Node.Name, "LiteRT's FULLY_CONNECTED rounds once, which moves some codes by 1; TFLite Micro and CMSIS-NN give the model's")
	if len(d.WScale) > 1 {
		return
	}
	m := quant.TFLite.NewMultiplier(d.XScale, d.WScale[0], d.YScale)
	q, shift := quant.QuantizeMultiplier(float64(d.XScale*d.WScale[0]) / float64(d.YScale))
	if q != m.Q || shift != m.Shift {
		l.warn(d.Node.Name, "one weight scale: TFLite rounds the multiplier of FULLY_CONNECTED to float32 first, which may move a code by 1")
	}
}

// conv lowers a convolution: grouped, depthwise, over images or sequences.
func (l *lowering) conv(d *target.Layer, x, act int) {
	name := d.Node.Name
	in, out, w := d.X.Shape(), d.Y.Shape(), d.Weights.Shape()
	win := d.Conv.Normal()
	if len(in) == 3 {
		in = tensor.Shape{in[0], 1, in[1], in[2]}
		out = tensor.Shape{out[0], 1, out[1], out[2]}
		w = tensor.Shape{w[0], 1, w[1], w[2]}
		win = win.Length()
		x = l.reshaped(x, name+".plane", in)
	}
	kernel := [2]int{(w[1]-1)*win.Dilation[0] + 1, (w[2]-1)*win.Dilation[1] + 1}
	p, pads, ok := place(win, [2]int{in[1], in[2]}, kernel, [2]int{out[1], out[2]})
	if !ok {
		x = l.padded(x, name+".pad", pads, nil)
	}
	a := attributes{padding: p, activation: act, strideH: win.Stride[0], strideW: win.Stride[1],
		dilationH: win.Dilation[0], dilationW: win.Dilation[1]}
	y := l.activation(name, out, d.YScale, d.YZero)
	groups := max(d.Conv.Groups, 1)
	if groups == in[3] && w[3] == 1 && groups > 1 {
		a.depthMultiplier = w[0] / in[3]
		t := l.weights(d, depthwiseWeights(d.Weights.Bytes(), w), 3, 1, w[1], w[2], w[0])
		l.op(opDepthwiseConv2D, a, y, x, t, l.bias(d))
	} else {
		t := l.weights(d, d.Weights.Bytes(), 0, w...)
		l.op(opConv2D, a, y, x, t, l.bias(d))
		if groups > 1 {
			l.operators[len(l.operators)-1].version = groupedConvVersion
		}
	}
	if len(d.Y.Shape()) == 3 {
		y = l.reshaped(y, name+".result", d.Y.Shape())
	}
	l.set(d.Y, y)
}

// groupedConvVersion is the version of CONV_2D with groups.
const groupedConvVersion = 6

// depthwiseWeights turns weights [out, kh, kw, 1] into [1, kh, kw, out].
func depthwiseWeights(w []byte, s tensor.Shape) []byte {
	out, taps := s[0], s[1]*s[2]
	t := make([]byte, len(w))
	for o := range out {
		for i := range taps {
			t[i*out+o] = w[o*taps+i]
		}
	}
	return t
}

// place returns the padding of TFLite that gives output size out for an input
// and a kernel (with dilation) of these sizes, or what must be padded first,
// before a VALID one.
func place(w backend.Window, in, kernel, out [2]int) (padding int, pads [4]int, ok bool) {
	same, valid := true, true
	for i := range 2 {
		total := max((out[i]-1)*w.Stride[i]+kernel[i]-in[i], 0)
		before := w.Pad[i]
		same = same && out[i] == (in[i]+w.Stride[i]-1)/w.Stride[i] && before == total/2
		valid = valid && before == 0 && total == 0 && out[i] == (in[i]-kernel[i])/w.Stride[i]+1
		pads[i], pads[i+2] = before, max((out[i]-1)*w.Stride[i]+kernel[i]-in[i]-before, 0)
	}
	switch {
	case valid:
		return paddingValid, pads, true
	case same:
		return paddingSame, pads, true
	}
	return paddingValid, pads, false
}

// padded appends PAD, which pads images with the zero point, or with value
// PADV2, which pads with another code.
func (l *lowering) padded(x int, name string, pads [4]int, value *int8) int {
	s := tensor.Shape(l.tensors[x].shape).Clone()
	p := l.ints32(name+".amounts", []int{4, 2}, 0, 0, pads[0], pads[2], pads[1], pads[3], 0, 0)
	s[1] += pads[0] + pads[2]
	s[2] += pads[1] + pads[3]
	y := l.like(x, name, s)
	if value == nil {
		return l.op(opPad, attributes{}, y, x, p)
	}
	v := l.like(x, name+".value", tensor.Shape{1})
	l.tensors[v].data = []byte{byte(*value)}
	return l.op(opPadV2, attributes{}, y, x, p, v)
}

// reshaped returns x in another shape, by RESHAPE. The first dimension is left
// open where it is that of the input, so that runtimes can change the batch.
// A chain of reshapes becomes one.
func (l *lowering) reshaped(x int, name string, shape tensor.Shape) int {
	for source := l.reshapedFrom(x); source >= 0; source = l.reshapedFrom(x) {
		x = source
	}
	from := tensor.Shape(l.tensors[x].shape)
	if from.Equal(shape) {
		return x
	}
	dims := shape.Clone()
	if len(dims) > 0 && len(from) > 0 && dims[0] == from[0] {
		dims[0] = -1
	}
	t := l.ints32(name+".shape", []int{len(dims)}, dims...)
	return l.op(opReshape, attributes{dims: dims}, l.like(x, name, shape), x, t)
}

// reshapedFrom returns the tensor that x is a reshape of, -1 if it is none.
func (l *lowering) reshapedFrom(x int) int {
	for i := len(l.operators) - 1; i >= 0; i-- {
		if o := &l.operators[i]; o.out[0] == x {
			if o.code == opReshape {
				return o.in[0]
			}
			return -1
		}
	}
	return -1
}

// prune drops operators whose results nothing uses and tensors that no
// operator has.
func (m *model) prune() {
	used := make([]bool, len(m.tensors))
	for _, list := range [][]int{m.inputs, m.outputs} {
		for _, i := range list {
			used[i] = true
		}
	}
	var kept []operator
	for _, o := range slices.Backward(m.operators) {
		if !used[o.out[0]] {
			continue
		}
		for _, i := range o.in {
			if i >= 0 {
				used[i] = true
			}
		}
		kept = append(kept, o)
	}
	slices.Reverse(kept)
	m.operators = kept
	number := make([]int, len(m.tensors))
	var tensors []tensorInfo
	for i, t := range m.tensors {
		number[i] = len(tensors)
		if used[i] {
			tensors = append(tensors, t)
		}
	}
	m.tensors = tensors
	renumber := func(list []int) {
		for k, i := range list {
			if i >= 0 {
				list[k] = number[i]
			}
		}
	}
	renumber(m.inputs)
	renumber(m.outputs)
	for i := range m.operators {
		renumber(m.operators[i].in)
		renumber(m.operators[i].out)
	}
}
