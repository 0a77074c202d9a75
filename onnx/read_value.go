package onnx

import (
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// form is one of the ways in which a value of the file is held in the graph.
type form uint8

const (
	// formPlain has the file's order of elements.
	formPlain form = iota
	// formLast is channels last.
	formLast
	// formFlat is [n, s*c], flattened from channels last, where the file has
	// [n, c*s].
	formFlat
)

// role says what a constant is for.
type role uint8

const (
	roleOperand role = iota // of an elementwise operation and the like
	roleWeight              // of a layer: trained
	roleState               // running statistics
	roleFixed               // scales and the like
)

// value is a tensor of the file, with what stands for it in the graph.
type value struct {
	name string
	elem pb.DataType
	dims tensor.Shape // in the file's order

	// A constant: an initializer (init, decoded at first use) or data.
	init   *pb.Tensor
	data   *tensor.Tensor
	stored bool      // an initializer, not the output of a node
	marks  []mark    // of integers that stand for dimensions
	dq     *dequant  // a constant given by its codes
	seen   *seenView // how it is in the graph

	// Otherwise what was computed; several of them once they were asked for.
	plain, last, flat graph.Value
	flatC, flatS      int
	zero              graph.Value // of a zero point: as int32 [1]
	batched           bool        // the outermost dimension is the batch
	codes             *graph.Codes
	turn              string // the Transpose that last, being another name, stands for
}

// seenView is the first view of a constant that went into the graph.
type seenView struct {
	v    view
	val  graph.Value
	more map[string]graph.Value
}

// dequant is a constant that DequantizeLinear makes of codes.
type dequant struct {
	codes, scale, zero *value
	axis               int // of per-channel scales, -1 without
	name               string
}

// mark says what an integer that stands for a dimension came from.
type mark uint8

const (
	markNone    mark = iota
	markBatch        // the batch itself
	markDerived      // computed from the batch
)

func (v *value) isConst() bool { return v.init != nil || v.data != nil || v.dq != nil }

// shape makes sure that v.dims is known.
func (r *reader) shape(v *value) error {
	if v.init != nil && v.data == nil && v.dims == nil {
		s, err := shapeOf(v.init.Dims)
		if err != nil {
			return err
		}
		v.dims = s
	}
	return nil
}

// data returns the contents of a constant in the file's order.
func (r *reader) data(v *value) (*tensor.Tensor, error) {
	if v.dq != nil {
		return nil, unsupportedf("%q is dequantized from codes where numbers are needed", v.name)
	}
	if v.data == nil {
		t, err := r.decode(v.init)
		if err != nil {
			return nil, err
		}
		v.data, v.dims = t, t.Shape()
	}
	return v.data, nil
}

// view is a rearrangement of a constant: reshaped to shape, permuted by perm,
// reshaped to final.
type view struct {
	shape, perm, final []int
}

func permView(dims tensor.Shape, perm []int) view {
	return view{dims, perm, permuted(dims, perm)}
}

func (w view) key() string {
	return tensor.Shape(w.shape).String() + tensor.Shape(w.perm).String() + tensor.Shape(w.final).String()
}

func (w view) plain(dims tensor.Shape) bool {
	return slices.IsSorted(w.perm) && dims.Equal(w.final)
}

// axis returns where axis a of dims is after the view, false if it is split
// or joined.
func (w view) axis(dims tensor.Shape, a int) (int, bool) {
	at := func(s []int, before, d int) int {
		n := 1
		for i, x := range s {
			if n == before && x == d {
				return i
			}
			n *= x
		}
		return -1
	}
	p := at(w.shape, dims[:a].Numel(), dims[a])
	if p < 0 {
		return 0, false
	}
	q := slices.Index(w.perm, p)
	mid := permuted(w.shape, w.perm)
	f := at(w.final, numel(mid[:q]), mid[q])
	return f, f >= 0
}

// constant puts a constant into the graph under a view.
func (r *reader) constant(v *value, w view, as role) (graph.Value, error) {
	if v.seen != nil {
		if w.key() == v.seen.v.key() {
			return v.seen.val, nil
		}
		if x, ok := v.seen.more[w.key()]; ok {
			return x, nil
		}
		x := r.rearrange(v.name, v.seen.val, v.seen.v, w)
		v.seen.more[w.key()] = x
		return x, nil
	}
	var x graph.Value
	var err error
	if v.dq != nil {
		x, w, err = r.dequantize(v, w)
	} else {
		x, err = r.store(v, w, as)
	}
	if err != nil {
		return graph.Value{}, err
	}
	v.seen = &seenView{v: w, val: x, more: map[string]graph.Value{}}
	return x, r.g.Err()
}

// store adds a constant of the file to the graph.
func (r *reader) store(v *value, w view, as role) (graph.Value, error) {
	t, err := r.data(v)
	if err != nil {
		return graph.Value{}, err
	}
	if v.elem == pb.Bool {
		return graph.Value{}, unsupportedf("%q is of type BOOL", v.name)
	}
	if !w.plain(t.Shape()) {
		if t, err = r.viewed(t, w); err != nil {
			return graph.Value{}, err
		}
	}
	switch {
	case as == roleState:
		return r.g.State(v.name, t), nil
	case t.DType() == tensor.F32 && (as == roleWeight || as == roleOperand && v.stored && t.Numel() > 1):
		return r.g.Param(v.name, t), nil
	}
	return r.g.Const(v.name, t), nil
}

// viewed returns a copy of t under a view.
func (r *reader) viewed(t *tensor.Tensor, w view) (*tensor.Tensor, error) {
	if numel(w.shape) != t.Numel() {
		return nil, formatf("a constant of shape %v does not fit its use", t.Shape())
	}
	t, err := t.Reshape(w.shape...)
	if err != nil {
		return nil, err
	}
	if !slices.IsSorted(w.perm) {
		out, err := r.alloc(tensor.Spec{DType: t.DType(), Shape: permuted(w.shape, w.perm)})
		if err != nil {
			return nil, err
		}
		permute(t, out, w.perm)
		t = out
	}
	return t.Reshape(w.final...)
}

// dequantize puts a constant given by codes into the graph; it returns the
// view under which it did.
func (r *reader) dequantize(v *value, w view) (graph.Value, view, error) {
	d := v.dq
	axis := d.axis
	if axis >= 0 {
		a, ok := w.axis(v.dims, axis)
		if !ok {
			w = permView(v.dims, identity(len(v.dims)))
			a = axis
		}
		axis = a
	}
	codes, err := r.constant(d.codes, w, roleFixed)
	if err != nil {
		return graph.Value{}, w, err
	}
	scale, zero, err := r.scaleZero(d.scale, d.zero)
	if err != nil {
		return graph.Value{}, w, err
	}
	s := schemeOf(codes.DType(), axis)
	x := r.g.ApplyNamed(d.name, backend.DequantizeLinear{Scheme: s}, codes, scale, zero)
	if len(x) == 0 {
		return graph.Value{}, w, unsupportedf("%w", r.g.Err())
	}
	r.g.SetCodes(graph.Codes{Value: codes, Scale: scale, Zero: zero, Scheme: s, Rule: quant.ONNX})
	return x[0], w, nil
}

// rearrange turns a value that is in the graph under view from into view to,
// by operations.
func (r *reader) rearrange(name string, x graph.Value, from, to view) graph.Value {
	step := func(op backend.Op) {
		if out := r.g.ApplyNamed(name+".view", op, x); len(out) > 0 {
			x = out[0]
		}
	}
	reshape := func(s []int) {
		if !x.Shape().Equal(s) {
			step(backend.Reshape{Shape: tensor.NewDims(s...)})
		}
	}
	turn := func(perm []int) {
		if !slices.IsSorted(perm) {
			step(backend.Transpose{Perm: tensor.NewDims(perm...)})
		}
	}
	reshape(permuted(from.shape, from.perm))
	turn(backend.Transpose{Perm: tensor.NewDims(from.perm...)}.Inverse().Perm.Slice())
	reshape(to.shape)
	turn(to.perm)
	reshape(to.final)
	return x
}

// formOf returns the form in which v is at hand: for constants formPlain.
func (r *reader) formOf(v *value) form {
	switch {
	case v.isConst():
		return formPlain
	case !v.last.Absent():
		return formLast
	case !v.flat.Absent():
		return formFlat
	}
	return formPlain
}

// plain returns v in the file's order.
func (r *reader) plain(v *value) (graph.Value, error) { return r.plainAs(v, roleOperand) }

func (r *reader) plainAs(v *value, as role) (graph.Value, error) {
	if err := r.shape(v); err != nil {
		return graph.Value{}, err
	}
	if v.isConst() {
		return r.constant(v, permView(v.dims, identity(len(v.dims))), as)
	}
	if !v.plain.Absent() {
		return v.plain, nil
	}
	var x graph.Value
	switch {
	case !v.last.Absent():
		name := v.turn
		if name == "" {
			name = v.name + ".transpose"
		}
		x = r.transpose(name, v.last, toFirst(len(v.dims)))
	case !v.flat.Absent():
		x = v.flat
		for _, op := range []backend.Op{
			backend.Reshape{Shape: tensor.NewDims(0, v.flatS, v.flatC)},
			backend.Transpose{Perm: tensor.NewDims(0, 2, 1)},
			backend.Reshape{Shape: tensor.NewDims(0, v.flatC*v.flatS)},
		} {
			out := r.g.ApplyNamed(v.name+".view", op, x)
			if len(out) == 0 {
				return graph.Value{}, unsupportedf("%w", r.g.Err())
			}
			x = out[0]
		}
	default:
		return x, unsupportedf("%q has no value", v.name)
	}
	v.plain = x
	return x, r.g.Err()
}

func (r *reader) transpose(name string, x graph.Value, perm []int) graph.Value {
	if slices.IsSorted(perm) {
		return x
	}
	out := r.g.ApplyNamed(name, backend.Transpose{Perm: tensor.NewDims(perm...)}, x)
	if len(out) == 0 {
		return graph.Value{}
	}
	return out[0]
}

// channelsLast returns v channels last.
func (r *reader) channelsLast(v *value) (graph.Value, error) {
	if err := r.shape(v); err != nil {
		return graph.Value{}, err
	}
	if v.isConst() {
		return r.constant(v, permView(v.dims, toLast(len(v.dims))), roleOperand)
	}
	if !v.last.Absent() {
		return v.last, nil
	}
	x, err := r.plain(v)
	if err != nil {
		return x, err
	}
	if len(v.dims) > 2 {
		x = r.transpose(v.name+".transpose", x, toLast(len(v.dims)))
		v.last = x
	}
	return x, r.g.Err()
}

// viewOf returns v under a view, by operations unless it is a constant.
func (r *reader) viewOf(v *value, w view, as role) (graph.Value, error) {
	if err := r.shape(v); err != nil {
		return graph.Value{}, err
	}
	if v.isConst() {
		return r.constant(v, w, as)
	}
	x, err := r.plain(v)
	if err != nil {
		return x, err
	}
	return r.rearrange(v.name, x, permView(v.dims, identity(len(v.dims))), w), r.g.Err()
}

// schemeOf returns the scheme of codes in a file: 8 bits, all of them used.
func schemeOf(d tensor.DType, axis int) quant.Scheme {
	s := quant.Scheme{Bits: 8, Signed: d != tensor.U8}
	if axis >= 0 {
		s.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: axis}
	}
	return s
}

