package cpu

import (
	"math"
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.LayerNorm{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindLayerNorm(b, op.(backend.LayerNorm), elementary.NormRows64, out, in), nil
		}
		return bindLayerNorm(b, op.(backend.LayerNorm), elementary.NormRows, out, in), nil
	}})
	register(backend.LayerNormGrad{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindLayerNormGrad(b, elementary.NormGradRows64, elementary.NormSums64, out, in), nil
		}
		return bindLayerNormGrad(b, elementary.NormGradRows, elementary.NormSums, out, in), nil
	}})
}

// optional returns the i-th tensor's elements, nil beyond the end and for an
// absent one.
func optional[T tensor.Element](ts []*tensor.Tensor, i int) []T {
	if i >= len(ts) || ts[i] == nil {
		return nil
	}
	return typed[T](ts[i])
}

func bindLayerNorm[T float](b *Backend, op backend.LayerNorm, norm func(y, x, mean, inv, gamma, beta []T, n int, eps float64), out, in []*tensor.Tensor) func() error {
	x, gamma, beta := typed[T](in[0]), optional[T](in, 1), optional[T](in, 2)
	y, mean, inv := optional[T](out, 0), optional[T](out, 1), optional[T](out, 2)
	n := in[0].Shape().Last()
	if n == 0 {
		return func() error {
			for i := range mean {
				mean[i] = T(math.NaN())
			}
			for i := range inv {
				inv[i] = T(math.NaN())
			}
			return nil
		}
	}
	rows := len(x) / n
	eps := float64(op.Eps)
	body := func(lo, hi int) {
		// Who does not want the moments has them in a scratch.
		sc := b.scratch.take(16 * (hi - lo))
		part := func(v []T, at int) []T {
			if v == nil {
				return scratchOf[T](sc, at*(hi-lo), hi-lo)
			}
			return v[lo:hi]
		}
		var to []T
		if y != nil {
			to = y[lo*n : hi*n]
		}
		norm(to, x[lo*n:hi*n], part(mean, 0), part(inv, 8), gamma, beta, n, eps)
		b.scratch.give(sc)
	}
	grain := max(1, nestTile/n)
	b.scratch.need(16 * min(grain, rows) * runtime.GOMAXPROCS(0))
	return func() error { parallel(rows, grain, body); return nil }
}

// bindLayerNormGrad computes, for a row with g = dy * gamma and
// h = (x - mean) * inv,
//
//	dx = inv * (g - mean(g) - h * mean(g * h))
//
// and adds dy * h and dy over chunks of rows, then over the chunks in order.
func bindLayerNormGrad[T float](b *Backend, grad func(dx, dy, x, mean, inv, gamma []T, n int), add func(dgamma, dbeta []float64, dy, x, mean, inv []T, n int), out, in []*tensor.Tensor) func() error {
	dy, x, mean, inv, gamma := typed[T](in[0]), typed[T](in[1]), typed[T](in[2]), typed[T](in[3]), optional[T](in, 4)
	dx, dgamma, dbeta := optional[T](out, 0), optional[T](out, 1), optional[T](out, 2)
	n := in[0].Shape().Last()
	if n == 0 {
		return func() error { return nil }
	}
	rows := len(x) / n
	chunk := max(32, nestTile/n)
	chunks := (rows + chunk - 1) / chunk
	sums := dgamma != nil || dbeta != nil
	var part []float64 // [chunks, 2, n], from the scratch of each run
	body := func(lo, hi int) {
		var sg, sb []float64
		if sums {
			sg, sb = part[lo/chunk*2*n:][:n], part[(lo/chunk*2+1)*n:][:n]
			clear(sg)
			clear(sb)
		}
		d, v, m, s := dy[lo*n:hi*n], x[lo*n:hi*n], mean[lo:hi], inv[lo:hi]
		if sums {
			add(sg, sb, d, v, m, s, n)
		}
		if dx != nil {
			grad(dx[lo*n:hi*n], d, v, m, s, gamma, n)
		}
	}
	join := func(lo, hi int) {
		for i := lo; i < hi; i++ {
			var g, bt float64
			for c := range chunks {
				g += part[c*2*n+i]
				bt += part[(c*2+1)*n+i]
			}
			if dgamma != nil {
				dgamma[i] = T(g)
			}
			if dbeta != nil {
				dbeta[i] = T(bt)
			}
		}
	}
	b.scratch.need(8 * 2 * n * chunks)
	return func() error {
		var sc *scratch
		if sums {
			sc = b.scratch.take(8 * 2 * n * chunks)
			part = scratchOf[float64](sc, 0, 2*n*chunks)
		}
		parallel(rows, chunk, body)
		if sums {
			parallel(n, max(16, nestTile/max(chunks, 1)), join)
			part = nil
			b.scratch.give(sc)
		}
		return nil
	}
}
