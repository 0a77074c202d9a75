package tflite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Read returns the graph of a TFLite file. Quantized models become integer
// operations under quant.TFLite between quantize_linear and
// dequantize_linear, so that inputs and outputs are float32; float models
// become float operations, and int8 weights under float activations are
// dequantized. The batch of the graph may be changed where the
// file's shapes allow it.
//
// Results are those of TFLite Micro's reference kernels bit for bit, but for
// int8 SOFTMAX and MEAN, which are computed in float and may differ by one
// code. LiteRT's own reference kernels agree, except that FULLY_CONNECTED
// rounds once there.
//
// A file that breaks a rule gives a [FormatError], one that holds what goqat
// has no operation for an [UnsupportedError]. Neither costs more memory than
// a small multiple of the file's size.
func Read(b []byte) (*graph.Graph, error) {
	m, err := decode(b)
	if err != nil {
		return nil, err
	}
	r := &rebuild{model: m, g: graph.New(), values: make([]graph.Value, len(m.tensors)), budget: 8*len(b) + 1<<20}
	r.run()
	err = r.g.Err()
	var f *FormatError
	var u *UnsupportedError
	switch {
	case err == nil:
		return r.g, nil
	case errors.As(err, &f), errors.As(err, &u):
		return nil, err
	}
	return nil, fmt.Errorf("tflite: %s%w", r.where(), err)
}

// rebuild turns the tables of a file into a graph. Faults go to the graph,
// whose first error sticks.
type rebuild struct {
	*model
	g      *graph.Graph
	values []graph.Value // by tensor: codes of quantized ones, else floats
	params []*quantization
	at     int // the operator under way
	budget int
}

// quantization has the parameters of an activation as constants.
type quantization struct {
	params
	scale, zero graph.Value
	scheme      quant.Scheme
}

var rebuilds = map[int]func(r *rebuild, o *operator) graph.Value{
	opConv2D:          (*rebuild).conv,
	opDepthwiseConv2D: (*rebuild).conv,
	opFullyConnected:  (*rebuild).fullyConnected,
	opAdd:             (*rebuild).pair,
	opSub:             (*rebuild).pair,
	opMul:             (*rebuild).pair,
	opAveragePool2D:   (*rebuild).pool,
	opMaxPool2D:       (*rebuild).pool,
	opReshape:         (*rebuild).reshape,
	opSqueeze:         (*rebuild).reshape,
	opExpandDims:      (*rebuild).reshape,
	opConcatenation:   (*rebuild).concat,
	opPad:             (*rebuild).pad,
	opPadV2:           (*rebuild).pad,
	opTranspose:       (*rebuild).transpose,
	opSlice:           (*rebuild).slice,
	opStridedSlice:    (*rebuild).stridedSlice,
	opQuantize:        (*rebuild).quantize,
	opDequantize:      (*rebuild).dequantize,
	opSoftmax:         (*rebuild).softmax,
	opMean:            (*rebuild).mean,
	opRelu:            (*rebuild).unary,
	opRelu6:           (*rebuild).unary,
	opReluN1To1:       (*rebuild).unary,
	opLogistic:        (*rebuild).unary,
	opTanh:            (*rebuild).unary,
	opHardSwish:       (*rebuild).unary,
	opLeakyRelu:       (*rebuild).unary,
}

func (r *rebuild) run() {
	r.params = make([]*quantization, len(r.tensors))
	r.at = -1
	used := map[string]bool{}
	for n, i := range r.inputs {
		r.input(i, unusedName(used, r.tensors[i].name, "input", n))
	}
	for n := range r.operators {
		if r.g.Err() != nil {
			return
		}
		o := &r.operators[n]
		r.at = n
		if r.shapeArithmetic(o) {
			continue
		}
		f := rebuilds[o.code]
		if f == nil {
			r.unsupported("")
			return
		}
		if len(o.out) != 1 || len(o.in) == 0 || o.in[0] < 0 {
			r.fault("%d inputs and %d outputs", len(o.in), len(o.out))
			return
		}
		v := f(r, o)
		if r.g.Err() == nil {
			r.set(o.out[0], v)
		}
	}
	r.at = -1
	clear(used)
	for n, i := range r.outputs {
		v := r.float(i)
		if r.g.Err() == nil {
			r.g.Output(unusedName(used, r.tensors[i].name, "output", n), v)
		}
	}
}

// shapeArithmetic reports whether o computes integers from shapes, as
// converters do before RESHAPE for the sake of the batch. Nothing is made of
// them: RESHAPE takes the shape of its result in the file, and other users
// find no value.
func (r *rebuild) shapeArithmetic(o *operator) bool {
	switch o.code {
	case opShape, opPack, opStridedSlice, opSlice, opConcatenation:
		return len(o.out) == 1 && (r.tensors[o.out[0]].dtype == typeInt32 || r.tensors[o.out[0]].dtype == typeInt64)
	}
	return false
}