// scaleZero returns a scale as float32 and its zero point as int32 of the
// same shape: [1] or [channels] for constants. An absent zero point stays
// absent.
func (r *reader) scaleZero(scale, zero *value) (s, z graph.Value, err error) {
	if err := r.checkScale(scale); err != nil {
		return s, z, err
	}
	if s, err = r.flatList(scale); err != nil || zero == nil {
		return s, z, err
	}
	z, err = r.zeroPoint(zero)
	if err == nil && !z.Shape().Equal(s.Shape()) && z.Spec().Numel() == s.Spec().Numel() {
		z = r.rearrange(zero.name, z, permView(z.Shape(), identity(len(z.Shape()))), permView(s.Shape(), identity(len(s.Shape()))))
	}
	return s, z, err
}

// flatList returns a constant as a list, a computed value as it is.
func (r *reader) flatList(v *value) (graph.Value, error) {
	if err := r.shape(v); err != nil {
		return graph.Value{}, err
	}
	if !v.isConst() {
		return r.plain(v)
	}
	n := v.dims.Numel()
	return r.constant(v, view{v.dims, identity(len(v.dims)), []int{n}}, roleFixed)
}

// zeroPoint returns a zero point as int32.
func (r *reader) zeroPoint(v *value) (graph.Value, error) {
	if !v.zero.Absent() {
		return v.zero, nil
	}
	if err := r.shape(v); err != nil {
		return graph.Value{}, err
	}
	if v.isConst() {
		t, err := r.data(v)
		if err != nil {
			return graph.Value{}, err
		}
		out, err := r.alloc(tensor.Of(tensor.I32, t.Numel()))
		if err != nil {
			return graph.Value{}, err
		}
		z := out.I32()
		switch t.DType() {
		case tensor.I8:
			for i, c := range t.I8() {
				z[i] = int32(c)
			}
		case tensor.U8:
			for i, c := range t.U8() {
				z[i] = int32(c)
			}
		case tensor.I32:
			copy(z, t.I32())
		default:
			return graph.Value{}, formatf("zero point %q is %v", v.name, t.DType())
		}
		v.zero = r.g.Const(v.name, out)
		return v.zero, r.g.Err()
	}
	x, err := r.plain(v)
	if err != nil {
		return x, err
	}
	if x.DType() != tensor.I32 {
		out := r.g.ApplyNamed(v.name+".int32", backend.Cast{To: tensor.I32}, x)
		if len(out) == 0 {
			return graph.Value{}, unsupportedf("%w", r.g.Err())
		}
		x = out[0]
	}
	v.zero = x
	return x, nil
}
