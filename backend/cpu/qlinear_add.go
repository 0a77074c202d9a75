package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	types := []tensor.DType{tensor.I8, tensor.U8}
	register(backend.QLinearAdd{}, kernel{types: types, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.QLinearAdd)
		return bindCodePair(b, codePair{o.Rule, o.Scheme, o.Lo, o.Hi, pairAdd}, out, in)
	}})
	register(backend.QLinearSub{}, kernel{types: types, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.QLinearSub)
		return bindCodePair(b, codePair{o.Rule, o.Scheme, o.Lo, o.Hi, pairSub}, out, in)
	}})
	register(backend.QLinearMul{}, kernel{types: types, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.QLinearMul)
		return bindCodePair(b, codePair{o.Rule, o.Scheme, o.Lo, o.Hi, pairMul}, out, in)
	}})
}

// codePair is an operation on two tensors of codes.
type codePair struct {
	rule   quant.Rule
	scheme quant.Scheme
	lo, hi float32
	kind   uint8
}

const (
	pairAdd = iota
	pairSub
	pairMul
)

func bindCodePair(b *Backend, o codePair, out, in []*tensor.Tensor) (func() error, error) {
	if o.scheme.Signed {
		return bindCodePairTo[int8](b, o, out, in)
	}
	return bindCodePairTo[uint8](b, o, out, in)
}

func bindCodePairTo[T quant.Code](b *Backend, o codePair, out, in []*tensor.Tensor) (func() error, error) {
	if in[0].DType() == tensor.I8 {
		return bindCodePairOf[T, int8](b, o, out, in)
	}
	return bindCodePairOf[T, uint8](b, o, out, in)
}

func bindCodePairOf[T, A quant.Code](b *Backend, o codePair, out, in []*tensor.Tensor) (func() error, error) {
	if in[3].DType() == tensor.I8 {
		return bindCodePairs[T, A, int8](b, o, out, in)
	}
	return bindCodePairs[T, A, uint8](b, o, out, in)
}

func bindCodePairs[T, A, B quant.Code](b *Backend, o codePair, out, in []*tensor.Tensor) (func() error, error) {
	shape, err := tensor.Broadcast(in[0].Shape(), in[3].Shape())
	if err != nil {
		return nil, err
	}
	n := shape.Numel()
	x, y := tensor.Cast[A](in[0].Bytes(), in[0].Numel()), tensor.Cast[B](in[3].Bytes(), in[3].Numel())
	sx, zx, sy, zy, sz, zz := in[1].F32(), in[2].I32(), in[4].F32(), in[5].I32(), in[6].F32(), in[7].I32()
	z, mask := codesOf[T](out[0], n), maskOf(out[1])
	wx, wy := newCodeWalk(shape, in[0].Shape()), newCodeWalk(shape, in[3].Shape())
	grain := min(grainFor(n, 8), 1<<14)
	qlo, qhi := o.scheme.Range()
	if !wx.plain || !wy.plain {
		b.scratch.need(2 * grain * runtime.GOMAXPROCS(0))
	}
	var sum quant.AddParams
	var product quant.MulParams
	body := func(lo, hi int) {
		// A broadcast operand is spread out for this tile first.
		var a []A
		var c []B
		var mem *scratch
		k := hi - lo
		if !wx.plain || !wy.plain {
			mem = b.scratch.take(2 * grain)
			defer b.scratch.give(mem)
		}
		if wx.plain {
			a = x[lo:hi]
		} else {
			a = scratchOf[A](mem, 0, k)
			spread(&wx, a, x, lo)
		}
		if wy.plain {
			c = y[lo:hi]
		} else {
			c = scratchOf[B](mem, grain, k)
			spread(&wy, c, y, lo)
		}
		var m []byte
		if mask != nil {
			m = mask[lo/8:]
		}
		if o.kind == pairMul {
			codes.MulCodes(&product, z[lo:hi], m, a, c)
		} else {
			codes.AddCodes(&sum, z[lo:hi], m, a, c)
		}
	}
	return func() error {
		lo, hi := foldedRange(o.rule, qlo, qhi, o.lo, o.hi, sz[0], zz[0])
		switch o.kind {
		case pairAdd:
			sum = o.rule.NewAdd(sx[0], zx[0], sy[0], zy[0], sz[0], zz[0], lo, hi)
		case pairSub:
			sum = o.rule.NewSub(sx[0], zx[0], sy[0], zy[0], sz[0], zz[0], lo, hi)
		default:
			product = o.rule.NewMul(sx[0], zx[0], sy[0], zy[0], sz[0], zz[0], lo, hi)
		}
		parallel(n, grain, body)
		return nil
	}, nil
}

// foldedRange returns the codes between the real bounds of an activation that
// is folded into an epilogue; bounds with rlo >= rhi mean none.
func foldedRange(r quant.Rule, lo, hi int32, rlo, rhi, scale float32, zero int32) (int32, int32) {
	if !(rlo < rhi) {
		return lo, hi
	}
	a, _ := r.Quantize(rlo, scale, zero, lo, hi)
	b, _ := r.Quantize(rhi, scale, zero, lo, hi)
	return a, b
}

// codeWalk finds the element of an operand for each element of a result that
// it is broadcast to.
type codeWalk struct {
	plain   bool // the operand has the shape of the result
	rank    int
	dims    [tensor.MaxRank]int
	strides [tensor.MaxRank]int // 0 where the operand is stretched
}

func newCodeWalk(out, in tensor.Shape) codeWalk {
	w := codeWalk{plain: in.Numel() == out.Numel(), rank: len(out)}
	st := in.Strides()
	for i, d := range out {
		w.dims[i] = d
		if j := i - (len(out) - len(in)); j >= 0 && in[j] != 1 {
			w.strides[i] = st[j]
		}
	}
	return w
}

// spread writes to dst the elements of src for elements from, from+1, ... of
// the result.
func spread[T quant.Code](w *codeWalk, dst, src []T, from int) {
	var at [tensor.MaxRank]int
	off := 0
	for i := w.rank - 1; i >= 0; i-- {
		at[i] = from % w.dims[i]
		from /= w.dims[i]
		off += at[i] * w.strides[i]
	}
	last := w.rank - 1
	for len(dst) > 0 {
		n := min(w.dims[last]-at[last], len(dst))
		if w.strides[last] == 0 {
			v := src[off]
			for i := range dst[:n] {
				dst[i] = v
			}
		} else {
			copy(dst[:n], src[off:off+n])
		}
		dst = dst[n:]
		// To the start of the next row.
		off -= at[last] * w.strides[last]
		at[last] = 0
		for i := last - 1; i >= 0; i-- {
			at[i]++
			off += w.strides[i]
			if at[i] < w.dims[i] {
				break
			}
			off -= at[i] * w.strides[i]
			at[i] = 0
		}
	}
}
