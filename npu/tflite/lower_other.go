package tflite

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

// The ranks up to which kernels work.
const (
	maxRank          = 5
	maxBroadcastRank = 4
)

// pair lowers additions, subtractions and products.
func (l *lowering) pair(n *graph.Node) {
	var code int
	var scheme quant.Scheme
	var lo, hi float32
	switch o := n.Op.(type) {
	case backend.QLinearAdd:
		code, scheme, lo, hi = opAdd, o.Scheme, o.Lo, o.Hi
	case backend.QLinearSub:
		code, scheme, lo, hi = opSub, o.Scheme, o.Lo, o.Hi
	case backend.QLinearMul:
		code, scheme, lo, hi = opMul, o.Scheme, o.Lo, o.Hi
	}
	before := len(l.violations)
	l.scheme(n.Name, scheme)
	sa, za := l.params(n, 1)
	sb, zb := l.params(n, 4)
	sy, zy := l.params(n, 6)
	if !n.In[0].Shape().Equal(n.In[3].Shape()) && len(n.Out[0].Shape()) > maxBroadcastRank {
		l.fatal(n.Name, "operands %v and %v broadcast over more than %d dimensions", n.In[0].Shape(), n.In[3].Shape(), maxBroadcastRank)
	}
	if len(l.violations) > before {
		return
	}
	clo, chi := target.CodeBounds(quant.TFLite, scheme, lo, hi, sy, zy)
	act := l.fused(n.Name, clo, chi, sy, zy)
	a, b := l.x(n, 0, sa, za), l.x(n, 3, sb, zb)
	if len(l.violations) > before {
		return
	}
	if code == opMul {
		l.checkProduct(n.Name, params{sa, za}, params{sb, zb}, params{sy, zy})
	}
	y := l.activation(n.Name, n.Out[0].Shape(), sy, zy)
	l.set(n.Out[0], l.op(code, attributes{activation: act}, y, a, b))
}

// checkProduct warns when LiteRT, which makes the multiplier of MUL from
// float32 scales, gives other codes than TFLite Micro and the rule, which
// make it from float64.
func (l *lowering) checkProduct(node string, a, b, y params) {
	m, f := quant.TFLite.NewMultiplier(a.scale, b.scale, y.scale), liteRTProduct(a.scale, b.scale, y.scale)
	differ := 0
	for ca := int32(math.MinInt8); ca <= math.MaxInt8; ca++ {
		for cb := int32(math.MinInt8); cb <= math.MaxInt8; cb++ {
			p := (ca - a.zero) * (cb - b.zero)
			ours, _ := quant.TFLite.Requantize(p, m, y.zero, math.MinInt8, math.MaxInt8)
			theirs, _ := quant.TFLite.Requantize(p, f, y.zero, math.MinInt8, math.MaxInt8)
			if ours != theirs {
				differ++
			}
		}
	}
	if differ > 0 {
		l.warn(node, "LiteRT rounds the multiplier of MUL to float32, which moves the result of %d of 65536 pairs of codes by 1; TFLite Micro gives the model's", differ)
	}
}

// liteRTProduct is the multiplier of LiteRT's MUL.
func liteRTProduct(sa, sb, sy float32) quant.Multiplier {
	q, shift := quant.QuantizeMultiplier(float64(float32(sa*sb) / sy))
	return quant.Multiplier{Q: q, Shift: shift}
}

// requantize lowers to QUANTIZE from int8 to int8.
func (l *lowering) requantize(n *graph.Node) {
	o := n.Op.(backend.Requantize)
	before := len(l.violations)
	l.full(n.Name, o.Scheme)
	l.scheme(n.Name, o.In)
	sx, zx := l.params(n, 1)
	sy, zy := l.params(n, 3)
	if len(l.violations) > before {
		return
	}
	y := l.activation(n.Name, n.Out[0].Shape(), sy, zy)
	l.set(n.Out[0], l.op(opQuantize, attributes{}, y, l.x(n, 0, sx, zx)))
}

