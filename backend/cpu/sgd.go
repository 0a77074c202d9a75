package cpu

import (
	"strconv"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/codes"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.SGD{}, kernel{types: floats, bind: func(_ *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
		if in[0].DType() == tensor.F64 {
			return bindSGD[float64](op.(backend.SGD), in), nil
		}
		return bindSGD[float32](op.(backend.SGD), in), nil
	}})
}

// decimal returns the shortest decimal that gives v: 0.9 for float32(0.9).
// Factors such as 1-0.9 are then what other systems, which keep attributes in
// double precision, compute.
func decimal(v float32) float64 {
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	if err != nil { // An infinity; it is its own decimal.
		return float64(v)
	}
	return d
}

// bindSGD works on the inputs, which the outputs are.
func bindSGD[T float](op backend.SGD, in []*tensor.Tensor) func() error {
	param, grad, velocity, rate := typed[T](in[0]), typed[T](in[1]), optional[T](in, 2), in[3].F32()
	fixed, decay := T(decimal(op.Momentum)), T(decimal(op.WeightDecay))
	var moving []float32
	if len(in) > 4 && in[4] != nil {
		moving = in[4].F32()
	}
	grain := grainFor(len(param), 2)
	if _, ok := any(param).([]float32); ok {
		begin, update := sgdVectors(op, in)
		return func() error {
			begin()
			parallel(len(param), grain, update)
			return nil
		}
	}
	body := func(lo, hi int) {
		lr, mu := T(rate[0]), fixed
		if moving != nil {
			mu = T(decimal(moving[0]))
		}
		p, g := param[lo:hi], grad[lo:hi]
		if velocity == nil {
			for i, d := range g {
				d += T(decay * p[i])
				p[i] -= T(lr * d)
			}
			return
		}
		v := velocity[lo:hi]
		for i, d := range g {
			d += T(decay * p[i])
			s := T(mu*v[i]) + d
			v[i] = s
			if op.Nesterov {
				s = d + T(mu*s)
			}
			p[i] -= T(lr * s)
		}
	}
	return func() error { parallel(len(param), grain, body); return nil }
}

// sgdVectors returns what a run on float32 does first, and the update of
// elements [lo, hi).
func sgdVectors(op backend.SGD, in []*tensor.Tensor) (begin func(), update func(lo, hi int)) {
	p, g, v, rate, moving := in[0].F32(), in[1].F32(), optional[float32](in, 2), in[3].F32(), optional[float32](in, 4)
	fixed := float32(decimal(op.Momentum))
	f := codes.SGDFactors{Decay: float32(decimal(op.WeightDecay)), Nesterov: op.Nesterov}
	var last, exact float32 // The momentum, and its decimal, which is found anew when it changes.
	begin = func() {
		f.Rate, f.Momentum = rate[0], fixed
		if moving != nil {
			if moving[0] != last {
				last, exact = moving[0], float32(decimal(moving[0]))
			}
			f.Momentum = exact
		}
	}
	return begin, func(lo, hi int) {
		var part []float32
		if v != nil {
			part = v[lo:hi]
		}
		codes.SGD(f, p[lo:hi], g[lo:hi], part)
	}
}
