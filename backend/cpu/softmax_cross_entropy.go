package cpu

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.SoftmaxCrossEntropy{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindCrossEntropy(b, op.(backend.SoftmaxCrossEntropy), out, in, expSum64), nil
		}
		return bindCrossEntropy(b, op.(backend.SoftmaxCrossEntropy), out, in, expSum32), nil
	}})
	register(backend.SoftmaxCrossEntropyGrad{}, kernel{types: []tensor.DType{tensor.F32, tensor.F64}, bind: func(_ *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[1].DType() == tensor.F64 {
			return bindCrossEntropyGrad[float64](op.(backend.SoftmaxCrossEntropyGrad), out[0], in), nil
		}
		return bindCrossEntropyGrad[float32](op.(backend.SoftmaxCrossEntropyGrad), out[0], in), nil
	}})
}

// bindCrossEntropy computes the loss of each row in float64 and adds them in
// order.
func bindCrossEntropy[T float](b *Backend, op backend.SoftmaxCrossEntropy, out, in []*tensor.Tensor, expSum func(y, x []T, shift, factor T) float64) func() error {
	x, labels := typed[T](in[0]), in[1].I32()
	loss, prob := optional[T](out, 0), optional[T](out, 1)
	n, rows := in[0].Shape().Last(), len(labels)
	smooth := decimal(op.Smoothing)
	var losses []float64
	body := func(lo, hi int) {
		var sc *scratch
		var y []T
		if prob == nil {
			sc = b.scratch.take(8 * n)
			y = scratchOf[T](sc, 0, n)
		}
		for r := lo; r < hi; r++ {
			row := x[r*n:][:n]
			if prob != nil {
				y = prob[r*n:][:n]
			}
			m := rowMax(row)
			sum := expSum(y, row, m, 1)
			ln := float64(m) + logStable(sum)
			l := float64((1 - smooth) * (ln - float64(row[labels[r]])))
			if smooth != 0 {
				var all float64
				for _, v := range row {
					all += ln - float64(v)
				}
				l += float64(smooth * all / float64(n))
			}
			losses[r] = l
			if prob != nil {
				scaleRow(y, T(1/sum))
			}
		}
		if sc != nil {
			b.scratch.give(sc)
		}
	}
	grain := max(1, nestTile/4/max(n, 1))
	b.scratch.need(8 * rows)
	return func() error {
		for r, l := range labels {
			if l < 0 || int(l) >= n {
				return fmt.Errorf("cpu: row %d has label %d of %d classes: %w", r, l, n, backend.ErrIndex)
			}
		}
		sc := b.scratch.take(8 * rows)
		losses = scratchOf[float64](sc, 0, rows)
		parallel(rows, grain, body)
		if loss != nil {
			var sum float64
			for _, l := range losses {
				sum += l
			}
			loss[0] = T(sum / float64(rows))
		}
		losses = nil
		b.scratch.give(sc)
		return nil
	}
}

func bindCrossEntropyGrad[T float](op backend.SoftmaxCrossEntropyGrad, out *tensor.Tensor, in []*tensor.Tensor) func() error {
	dx, dloss, prob, labels := typed[T](out), typed[T](in[0]), typed[T](in[1]), in[2].I32()
	n, rows := out.Shape().Last(), len(labels)
	smooth := decimal(op.Smoothing)
	hit := T(1 - smooth)
	rest := T(smooth / float64(max(n, 1)))
	body := func(lo, hi int) {
		f := T(float64(dloss[0]) / float64(rows))
		for r := lo; r < hi; r++ {
			d, p := dx[r*n:][:n], prob[r*n:][:n]
			l, of := int(labels[r]), T(0)
			if l >= 0 && l < n {
				of = p[l] // Before dx, which may be prob, has it.
			}
			for i, v := range p {
				d[i] = f * (v - rest)
			}
			if l >= 0 && l < n {
				d[l] = f * (of - rest - hit)
			}
		}
	}
	grain := max(1, nestTile/max(n, 1))
	return func() error { parallel(rows, grain, body); return nil }
}