// plane returns x as an image [n, h, w, c]; sequences become images of height
// 1.
func (l *lowering) plane(x int, name string) (int, tensor.Shape) {
	s := tensor.Shape(l.tensors[x].shape)
	if len(s) == 3 {
		s = tensor.Shape{s[0], 1, s[1], s[2]}
		x = l.reshaped(x, name+".plane", s)
	}
	return x, s
}

// pool appends a pooling and gives n the result.
func (l *lowering) pool(n *graph.Node, code, x int, s tensor.Shape, a attributes, out [2]int) {
	y := l.like(x, n.Name, tensor.Shape{s[0], out[0], out[1], s[3]})
	l.op(code, a, y, x)
	if shape := n.Out[0].Shape(); len(shape) != 4 {
		y = l.reshaped(y, n.Name+".result", shape)
	}
	l.set(n.Out[0], y)
}

// window returns kernel and window of a pooling as for an image, and height
// and width of the result.
func window(n *graph.Node, w backend.Window, kernel [2]int) (backend.Window, [2]int, [2]int) {
	w = w.Normal()
	out := n.Out[0].Shape()
	if len(out) == 3 {
		return w.Length(), [2]int{1, kernel[1]}, [2]int{1, out[1]}
	}
	return w, kernel, [2]int{out[1], out[2]}
}

func (l *lowering) maxPool(n *graph.Node) {
	o := n.Op.(backend.MaxPool)
	x, s := l.plane(l.codes(n, 0), n.Name)
	w, k, out := window(n, o.Window, o.Kernel)
	if w.Dilation != [2]int{1, 1} {
		l.fatal(n.Name, "a pooling with dilation %v", w.Dilation)
		return
	}
	p, pads, ok := place(w, [2]int{s[1], s[2]}, k, out)
	if !ok {
		lowest := int8(math.MinInt8)
		x = l.padded(x, n.Name+".pad", pads, &lowest)
	}
	l.pool(n, opMaxPool2D, x, s, poolOptions(p, w, k), out)
}

func poolOptions(p int, w backend.Window, k [2]int) attributes {
	return attributes{padding: p, strideH: w.Stride[0], strideW: w.Stride[1], filterH: k[0], filterW: k[1]}
}

func (l *lowering) averagePool(n *graph.Node) {
	o := n.Op.(backend.QLinearAveragePool)
	l.scheme(n.Name, o.Scheme)
	x, s := l.plane(l.codes(n, 0), n.Name)
	w, k, out := window(n, o.Window, o.Kernel)
	if w.Dilation != [2]int{1, 1} {
		l.fatal(n.Name, "a pooling with dilation %v", w.Dilation)
		return
	}
	p, pads, ok := place(w, [2]int{s[1], s[2]}, k, out)
	if o.CountPad && (!ok || p == paddingSame) {
		// Padding that counts is padding by the zero point, unless the last
		// window reaches beyond it, where it does not count.
		if pads[2] > w.Pad[2] || pads[3] > w.Pad[3] {
			l.fatal(n.Name, "the last window of the average pool reaches beyond the padding")
			return
		}
		p, ok = paddingValid, true
		if pads != [4]int{} {
			x = l.padded(x, n.Name+".pad", pads, nil)
		}
	}
	if !ok {
		l.fatal(n.Name, "an average pool with padding %v that is neither SAME nor VALID and does not count", w.Pad)
		return
	}
	l.pool(n, opAveragePool2D, x, s, poolOptions(p, w, k), out)
}

func (l *lowering) globalAveragePool(n *graph.Node) {
	l.scheme(n.Name, n.Op.(backend.QLinearGlobalAveragePool).Scheme)
	x := l.codes(n, 0)
	if r := len(l.tensors[x].shape); r != 3 && r != 4 {
		l.fatal(n.Name, "a global average pool of %v", tensor.Shape(l.tensors[x].shape))
		return
	}
	x, s := l.plane(x, n.Name)
	k := [2]int{s[1], s[2]}
	l.pool(n, opAveragePool2D, x, s, poolOptions(paddingValid, backend.Window{Stride: k}, k), [2]int{1, 1})
}

func (l *lowering) reshape(n *graph.Node) {
	l.set(n.Out[0], l.reshaped(l.codes(n, 0), n.Name, n.Out[0].Shape()))
}

