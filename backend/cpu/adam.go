package cpu

import (
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Adam{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindAdam[float64](op.(backend.Adam), in), nil
		}
		return bindAdam[float32](op.(backend.Adam), in), nil
	}})
}

// powInt returns x^n by squaring: math.Pow promises no bits.
func powInt(x float64, n int64) float64 {
	r := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			r *= x
		}
		x *= x
	}
	return r
}

// bindAdam works on the inputs, which the outputs are.
func bindAdam[T float](op backend.Adam, in []*tensor.Tensor) func() error {
	begin, update := adamSteps[T](op, in)
	n := in[0].Numel()
	grain := grainFor(n, 6)
	return func() error {
		if err := begin(); err != nil {
			return err
		}
		parallel(n, grain, update)
		return nil
	}
}

// adamSteps returns what a run does first, and the update of elements [lo, hi).
func adamSteps[T float](op backend.Adam, in []*tensor.Tensor) (begin func() error, update func(lo, hi int)) {
	param, grad, first, second := typed[T](in[0]), typed[T](in[1]), typed[T](in[2]), typed[T](in[3])
	rate, step := in[4].F32(), in[5].I64()
	b1, b2, decay := decimal(op.Beta1), decimal(op.Beta2), decimal(op.WeightDecay)
	take, keep2, take2, eps := T(1-b1), T(b2), T(1-b2), T(decimal(op.Eps))
	coupled := T(0)
	if !op.Decoupled {
		coupled = T(decay)
	}
	var size, root, shrink T
	body := func(lo, hi int) {
		p, g, m, v := param[lo:hi], grad[lo:hi], first[lo:hi], second[lo:hi]
		for i, d := range g {
			w := p[i] * shrink
			d += T(coupled * w)
			a := m[i] + T(take*(d-m[i]))
			b := T(keep2*v[i]) + T(take2*d*d)
			m[i], v[i] = a, b
			p[i] = w - T(size*a/(T(math.Sqrt(float64(b)))/root+eps))
		}
	}
	if p, ok := any(param).([]float32); ok {
		g, m, v := any(grad).([]float32), any(first).([]float32), any(second).([]float32)
		body = func(lo, hi int) {
			f := codes.AdamFactors{Shrink: float32(shrink), Coupled: float32(coupled), Take: float32(take), Keep2: float32(keep2), Take2: float32(take2),
				Size: float32(size), Root: float32(root), Eps: float32(eps)}
			codes.Adam(f, p[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi])
		}
	}
	return func() error {
		t := step[0]
		if t < 1 {
			return fmt.Errorf("cpu: the step of adam is %d: it counts from 1", t)
		}
		lr := float64(rate[0])
		size = T(lr / (1 - powInt(b1, t)))
		root = T(math.Sqrt(1 - powInt(b2, t)))
		shrink = 1
		if op.Decoupled {
			shrink = T(1 - float64(lr*decay))
		}
		return nil
	}, body
}
