package cpu

import (
	"math"
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Softmax{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.Softmax)
		l, err := newLines(o.Axis, in[0].Shape())
		if err != nil {
			return nil, err
		}
		if in[0].DType() == tensor.F64 {
			return bindLines(b, l, softmaxLines(o.Log, expRows64), out[0].F64(), in[0].F64(), nil), nil
		}
		return bindLines(b, l, softmaxLines(o.Log, expRows32), out[0].F32(), in[0].F32(), nil), nil
	}})
	register(backend.SoftmaxGrad{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.SoftmaxGrad)
		l, err := newLines(o.Axis, in[0].Shape())
		if err != nil {
			return nil, err
		}
		if in[0].DType() == tensor.F64 {
			return bindLines(b, l, softmaxGradLines(o.Log, math.Exp, elementary.SoftmaxGradRows64), out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		return bindLines(b, l, softmaxGradLines(o.Log, elementary.Exp32, elementary.SoftmaxGradRows), out[0].F32(), in[0].F32(), in[1].F32()), nil
	}})
}

// expRows are the loops of package elementary over rows, for a type.
type expRows[T float] struct {
	softmax func(y, x []T, n int, most []T, sum []float64)
	gap     func(sum []float64, x []T, n int, most []T)
	scale   func(y, x []T, n int, factor []T, less, times T)
}

var (
	expRows32 = expRows[float32]{elementary.SoftmaxRows, elementary.GapRows, elementary.ScaleRows}
	expRows64 = expRows[float64]{elementary.SoftmaxRows64, elementary.GapRows64, elementary.ScaleRows64}
)

// softLines is an array as [outer, size, inner]; each line along the middle
// dimension is handled by itself.
type softLines struct{ outer, size, inner int }

func newLines(axis int, s tensor.Shape) (softLines, error) {
	axis, err := backend.Axis(axis, len(s))
	if err != nil {
		return softLines{}, err
	}
	return softLines{s[:axis].Numel(), s[axis], s[axis+1:].Numel()}, nil
}

// bindLines runs lines on those of z, a and b (b may be nil), with room for
// two numbers a line. Lines that are not contiguous go through a scratch.
func bindLines[T float](s *Backend, l softLines, lines func(z, a, b []T, n int, most []T, sum []float64), z, a, b []T) func() error {
	n := l.size
	grain := max(1, nestTile/max(n, 1))
	contiguous := func(lo, hi int) {
		sc := s.scratch.take(16 * (hi - lo))
		var second []T
		if b != nil {
			second = b[lo*n : hi*n]
		}
		lines(z[lo*n:hi*n], a[lo*n:hi*n], second, n, scratchOf[T](sc, 8*(hi-lo), hi-lo), scratchOf[float64](sc, 0, hi-lo))
		s.scratch.give(sc)
	}
	apart := func(lo, hi int) {
		sc := s.scratch.take(8*3*n + 16)
		sum, most := scratchOf[float64](sc, 0, 1), scratchOf[T](sc, 8, 1)
		all := scratchOf[T](sc, 16, 3*n)
		p, q, r := all[:n], all[n:2*n], all[2*n:]
		for i := lo; i < hi; i++ {
			base := i/l.inner*n*l.inner + i%l.inner
			for j := range n {
				p[j] = a[base+j*l.inner]
				if b != nil {
					q[j] = b[base+j*l.inner]
				}
			}
			lines(r, p, q, n, most, sum)
			for j := range n {
				z[base+j*l.inner] = r[j]
			}
		}
		s.scratch.give(sc)
	}
	body, room := apart, 8*3*n+16
	if l.inner == 1 {
		body, room = contiguous, 16*grain
	}
	s.scratch.need(room * runtime.GOMAXPROCS(0))
	return func() error {
		if n > 0 {
			parallel(l.outer*l.inner, grain, body)
		}
		return nil
	}
}

func softmaxLines[T float](log bool, of expRows[T]) func(y, x, _ []T, n int, most []T, sum []float64) {
	if log {
		return func(y, x, _ []T, n int, most []T, sum []float64) {
			of.softmax(y, x, n, most, sum)
			for r, m := range most {
				ln := T(elementary.Log(sum[r]))
				for i, v := range x[r*n:][:n] {
					y[r*n+i] = v - m - ln
				}
			}
		}
	}
	return func(y, x, _ []T, n int, most []T, sum []float64) {
		of.softmax(y, x, n, most, sum)
		for r, s := range sum {
			most[r] = T(1 / s)
		}
		of.scale(y, y, n, most, 0, 1)
	}
}

func softmaxGradLines[T float](log bool, exp func(T) T, grad func(dx, dy, y []T, n int)) func(dx, dy, y []T, n int, _ []T, _ []float64) {
	if log {
		return func(dx, dy, y []T, n int, most []T, _ []float64) {
			for r := range most {
				to, d, v := dx[r*n:][:n], dy[r*n:][:n], y[r*n:][:n]
				var sum float64
				for _, g := range d {
					sum += float64(g)
				}
				s := T(sum)
				for i, g := range d {
					to[i] = g - T(exp(v[i])*s)
				}
			}
		}
	}
	return func(dx, dy, y []T, n int, _ []T, _ []float64) { grad(dx, dy, y, n) }
}
