package tflite

import (
	"math"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// pair rebuilds ADD, SUB and MUL.
func (r *rebuild) pair(o *operator) graph.Value {
	if len(o.in) != 2 || o.in[1] < 0 {
		return r.fault("%d inputs, want 2", len(o.in))
	}
	a, b := r.value(o.in[0]), r.value(o.in[1])
	lo, hi, ok := r.bounds(o)
	if !ok || a.Absent() || b.Absent() {
		return graph.Value{}
	}
	name := r.tensors[o.out[0]].name
	if a.DType() == tensor.F32 && b.DType() == tensor.F32 {
		var op backend.Op = backend.Add{}
		switch o.code {
		case opSub:
			op = backend.Sub{}
		case opMul:
			op = backend.Mul{}
		}
		return r.activated(r.apply(name, op, a, b), o)
	}
	qa, qb, qy := r.quantization(o.in[0]), r.quantization(o.in[1]), r.quantization(o.out[0])
	if qa == nil || qb == nil || qy == nil {
		return graph.Value{}
	}
	var op backend.Op
	switch o.code {
	case opAdd:
		op = backend.QLinearAdd{Rule: quant.TFLite, Scheme: qy.scheme, Lo: lo, Hi: hi}
	case opSub:
		op = backend.QLinearSub{Rule: quant.TFLite, Scheme: qy.scheme, Lo: lo, Hi: hi}
	default:
		op = backend.QLinearMul{Rule: quant.TFLite, Scheme: qy.scheme, Lo: lo, Hi: hi}
	}
	return r.apply(name, op, a, qa.scale, qa.zero, b, qb.scale, qb.zero, qy.scale, qy.zero)
}

// pool rebuilds AVERAGE_POOL_2D and MAX_POOL_2D.
func (r *rebuild) pool(o *operator) graph.Value {
	x := r.value(o.in[0])
	if x.Absent() {
		return x
	}
	if len(x.Shape()) != 4 {
		return r.fault("input %v, want 4 dimensions", x.Shape())
	}
	k := [2]int{o.filterH, o.filterW}
	w, ok := r.window(o, x.Shape(), k)
	if !ok {
		return graph.Value{}
	}
	name := r.tensors[o.out[0]].name
	if x.DType() == tensor.F32 {
		if o.code == opMaxPool2D {
			return r.activated(r.apply(name, backend.MaxPool{Window: w, Kernel: k}, x), o)
		}
		return r.activated(r.apply(name, backend.AveragePool{Window: w, Kernel: k}, x), o)
	}
	q := r.same(o.in[0], o.out[0])
	if q == nil {
		return graph.Value{}
	}
	var y graph.Value
	if o.code == opMaxPool2D {
		y = r.apply(name, backend.MaxPool{Window: w, Kernel: k}, x)
	} else {
		op := backend.QLinearAveragePool{AveragePool: backend.AveragePool{Window: w, Kernel: k}, Rule: quant.TFLite, Scheme: q.scheme}
		y = r.apply(name, op, x, q.zero)
	}
	return r.clamped(y, q, o)
}

// clamped applies a fused activation to codes that keep their parameters.
func (r *rebuild) clamped(y graph.Value, q *quantization, o *operator) graph.Value {
	if o.activation == actNone || y.Absent() {
		return y
	}
	if _, _, ok := r.bounds(o); !ok {
		return graph.Value{}
	}
	if !q.scheme.Signed {
		return r.unsupported("a fused activation on uint8")
	}
	lo, hi := activationCodes(o.activation, q.params.scale, q.params.zero)
	return r.lookup(y, fill(func(code int32) int32 { return min(max(code, lo), hi) }))
}

// lookup runs a table on int8 codes. The index of the table is the code
// itself: negative ones count from the end.
func (r *rebuild) lookup(x graph.Value, t codeTable) graph.Value {
	table := r.g.Const("table", tensor.FromI8(t[:], len(t)))
	return r.apply("", backend.Gather{}, table, r.apply("", backend.Cast{To: tensor.I32}, x))
}

// moves checks that an operation which only moves elements has equal
// parameters on both sides.
func (r *rebuild) moves(o *operator) bool {
	return !r.coded(o.in[0]) && !r.coded(o.out[0]) || r.same(o.in[0], o.out[0]) != nil
}

// reshape rebuilds RESHAPE, SQUEEZE and EXPAND_DIMS: the file has the shape of
// the result.
func (r *rebuild) reshape(o *operator) graph.Value {
	x := r.value(o.in[0])
	to, ok := r.shape(o.out[0])
	if x.Absent() || !ok || !r.moves(o) {
		return graph.Value{}
	}
	dims := to.Clone()
	if len(dims) > 0 && len(x.Shape()) > 0 && dims[0] == x.Shape()[0] {
		dims[0] = 0 // Copied: the batch.
	}
	return r.apply(r.tensors[o.out[0]].name, backend.Reshape{Shape: tensor.NewDims(dims...)}, x)
}

// concat rebuilds CONCATENATION.
func (r *rebuild) concat(o *operator) graph.Value {
	var in []graph.Value
	coded := false
	for _, i := range o.in {
		if i < 0 {
			return r.fault("an input is absent")
		}
		v := r.value(i)
		if v.Absent() {
			return v
		}
		coded = coded || v.DType() != tensor.F32
		in = append(in, v)
	}
	y := r.apply(r.tensors[o.out[0]].name, backend.Concat{Axis: o.axis}, in...)
	if !coded {
		return r.activated(y, o)
	}
	q := r.same(append(slices.Clone(o.in), o.out[0])...)
	if q == nil {
		return graph.Value{}
	}
	return r.clamped(y, q, o)
}

// pad rebuilds PAD and PADV2.
func (r *rebuild) pad(o *operator) graph.Value {
	x := r.value(o.in[0])
	amounts, ok := r.ints(o, 1)
	if x.Absent() || !ok || !r.moves(o) {
		return graph.Value{}
	}
	rank := len(x.Shape())
	if len(amounts) != 2*rank || rank > tensor.MaxRank {
		return r.fault("%d amounts for %d dimensions", len(amounts), rank)
	}
	var p backend.Pad
	p.Before.N, p.After.N = rank, rank
	for i := range rank {
		p.Before.V[i], p.After.V[i] = amounts[2*i], amounts[2*i+1]
	}
	in := []graph.Value{x}
	if r.coded(o.in[0]) {
		in = append(in, r.quantization(o.in[0]).zero)
	}
	if o.code == opPadV2 {
		if len(o.in) < 3 || o.in[2] < 0 || r.tensors[o.in[2]].data == nil {
			return r.unsupported("a padding value that is not a constant")
		}
		c := r.value(o.in[2])
		if c.Absent() {
			return c
		}
		if c.Spec().Numel() != 1 || c.DType() != x.DType() {
			return r.fault("padding value %v for %v", c.Spec(), x.Spec())
		}
		if x.DType() == tensor.F32 {
			in = append(in[:1], c)
		} else {
			in = append(in[:1], r.g.Const("value", tensor.FromI32([]int32{int32(c.Init().At(0))}, 1)))
		}
	}
	return r.apply(r.tensors[o.out[0]].name, p, in...)
}

func (r *rebuild) transpose(o *operator) graph.Value {
	x := r.value(o.in[0])
	perm, ok := r.ints(o, 1)
	if x.Absent() || !ok || !r.moves(o) {
		return graph.Value{}
	}
	if len(perm) != len(x.Shape()) || len(perm) > tensor.MaxRank {
		return r.fault("permutation %v of %v", perm, x.Shape())
	}
	return r.apply(r.tensors[o.out[0]].name, backend.Transpose{Perm: tensor.NewDims(perm...)}, x)
}

// slice rebuilds SLICE; a size of -1 goes to the end.
func (r *rebuild) slice(o *operator) graph.Value {
	x := r.value(o.in[0])
	begin, ok := r.ints(o, 1)
	if !ok || x.Absent() {
		return graph.Value{}
	}
	size, ok := r.ints(o, 2)
	if !ok || !r.moves(o) {
		return graph.Value{}
	}
	s := x.Shape()
	if len(begin) != len(s) || len(size) != len(s) || len(s) > tensor.MaxRank {
		return r.fault("begin %v and size %v for %v", begin, size, s)
	}
	end := make([]int, len(s))
	for i, b := range begin {
		if b < 0 || b > s[i] || size[i] < -1 || size[i] > s[i]-b {
			return r.fault("begin %v and size %v for %v", begin, size, s)
		}
		end[i] = b + size[i]
		if size[i] == -1 || end[i] == s[i] {
			end[i] = math.MaxInt32
		}
	}
	return r.apply(r.tensors[o.out[0]].name, backend.Slice{Starts: tensor.NewDims(begin...), Ends: tensor.NewDims(end...)}, x)
}

func (r *rebuild) stridedSlice(o *operator) graph.Value {
	x := r.value(o.in[0])
	if x.Absent() {
		return x
	}
	var args [3][]int
	for i := range args {
		var ok bool
		if args[i], ok = r.ints(o, i+1); !ok {
			return graph.Value{}
		}
	}
	if !r.moves(o) {
		return graph.Value{}
	}
	begin, end, step := args[0], args[1], args[2]
	s := x.Shape()
	if len(begin) != len(s) || len(end) != len(s) || len(step) != len(s) || len(s) > tensor.MaxRank {
		return r.fault("begin %v, end %v and step %v for %v", begin, end, step, s)
	}
	if o.ellipsisMask != 0 || o.newAxisMask != 0 {
		return r.unsupported("ellipsis and new axes")
	}
	for i, d := range s {
		if o.shrinkMask&(1<<i) != 0 {
			b := begin[i]
			if o.beginMask&(1<<i) != 0 {
				b = 0
			}
			if b < 0 {
				b += d
			}
			if b < 0 || b >= d {
				return r.fault("index %d of %d", begin[i], d)
			}
			begin[i], end[i], step[i] = b, b+1, 1
			continue
		}
		last := step[i] > 0 && (o.endMask&(1<<i) != 0 || end[i] == d)
		if o.beginMask&(1<<i) != 0 {
			begin[i] = 0
			if step[i] < 0 {
				begin[i] = math.MaxInt32
			}
		}
		if last {
			end[i] = math.MaxInt32
		} else if o.endMask&(1<<i) != 0 {
			end[i] = math.MinInt32
		}
	}
	y := r.apply("", backend.Slice{Starts: tensor.NewDims(begin...), Ends: tensor.NewDims(end...), Steps: tensor.NewDims(step...)}, x)
	if o.shrinkMask == 0 || y.Absent() {
		return y
	}
	var dims []int
	for i, d := range y.Shape() {
		switch {
		case o.shrinkMask&(1<<i) != 0:
		case i == 0:
			dims = append(dims, 0)
		default:
			dims = append(dims, d)
		}
	}
	return r.apply("", backend.Reshape{Shape: tensor.NewDims(dims...)}, y)
}

// quantize rebuilds QUANTIZE, from floats and from other codes.
func (r *rebuild) quantize(o *operator) graph.Value {
	x := r.value(o.in[0])
	if x.Absent() {
		return x
	}
	if x.DType() == tensor.F32 {
		if !r.coded(o.out[0]) {
			return r.unsupported("a result of type %d", r.tensors[o.out[0]].dtype)
		}
		return r.quantized(x, o.out[0])
	}
	qx, qy := r.quantization(o.in[0]), r.quantization(o.out[0])
	if qx == nil || qy == nil {
		return graph.Value{}
	}
	op := backend.Requantize{Rule: quant.TFLite, In: qx.scheme, Scheme: qy.scheme}
	return r.apply(r.tensors[o.out[0]].name, op, x, qx.scale, qx.zero, qy.scale, qy.zero)
}

func (r *rebuild) dequantize(o *operator) graph.Value { return r.float(o.in[0]) }

// softmax rebuilds SOFTMAX, in float.
func (r *rebuild) softmax(o *operator) graph.Value {
	x := r.float(o.in[0])
	if x.Absent() {
		return x
	}
	if !(o.beta > 0) || math.IsInf(float64(o.beta), 0) {
		return r.fault("beta %v", o.beta)
	}
	if o.beta != 1 {
		x = r.apply("", backend.Mul{}, x, r.g.Scalar(tensor.F32, float64(o.beta)))
	}
	return r.quantized(r.apply("", backend.Softmax{Axis: -1}, x), o.out[0])
}

// mean rebuilds MEAN, in float.
func (r *rebuild) mean(o *operator) graph.Value {
	x := r.float(o.in[0])
	axes, ok := r.ints(o, 1)
	if x.Absent() || !ok {
		return graph.Value{}
	}
	if len(axes) == 0 || len(axes) > tensor.MaxRank {
		return r.fault("%d axes", len(axes))
	}
	op := backend.Reduce{Kind: backend.ReduceMean, Axes: tensor.NewDims(axes...), KeepDims: o.keepDims != 0}
	return r.quantized(r.apply("", op, x), o.out[0])
}

// unary rebuilds functions of one number; on int8 they are the tables that
// the reference kernels compute.
func (r *rebuild) unary(o *operator) graph.Value {
	x := r.value(o.in[0])
	if x.Absent() {
		return x
	}
	if x.DType() == tensor.F32 {
		lo, hi := unaryBounds(o.code)
		ops := map[int]backend.Op{opRelu: backend.Relu{}, opRelu6: backend.Clip{Lo: lo, Hi: hi}, opReluN1To1: backend.Clip{Lo: lo, Hi: hi},
			opLogistic: backend.Sigmoid{}, opTanh: backend.Tanh{}, opHardSwish: backend.HardSwish{}, opLeakyRelu: backend.LeakyRelu{Alpha: o.alpha}}
		return r.apply(r.tensors[o.out[0]].name, ops[o.code], x)
	}
	qx, qy := r.quantization(o.in[0]), r.quantization(o.out[0])
	if qx == nil || qy == nil {
		return graph.Value{}
	}
	if !qx.scheme.Signed || !qy.scheme.Signed {
		return r.unsupported("on uint8")
	}
	var t codeTable
	switch o.code {
	case opLogistic:
		if qy.params != (params{1.0 / 256, -128}) {
			return r.fault("a result of scale %v and zero point %d", qy.params.scale, qy.params.zero)
		}
		t = logisticTable(qx.params)
	case opTanh:
		if qy.params != (params{1.0 / 128, 0}) {
			return r.fault("a result of scale %v and zero point %d", qy.params.scale, qy.params.zero)
		}
		t = tanhTable(qx.params)
	case opHardSwish:
		t = hardSwishTable(qx.params, qy.params)
	case opLeakyRelu:
		t = leakyReluTable(qx.params, qy.params, o.alpha)
	default:
		act := map[int]int{opRelu: actRelu, opRelu6: actRelu6, opReluN1To1: actReluN1}[o.code]
		lo, hi := activationCodes(act, qy.params.scale, qy.params.zero)
		t = clampTable(qx.params, qy.params, lo, hi)
	}
	return r.lookup(x, t)
}

// unaryBounds returns the bounds of RELU6 and RELU_N1_TO_1.
func unaryBounds(code int) (lo, hi float32) {
	if code == opRelu6 {
		return activationBounds(actRelu6)
	}
	return activationBounds(actReluN1)
}
