package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Conv{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindConv[float64](b, op.(backend.Conv), out, in), nil
		}
		return bindConv[float32](b, op.(backend.Conv), out, in), nil
	}})
}

func bindConv[T float](b *Backend, op backend.Conv, out, in []*tensor.Tensor) func() error {
	g := newConvGeometry(op, in[0].Shape(), in[1].Shape(), out[0].Shape())
	x, w, y := elements[T](in[0]), elements[T](in[1]), elements[T](out[0])
	var bias []T
	if len(in) > 2 {
		bias = elements[T](in[2])
	}
	if g.depthwise() {
		return bindDepthwise(b, g, x, w, bias, y)
	}
	if g.pointwise() {
		return bindProduct(b, y, x, w, bias, g.rows(), g.o, g.c)
	}
	src := &lines[T]{op: &operand[T]{float: x}, size: g.line}
	group := 0
	p := gemm.NewRows(parallel, true, g.rows(), g.og, g.k, func(dst []T, lo, hi int) {
		gather(g, src, group, dst, lo, hi)
	})
	fill := newBiasFill(y, bias)
	b.scratch.need(p.Workspace())
	return func() error {
		if g.rows() == 0 || g.o == 0 {
			return nil
		}
		fill.run()
		ws := b.scratch.take(p.Workspace())
		for group = range g.groups {
			p.RunRows(w[group*g.og*g.k:(group+1)*g.og*g.k], g.k, bias != nil, y[group*g.og:], g.o, ws.t.Bytes())
		}
		b.scratch.give(ws)
		return nil
	}
}

// bindProduct returns y[m,n] = x[m,k] w[n,k]^T + bias.
func bindProduct[T float](b *Backend, y, x, w, bias []T, m, n, k int) func() error {
	p := gemm.New[T](parallel, false, true, m, n, k)
	fill := newBiasFill(y, bias)
	b.scratch.need(p.Workspace())
	return func() error {
		fill.run()
		ws := b.scratch.take(p.Workspace())
		p.Run(x, k, w, k, bias != nil, y, n, ws.t.Bytes())
		b.scratch.give(ws)
		return nil
	}
}

// biasFill fills the rows of a product with the bias before the product is
// added to them.
type biasFill[T float] struct {
	y, bias []T
	grain   int
	body    func(lo, hi int)
}

func newBiasFill[T float](y, bias []T) *biasFill[T] {
	f := &biasFill[T]{y: y, bias: bias}
	n := len(bias)
	f.grain = max(32768/max(n, 1), 1)
	f.body = func(lo, hi int) {
		y := y[lo*n : hi*n]
		// Copies of doubling length instead of one a row: rows are short.
		done := copy(y, bias)
		for done < len(y) {
			done += copy(y[done:], y[:done])
		}
	}
	return f
}

func (f *biasFill[T]) run() {
	if len(f.bias) > 0 {
		parallel(len(f.y)/len(f.bias), f.grain, f.body)
	}
}