// keeps appends an operator whose result has the parameters of its input x
// and the shape of n's.
func (l *lowering) keeps(n *graph.Node, code int, a attributes, in ...int) {
	if r := len(n.In[0].Shape()); r > maxRank {
		l.fatal(n.Name, "%s of %d dimensions, at most %d work", opName(code), r, maxRank)
		return
	}
	l.set(n.Out[0], l.op(code, a, l.like(in[0], n.Name, n.Out[0].Shape()), in...))
}

func (l *lowering) transpose(n *graph.Node) {
	perm := n.Op.(backend.Transpose).Perm.Slice()
	l.keeps(n, opTranspose, attributes{}, l.codes(n, 0), l.ints32(n.Name+".perm", []int{len(perm)}, perm...))
}

// pad lowers padding with a constant code.
func (l *lowering) pad(n *graph.Node) {
	o := n.Op.(backend.Pad)
	x := l.codes(n, 0)
	if o.Mode != backend.PadConstant {
		l.fatal(n.Name, "padding that mirrors or repeats the border")
		return
	}
	value := int32(o.Value)
	if len(n.In) > 1 && !n.In[1].Absent() {
		c := n.In[1].Init()
		if c == nil {
			l.fatal(n.Name, "the padding value is computed")
			return
		}
		value = int32(c.At(0))
	}
	var amounts []int
	for i := range o.Before.N {
		amounts = append(amounts, o.Before.V[i], o.After.V[i])
	}
	p := l.ints32(n.Name+".amounts", []int{o.Before.N, 2}, amounts...)
	if int64(value) == l.tensors[x].zero[0] {
		l.keeps(n, opPad, attributes{}, x, p)
		return
	}
	v := l.like(x, n.Name+".value", tensor.Shape{1})
	l.tensors[v].data = []byte{byte(int8(value))}
	l.keeps(n, opPadV2, attributes{}, x, p, v)
}

// slice lowers to SLICE, with steps to STRIDED_SLICE.
func (l *lowering) slice(n *graph.Node) {
	x := l.codes(n, 0)
	in := n.In[0].Shape()
	ranges, err := n.Op.(backend.Slice).Ranges(in)
	if err != nil {
		l.fatal(n.Name, "%v", err)
		return
	}
	r := []int{len(in)}
	var begin, size, end, step []int
	mask, plain := 0, true
	for i, g := range ranges {
		plain = plain && g.Step == 1
		begin, step = append(begin, g.Start), append(step, g.Step)
		if g.Step == 1 && g.Start+g.Count == in[i] {
			size = append(size, -1) // To the end, whatever the batch.
		} else {
			size = append(size, g.Count)
		}
		e := g.Start + g.Count*g.Step
		if e < 0 || e >= in[i] {
			mask |= 1 << i
			e = 0
		}
		end = append(end, e)
	}
	if plain {
		l.keeps(n, opSlice, attributes{}, x, l.ints32(n.Name+".begin", r, begin...), l.ints32(n.Name+".size", r, size...))
		return
	}
	l.keeps(n, opStridedSlice, attributes{endMask: mask}, x, l.ints32(n.Name+".begin", r, begin...),
		l.ints32(n.Name+".end", r, end...), l.ints32(n.Name+".step", r, step...))
}

// concat joins tensors, all of which must have the same parameters.
func (l *lowering) concat(n *graph.Node) {
	axis := n.Op.(backend.Concat).Axis
	if axis < 0 {
		axis += len(n.Out[0].Shape())
	}
	var in []int
	for i := range n.In {
		x := l.codes(n, i)
		if t, f := l.tensors[x], l.tensors[l.codes(n, 0)]; !l.bad[x] && (t.scale[0] != f.scale[0] || t.zero[0] != f.zero[0]) {
			l.fatal(n.Name, "input %d has scale %v and zero point %d, input 0 %v and %d", i, t.scale[0], t.zero[0], f.scale[0], f.zero[0])
			return
		}
		in = append(in, x)
	}
	l.keeps(n, opConcatenation, attributes{axis: axis}, in...)
}
