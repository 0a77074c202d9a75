package cpu

import (
	"runtime"

	"math"

	"github.com/goqat/goqat/backend"
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
			return bindLines(b, l, softmaxRow(o.Log, expSum64), out[0].F64(), in[0].F64(), nil), nil
		}
		return bindLines(b, l, softmaxRow(o.Log, expSum32), out[0].F32(), in[0].F32(), nil), nil
	}})
	register(backend.SoftmaxGrad{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		o := op.(backend.SoftmaxGrad)
		l, err := newLines(o.Axis, in[0].Shape())
		if err != nil {
			return nil, err
		}
		if in[0].DType() == tensor.F64 {
			return bindLines(b, l, softmaxGradRow(o.Log, math.Exp), out[0].F64(), in[0].F64(), in[1].F64()), nil
		}
		return bindLines(b, l, softmaxGradRow(o.Log, exp32), out[0].F32(), in[0].F32(), in[1].F32()), nil
	}})
}

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

// bindLines runs row on each line of z, a and b (b may be nil). Lines that
// are not contiguous go through a scratch.
func bindLines[T float](s *Backend, l softLines, row func(z, a, b []T), z, a, b []T) func() error {
	n := l.size
	contiguous := func(lo, hi int) {
		for i := lo; i < hi; i++ {
			var second []T
			if b != nil {
				second = b[i*n:][:n]
			}
			row(z[i*n:][:n], a[i*n:][:n], second)
		}
	}
	if l.inner > 1 {
		s.scratch.need(8 * 3 * n * runtime.GOMAXPROCS(0))
	}
	apart := func(lo, hi int) {
		sc := s.scratch.take(8 * 3 * n)
		all := scratchOf[T](sc, 0, 3*n)
		p, q, r := all[:n], all[n:2*n], all[2*n:]
		for i := lo; i < hi; i++ {
			base := i/l.inner*n*l.inner + i%l.inner
			for j := range n {
				p[j] = a[base+j*l.inner]
				if b != nil {
					q[j] = b[base+j*l.inner]
				}
			}
			row(r, p, q)
			for j := range n {
				z[base+j*l.inner] = r[j]
			}
		}
		s.scratch.give(sc)
	}
	body := apart
	if l.inner == 1 {
		body = contiguous
	}
	grain := max(1, nestTile/4/max(n, 1))
	return func() error {
		if n > 0 {
			parallel(l.outer*l.inner, grain, body)
		}
		return nil
	}
}

// expSum32 sets y = exp((x - shift) * factor) and returns the sum in float64.
func expSum32(y, x []float32, shift, factor float32) float64 {
	y = y[:len(x)]
	var sum float64
	for i, v := range x {
		e := exp32((v - shift) * factor)
		y[i] = e
		sum += float64(e)
	}
	return sum
}

// expSum64 is expSum32 for float64.
func expSum64(y, x []float64, shift, factor float64) float64 {
	y = y[:len(x)]
	var sum float64
	for i, v := range x {
		e := math.Exp((v - shift) * factor)
		y[i] = e
		sum += e
	}
	return sum
}

// rowMax returns the largest number of x, -Inf for none; NaN is passed over,
// and shows in the exponentials.
func rowMax[T float](x []T) T {
	m := T(math.Inf(-1))
	for _, v := range x {
		if v > m {
			m = v
		}
	}
	return m
}

func softmaxRow[T float](log bool, expSum func(y, x []T, shift, factor T) float64) func(y, x, _ []T) {
	if log {
		return func(y, x, _ []T) {
			m := rowMax(x)
			sum := expSum(y, x, m, 1)
			ln := T(logStable(sum))
			for i, v := range x {
				y[i] = v - m - ln
			}
		}
	}
	return func(y, x, _ []T) {
		scaleRow(y, T(1/expSum(y, x, rowMax(x), 1)))
	}
}

func scaleRow[T float](y []T, f T) {
	for i := range y {
		y[i] *= f
	}
}

func softmaxGradRow[T float](log bool, exp func(T) T) func(dx, dy, y []T) {
	if log {
		return func(dx, dy, y []T) {
			var sum float64
			for _, d := range dy {
				sum += float64(d)
			}
			s := T(sum)
			for i, d := range dy {
				dx[i] = d - T(exp(y[i])*s)
			}
		}
	}
	return func(dx, dy, y []T) {
		var sum float64
		for i, d := range dy {
			sum += float64(float64(d) * float64(y[i]))
		}
		s := T(sum)
		for i, d := range dy {
			dx[i] = y[i] * (d - s)
		}
	}
}
