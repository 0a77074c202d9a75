package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.AveragePool{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindAveragePool[float64](op.(backend.AveragePool), out, in), nil
		}
		return bindAveragePool[float32](op.(backend.AveragePool), out, in), nil
	}})
	register(backend.AveragePoolGrad{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindAveragePoolGrad[float64](op.(backend.AveragePoolGrad), out, in), nil
		}
		return bindAveragePoolGrad[float32](op.(backend.AveragePoolGrad), out, in), nil
	}})
}

// extent is a window position along one axis: its divisor, and the taps
// inside the input.
type extent struct{ count, first, last int }

// extents returns the window positions along both axes for an input of rank
// 3 or 4.
func extents(p backend.AveragePool, g *convGeometry, rank int) (rows, cols []extent) {
	if rank == 3 {
		p.Window, p.Kernel[0] = p.Length(), 1
	}
	at := func(axis, out, n int) extent {
		c, f, l := p.Count(axis, out, n)
		return extent{c, f, l}
	}
	for i := range g.oh {
		rows = append(rows, at(0, i, g.h))
	}
	for j := range g.ow {
		cols = append(cols, at(1, j, g.w))
	}
	return rows, cols
}

func bindAveragePool[T float](p backend.AveragePool, out, in []*tensor.Tensor) func() error {
	x, y := elements[T](in[0]), elements[T](out[0])
	g := newPoolGeometry(p.Window, p.Kernel, in[0].Shape(), out[0].Shape())
	rows, cols := extents(p, g, len(in[0].Shape()))
	add := channels.For[T]().Add
	body := func(lo, hi int) {
		for l := lo; l < hi; l++ {
			n, i := l/g.oh, l%g.oh
			r := rows[i]
			for j, q := range cols {
				mean := y[(l*g.ow+j)*g.c : (l*g.ow+j+1)*g.c]
				clear(mean)
				for a := r.first; a < r.last; a++ {
					for b := q.first; b < q.last; b++ {
						from := ((n*g.h+i*g.sh-g.top+a*g.dh)*g.w + j*g.sw - g.left + b*g.dw) * g.c
						add(mean, x[from:from+g.c])
					}
				}
				if count := T(r.count * q.count); count > 1 {
					for k := range mean {
						mean[k] /= count
					}
				}
			}
		}
	}
	grain := depthwiseGrain(g.ow * g.c * g.kh * g.kw)
	return func() error { parallel(g.n*g.oh, grain, body); return nil }
}

func bindAveragePoolGrad[T float](p backend.AveragePoolGrad, out, in []*tensor.Tensor) func() error {
	dx, dy := elements[T](out[0]), elements[T](in[0])
	g := newPoolGeometry(p.Window, p.Kernel, out[0].Shape(), in[0].Shape())
	rows, cols := extents(p.AveragePool, g, len(out[0].Shape()))
	body := func(lo, hi int) {
		clear(dx[lo*g.h*g.line : hi*g.h*g.line])
		for l := lo * g.oh; l < hi*g.oh; l++ {
			n, i := l/g.oh, l%g.oh
			r := rows[i]
			for j, q := range cols {
				d := dy[(l*g.ow+j)*g.c : (l*g.ow+j+1)*g.c]
				share := 1 / T(max(r.count*q.count, 1))
				for a := r.first; a < r.last; a++ {
					for b := q.first; b < q.last; b++ {
						to := ((n*g.h+i*g.sh-g.top+a*g.dh)*g.w + j*g.sw - g.left + b*g.dw) * g.c
						t := dx[to : to+g.c]
						for k, v := range d {
							t[k] += T(v * share)
						}
					}
				}
			}
		}
	}
	grain := max(32768/max(g.h*g.line, 1), 1)
	return func() error { parallel(g.n, grain, body); return nil }
}