// unusedName returns name, or a name made from kind and number where it is
// empty or taken.
func unusedName(used map[string]bool, name, kind string, n int) string {
	if name == "" {
		name = kind + strconv.Itoa(n)
	}
	for used[name] {
		name += "_" + strconv.Itoa(n)
	}
	used[name] = true
	return name
}

// fault records that the operator under way breaks a rule.
func (r *rebuild) fault(format string, args ...any) graph.Value {
	return r.g.Fail(&FormatError{-1, r.where() + fmt.Sprintf(format, args...)})
}

func (r *rebuild) where() string {
	if r.at < 0 {
		return ""
	}
	return "operator " + strconv.Itoa(r.at) + ", " + opName(r.operators[r.at].code) + ": "
}

// unsupported records that goqat has nothing for the operator under way.
func (r *rebuild) unsupported(format string, args ...any) graph.Value {
	name := "tensor"
	if r.at >= 0 {
		name = opName(r.operators[r.at].code)
	}
	return r.g.Fail(&UnsupportedError{r.at, name, fmt.Sprintf(format, args...)})
}

// shape returns the dimensions of a tensor of the file.
func (r *rebuild) shape(i int) (tensor.Shape, bool) {
	s := tensor.Shape(r.tensors[i].shape)
	for _, d := range s {
		if d < 1 || d > math.MaxInt32 {
			r.fault("tensor %d has dimensions %v", i, s)
			return nil, false
		}
	}
	if err := s.Check(); err != nil {
		r.fault("tensor %d: %v", i, err)
		return nil, false
	}
	return s, true
}

// input adds an input of the graph: float32, quantized if the file's is.
func (r *rebuild) input(i int, name string) {
	s, ok := r.shape(i)
	if !ok {
		return
	}
	t := &r.tensors[i]
	switch {
	case t.dtype == typeFloat32:
		r.values[i] = r.g.Input(name, tensor.Spec{DType: tensor.F32, Shape: s.Clone()})
	case r.coded(i):
		q := r.quantization(i)
		x := r.g.Input(name, tensor.Spec{DType: tensor.F32, Shape: s.Clone()})
		if q != nil {
			v := r.apply(name+".quantize", backend.QuantizeLinear{Rule: quant.TFLite, Scheme: q.scheme}, x, q.scale, q.zero)
			r.set(i, v)
		}
	default:
		r.unsupported("input %s of type %d", name, t.dtype)
	}
}

// apply appends an operation and returns its first output.
func (r *rebuild) apply(name string, op backend.Op, in ...graph.Value) graph.Value {
	out := r.g.ApplyNamed(name, op, in...)
	if len(out) == 0 {
		return graph.Value{}
	}
	return out[0]
}

// set makes v the value of tensor i, whose type and shape must agree.
func (r *rebuild) set(i int, v graph.Value) {
	if r.g.Err() != nil || v.Absent() {
		return
	}
	s, ok := r.shape(i)
	if !ok {
		return
	}
	want := tensor.F32
	if r.coded(i) {
		q := r.quantization(i)
		if q == nil {
			return
		}
		want = q.scheme.DType()
		r.g.SetCodes(graph.Codes{Value: v, Scale: q.scale, Zero: q.zero, Scheme: q.scheme, Rule: quant.TFLite})
	} else if r.tensors[i].dtype != typeFloat32 {
		r.unsupported("a result of type %d", r.tensors[i].dtype)
		return
	}
	if v.DType() != want || !v.Shape().Equal(s) {
		r.fault("the result is %v, the file says %v%v", v.Spec(), want, s)
		return
	}
	r.values[i] = v
}

// coded reports whether tensor i has quantized codes of 8 bits.
func (r *rebuild) coded(i int) bool {
	d := r.tensors[i].dtype
	return (d == typeInt8 || d == typeUInt8) && len(r.tensors[i].scale) > 0
}

// quantization returns scale and zero point of tensor i, nil after a fault.
func (r *rebuild) quantization(i int) *quantization {
	if r.params[i] != nil {
		return r.params[i]
	}
	t := &r.tensors[i]
	q := &quantization{scheme: quant.Int8()}
	if t.dtype == typeUInt8 {
		q.scheme = quant.UInt8()
	}
	lo, hi := q.scheme.Range()
	switch {
	case !r.coded(i):
		r.unsupported("tensor %s is not quantized to 8 bits", t.name)
		return nil
	case len(t.scale) != 1 || len(t.zero) > 1:
		r.fault("tensor %s has %d scales and %d zero points, want one", t.name, len(t.scale), len(t.zero))
		return nil
	case !normal(t.scale[0]):
		r.fault("tensor %s has scale %v", t.name, t.scale[0])
		return nil
	case len(t.zero) == 1 && (t.zero[0] < int64(lo) || t.zero[0] > int64(hi)):
		r.fault("tensor %s has zero point %d", t.name, t.zero[0])
		return nil
	}
	q.params.scale = t.scale[0]
	if len(t.zero) == 1 {
		q.params.zero = int32(t.zero[0])
	}
	q.scale = r.g.Const(t.name+".scale", tensor.FromF32([]float32{q.params.scale}, 1))
	q.zero = r.g.Const(t.name+".zero", tensor.FromI32([]int32{q.params.zero}, 1))
	r.params[i] = q
	return q
}

