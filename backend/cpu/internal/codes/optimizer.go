package codes

import "math"

// SGDFactors are what a step of stochastic gradient descent multiplies by.
type SGDFactors struct {
	Rate, Momentum, Decay float32
	Nesterov              bool
}

// SGD updates param by grad, and velocity unless it is nil, every step of the
// formula of backend.SGD rounded.
func SGD(f SGDFactors, param, grad, velocity []float32) {
	grad = grad[:len(param)]
	if velocity != nil {
		velocity = velocity[:len(param)]
	}
	for i := sgd(f, param, grad, velocity); i < len(param); i++ {
		d := float32(f.Decay*param[i]) + grad[i]
		if velocity != nil {
			s := float32(f.Momentum*velocity[i]) + d
			velocity[i] = s
			if f.Nesterov {
				s = d + float32(f.Momentum*s)
			}
			d = s
		}
		param[i] -= float32(f.Rate * d)
	}
}

// AdamFactors are what a step of Adam multiplies by.
type AdamFactors struct {
	Shrink, Coupled, Take, Keep2, Take2, Size, Root, Eps float32
}

// Adam updates param and its moments by grad, every step rounded:
//
//	w = param * Shrink, d = grad + Coupled*w
//	first += Take * (d - first), second = Keep2*second + Take2*d*d
//	param = w - Size*first / (sqrt(second)/Root + Eps)
func Adam(f AdamFactors, param, grad, first, second []float32) {
	grad, first, second = grad[:len(param)], first[:len(param)], second[:len(param)]
	for i := adam(f, param, grad, first, second); i < len(param); i++ {
		w := float32(param[i] * f.Shrink)
		d := grad[i] + float32(f.Coupled*w)
		a := first[i] + float32(f.Take*(d-first[i]))
		b := float32(f.Keep2*second[i]) + float32(float32(f.Take2*d)*d)
		first[i], second[i] = a, b
		param[i] = w - float32(float32(f.Size*a)/(float32(math.Sqrt(float64(b)))/f.Root+f.Eps))
	}
}
