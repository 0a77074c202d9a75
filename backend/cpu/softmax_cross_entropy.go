package cpu

import (
	"fmt"
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.SoftmaxCrossEntropy{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		smooth := op.(backend.SoftmaxCrossEntropy).Smoothing
		if in[0].DType() == tensor.F64 {
			return bindCrossEntropy(b, smooth, expRows64, optional[float64](out, 1), nil, out, in), nil
		}
		return bindCrossEntropy(b, smooth, expRows32, optional[float32](out, 1), nil, out, in), nil
	}})
	register(backend.SoftmaxCrossEntropyTrain{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		smooth := op.(backend.SoftmaxCrossEntropyTrain).Smoothing
		if in[0].DType() == tensor.F64 {
			return bindCrossEntropy(b, smooth, expRows64, nil, optional[float64](out, 1), out, in), nil
		}
		return bindCrossEntropy(b, smooth, expRows32, nil, optional[float32](out, 1), out, in), nil
	}})
	register(backend.SoftmaxCrossEntropyGrad{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		smooth := op.(backend.SoftmaxCrossEntropyGrad).Smoothing
		if in[1].DType() == tensor.F64 {
			return bindCrossEntropyGrad(b, smooth, expRows64, out[0], in), nil
		}
		return bindCrossEntropyGrad(b, smooth, expRows32, out[0], in), nil
	}})
}

// targets are what a class loses of its probability: rest, and hit more when
// it is the label.
func targets[T float](smoothing float32, classes int) (hit, rest T) {
	smooth := decimal(smoothing)
	return T(1 - smooth), T(smooth / float64(max(classes, 1)))
}

// bindCrossEntropy computes the loss of each row in float64 and adds them in
// order, and writes the probabilities, or the gradient for a loss that is the
// root, while the row is in the cache. One of prob and dx is nil, or both.
func bindCrossEntropy[T float](b *Backend, smoothing float32, of expRows[T], prob, dx []T, out, in []*tensor.Tensor) func() error {
	x, labels, loss := typed[T](in[0]), in[1].I32(), optional[T](out, 0)
	n, rows := in[0].Shape().Last(), len(labels)
	smooth := decimal(smoothing)
	hit, rest := targets[T](smoothing, n)
	f := T(1 / float64(rows))
	to := prob
	if dx != nil {
		to = dx
	}
	// Of every row: its loss, the sum of its exponentials and their largest.
	var losses, sums []float64
	var most []T
	body := func(lo, hi int) {
		var sc *scratch
		y := to
		if y != nil {
			y = y[lo*n : hi*n]
		} else {
			sc = b.scratch.take(8 * n * (hi - lo))
			y = scratchOf[T](sc, 0, n*(hi-lo))
		}
		rows, labels, losses, sums, most := x[lo*n:hi*n], labels[lo:hi], losses[lo:hi], sums[lo:hi], most[lo:hi]
		of.softmax(y, rows, n, most, sums)
		if smooth != 0 {
			of.gap(losses, rows, n, most)
		}
		for r, label := range labels {
			at := r*n + int(label)
			ln := elementary.Log(sums[r])
			l := float64((1 - smooth) * (float64(most[r]) + ln - float64(rows[at])))
			if smooth != 0 {
				l += float64(smooth * (ln + losses[r]/float64(n)))
			}
			losses[r] = l
			most[r] = T(1 / sums[r])
			sums[r] = float64(f * (T(y[at]*most[r]) - rest - hit))
		}
		switch {
		case dx != nil:
			of.scale(y, y, n, most, rest, f)
			for r, label := range labels {
				y[r*n+int(label)] = T(sums[r])
			}
		case prob != nil:
			of.scale(y, y, n, most, 0, 1)
		}
		if sc != nil {
			b.scratch.give(sc)
		}
	}
	grain := max(1, nestTile/max(n, 1))
	b.scratch.need(24*rows + 8*n*min(grain, rows)*runtime.GOMAXPROCS(0))
	return func() error {
		for r, l := range labels {
			if l < 0 || int(l) >= n {
				return fmt.Errorf("cpu: row %d has label %d of %d classes: %w", r, l, n, backend.ErrIndex)
			}
		}
		sc := b.scratch.take(24 * rows)
		losses, sums, most = scratchOf[float64](sc, 0, rows), scratchOf[float64](sc, 8*rows, rows), scratchOf[T](sc, 16*rows, rows)
		parallel(rows, grain, body)
		if loss != nil {
			var sum float64
			for _, l := range losses {
				sum += l
			}
			loss[0] = T(sum / float64(rows))
		}
		losses, sums, most = nil, nil, nil
		b.scratch.give(sc)
		return nil
	}
}

func bindCrossEntropyGrad[T float](b *Backend, smoothing float32, of expRows[T], out *tensor.Tensor, in []*tensor.Tensor) func() error {
	dx, dloss, prob, labels := typed[T](out), typed[T](in[0]), typed[T](in[1]), in[2].I32()
	n, rows := out.Shape().Last(), len(labels)
	hit, rest := targets[T](smoothing, n)
	body := func(lo, hi int) {
		f := T(float64(dloss[0]) / float64(rows))
		sc := b.scratch.take(16 * (hi - lo))
		ones, hits := scratchOf[T](sc, 0, hi-lo), scratchOf[T](sc, 8*(hi-lo), hi-lo)
		d, p, labels := dx[lo*n:hi*n], prob[lo*n:hi*n], labels[lo:hi]
		for r, l := range labels {
			ones[r] = 1
			if l >= 0 && int(l) < n {
				hits[r] = f * (p[r*n+int(l)] - rest - hit) // Before dx, which may be prob, has it.
			}
		}
		of.scale(d, p, n, ones, rest, f)
		for r, l := range labels {
			if l >= 0 && int(l) < n {
				d[r*n+int(l)] = hits[r]
			}
		}
		b.scratch.give(sc)
	}
	grain := max(1, nestTile/max(n, 1))
	b.scratch.need(16 * min(grain, rows) * runtime.GOMAXPROCS(0))
	return func() error {
		if n > 0 {
			parallel(rows, grain, body)
		}
		return nil
	}
}