func normal(s float32) bool { return s >= 0x1p-126 && !math.IsInf(float64(s), 0) }

// same returns the quantization that all the tensors have, nil and a fault
// when they differ.
func (r *rebuild) same(tensors ...int) *quantization {
	var first *quantization
	for _, i := range tensors {
		q := r.quantization(i)
		if q == nil {
			return nil
		}
		if first == nil {
			first = q
		}
		if q.params != first.params || q.scheme != first.scheme {
			r.unsupported("tensors of different scales or zero points")
			return nil
		}
	}
	return first
}

// value returns the value of tensor i: codes or floats. Constants are made at
// their first use.
func (r *rebuild) value(i int) graph.Value {
	if i < 0 || r.g.Err() != nil {
		return graph.Value{}
	}
	if v := r.values[i]; !v.Absent() {
		return v
	}
	var c *tensor.Tensor
	switch {
	case r.tensors[i].dtype == typeFloat32:
		c = r.floats(i)
	case r.coded(i):
		if q := r.quantization(i); q != nil {
			c = r.codes(i, q.scheme.DType())
		}
	default:
		return r.unsupported("constant %s of type %d", r.tensors[i].name, r.tensors[i].dtype)
	}
	if c != nil {
		r.values[i] = r.g.Const(r.tensors[i].name, c)
	}
	return r.values[i]
}

// float returns tensor i as real numbers.
func (r *rebuild) float(i int) graph.Value {
	v := r.value(i)
	if v.Absent() || v.DType() == tensor.F32 {
		return v
	}
	return r.real(v, r.quantization(i), r.tensors[i].name)
}

func (r *rebuild) real(v graph.Value, q *quantization, name string) graph.Value {
	if q == nil {
		return graph.Value{}
	}
	return r.apply(name+".dequantize", backend.DequantizeLinear{Scheme: q.scheme}, v, q.scale, q.zero)
}

// quantized returns v, real numbers, as codes of tensor i if that has codes.
func (r *rebuild) quantized(v graph.Value, i int) graph.Value {
	if !r.coded(i) {
		return v
	}
	q := r.quantization(i)
	if q == nil {
		return graph.Value{}
	}
	return r.apply(r.tensors[i].name, backend.QuantizeLinear{Rule: quant.TFLite, Scheme: q.scheme}, v, q.scale, q.zero)
}

// data returns the bytes of constant i, which must hold exactly its elements.
func (r *rebuild) data(i, size int) ([]byte, tensor.Shape) {
	s, ok := r.shape(i)
	if !ok {
		return nil, nil
	}
	d := r.tensors[i].data
	if n := s.Numel(); len(d)%size != 0 || len(d)/size != n {
		r.fault("tensor %s, %v, has %d bytes", r.tensors[i].name, s, len(d))
		return nil, nil
	}
	if len(d) > r.budget {
		r.fault("the file refers to more data than it holds")
		return nil, nil
	}
	r.budget -= len(d)
	return d, s
}

func (r *rebuild) floats(i int) *tensor.Tensor {
	d, s := r.data(i, 4)
	if d == nil {
		return nil
	}
	t := tensor.New(tensor.Spec{DType: tensor.F32, Shape: s.Clone()})
	for k := range t.F32() {
		t.F32()[k] = math.Float32frombits(binary.LittleEndian.Uint32(d[4*k:]))
	}
	return t
}

func (r *rebuild) codes(i int, dtype tensor.DType) *tensor.Tensor {
	d, s := r.data(i, 1)
	if d == nil {
		return nil
	}
	t := tensor.New(tensor.Spec{DType: dtype, Shape: s.Clone()})
	copy(t.Bytes(), d)
	return t
}

// ints returns input n of an operator, a constant of at most 16 integers, such
// as a shape.
func (r *rebuild) ints(o *operator, n int) ([]int, bool) {
	if n >= len(o.in) || o.in[n] < 0 {
		r.fault("input %d is missing", n)
		return nil, false
	}
	t := &r.tensors[o.in[n]]
	size := map[int]int{typeInt32: 4, typeInt64: 8}[t.dtype]
	if t.data == nil || size == 0 {
		r.unsupported("input %d must be constant integers", n)
		return nil, false
	}
	if len(t.data)%size != 0 || len(t.data) > 16*size {
		r.fault("input %d has %d bytes", n, len(t.data))
		return nil, false
	}
	var v []int
	for d := t.data; len(d) > 0; d = d[size:] {
		x := int64(int32(binary.LittleEndian.Uint32(d)))
		if size == 8 {
			x = int64(binary.LittleEndian.Uint64(d))
		}
		if x > math.MaxInt32 || x < math.MinInt32 {
			r.fault("input %d has the value %d", n, x)
			return nil, false
		}
		v = append(v, int(x))
	}
	return v, true
}
