package cpu

import (
	"runtime"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.KLDivergence{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, out, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindKLDivergence(b, op.(backend.KLDivergence), out, in, elementary.ExpSum64), nil
		}
		return bindKLDivergence(b, op.(backend.KLDivergence), out, in, elementary.ExpSum), nil
	}})
}

func bindKLDivergence[T float](b *Backend, op backend.KLDivergence, out, in []*tensor.Tensor, expSum func(y, x []T, shift, factor T) float64) func() error {
	student, teacher := typed[T](in[0]), typed[T](in[1])
	loss, diff := optional[T](out, 0), optional[T](out, 1)
	n := in[0].Shape().Last()
	rows := in[0].Shape()[:len(in[0].Shape())-1].Numel()
	temp := float64(op.Temperature)
	cold := T(1 / temp)
	var losses []float64
	body := func(lo, hi int) {
		sc := b.scratch.take(8 * 2 * n)
		both := scratchOf[T](sc, 0, 2*n)
		p, q := both[:n], both[n:]
		for r := lo; r < hi; r++ {
			s, t := student[r*n:][:n], teacher[r*n:][:n]
			ms, mt := elementary.Max(s), elementary.Max(t)
			sumP, sumQ := expSum(p, s, ms, cold), expSum(q, t, mt, cold)
			// log q - log p = (t - s)/T - shift
			shift := (float64(mt)-float64(ms))/temp + (elementary.Log(sumQ) - elementary.Log(sumP))
			fp, fq := T(1/sumP), T(1/sumQ)
			var l float64
			for i := range p {
				qi := q[i] * fq
				if qi != 0 { // 0 log 0 = 0, where log p may be infinite.
					l += float64(float64(qi) * ((float64(t[i])-float64(s[i]))/temp - shift))
				}
				if diff != nil {
					diff[r*n+i] = T(p[i]*fp) - T(qi)
				}
			}
			losses[r] = l
		}
		b.scratch.give(sc)
	}
	grain := max(1, nestTile/8/max(n, 1))
	b.scratch.need(8*rows + 8*2*n*runtime.GOMAXPROCS(0))
	return func() error {
		sc := b.scratch.take(8 * rows)
		losses = scratchOf[float64](sc, 0, rows)
		parallel(rows, grain, body)
		if loss != nil {
			var sum float64
			for _, l := range losses {
				sum += l
			}
			loss[0] = T(temp * temp * sum / float64(rows))
		}
		losses = nil
		b.scratch.give(sc)
		return nil
	}
}
