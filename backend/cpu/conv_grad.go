package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.ConvGradWeight{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindConvGradWeight[float64](b, op.(backend.ConvGradWeight), out, in), nil
		}
		return bindConvGradWeight[float32](b, op.(backend.ConvGradWeight), out, in), nil
	}})
}

func bindConvGradWeight[T float](b *Backend, op backend.ConvGradWeight, out, in []*tensor.Tensor) func() error {
	g := newConvGeometry(op.Conv, in[1].Shape(), out[0].Shape(), in[0].Shape())
	dw, dy, x := elements[T](out[0]), elements[T](in[0]), newOperand[T](in, 1)
	if g.depthwise() {
		return bindDepthwiseGradWeight(b, g, dw, dy, x)
	}
	s := &rowSum[T]{rows: g.rows(), m: g.og, k: g.k, a: dy, lda: g.o, op: x}
	if g.pointwise() {
		s.direct = x.float
	}
	group := 0
	var src []lines[T]
	if s.direct == nil {
		ring := g.ringLines() * g.line
		if x.float == nil {
			s.startBytes = roundUp64(ring * sizeOf[T]())
		}
		s.start = func(slot int, ws []byte) {
			if x.float == nil {
				src[slot].ring = tensor.Cast[T](ws, ring)
				src[slot].forget()
			}
		}
		s.produce = func(slot int, dst []T, lo, hi int) { gather(g, &src[slot], group, dst, lo, hi) }
	}
	s.plan()
	b.scratch.need(s.workspace())
	src = make([]lines[T], s.nslots)
	for i := range src {
		src[i] = lines[T]{op: x, size: g.line}
		if x.float == nil {
			src[i].held = make([]int, g.ringLines())
		}
	}
	return func() error {
		for group = range g.groups {
			s.a = dy[min(group*g.og, len(dy)):]
			s.run(b, dw[group*g.og*g.k:(group+1)*g.og*g.k])
		}
		return nil
	}
}
