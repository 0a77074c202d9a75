package cpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.LayerNorm{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindLayerNorm[float64](op.(backend.LayerNorm), out, in), nil
		}
		return bindLayerNorm[float32](op.(backend.LayerNorm), out, in), nil
	}})
	register(backend.LayerNormGrad{}, kernel{types: floats, bind: func(b *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindLayerNormGrad[float64](b, out, in), nil
		}
		return bindLayerNormGrad[float32](b, out, in), nil
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

// moments returns mean and biased variance of a row, in float64.
func moments[T float](x []T) (mean, variance float64) {
	for _, v := range x {
		mean += float64(v)
	}
	n := float64(len(x))
	mean /= n
	for _, v := range x {
		d := float64(v) - mean
		variance += float64(d * d)
	}
	return mean, variance / n
}

func bindLayerNorm[T float](op backend.LayerNorm, out, in []*tensor.Tensor) func() error {
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
	body := func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := x[r*n:][:n]
			m64, v64 := moments(row)
			m, s := T(m64), T(1/math.Sqrt(v64+float64(op.Eps)))
			if mean != nil {
				mean[r] = m
			}
			if inv != nil {
				inv[r] = s
			}
			if y == nil {
				continue
			}
			dst := y[r*n:][:n]
			for i, v := range row {
				dst[i] = (v - m) * s
			}
			for i, g := range gamma { // None when absent.
				dst[i] *= g
			}
			for i, b := range beta {
				dst[i] += b
			}
		}
	}
	grain := max(1, nestTile/n)
	return func() error { parallel(rows, grain, body); return nil }
}

// bindLayerNormGrad computes, for a row with g = dy * gamma and
// h = (x - mean) * inv,
//
//	dx = inv * (g - mean(g) - h * mean(g * h))
//
// and adds dy * h and dy over chunks of rows, then over the chunks in order.
func bindLayerNormGrad[T float](b *Backend, out, in []*tensor.Tensor) func() error {
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
		for r := lo; r < hi; r++ {
			d, v, m, s := dy[r*n:][:n], x[r*n:][:n], mean[r], inv[r]
			if sums {
				for i, e := range d {
					sg[i] += float64(e * ((v[i] - m) * s))
					sb[i] += float64(e)
				}
			}
			if dx != nil {
				layerNormRow(dx[r*n:][:n], d, v, gamma, m, s)
			}
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

func layerNormRow[T float](dx, dy, x, gamma []T, m, s T) {
	var sum, dot float64
	for i, d := range dy {
		if gamma != nil {
			d *= gamma[i]
		}
		dx[i] = d
		sum += float64(d)
		dot += float64(d * ((x[i] - m) * s))
	}
	n := float64(len(dy))
	mg, mh := T(sum/n), T(dot/n)
	for i, g := range dx {
		h := (x[i] - m) * s
		dx[i] = s * (g - mg - T(h*mh))
	}
}
