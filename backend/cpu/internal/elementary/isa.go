package elementary

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// kernels are the loops of an instruction set. All take counts of at least
// one, of any number, and rows that lie one after another.
type kernels struct {
	exp, sigmoid, tanh, gelu, geluTanh func(y, x *float32, n uintptr)
	geluGrad, geluTanhGrad             func(dx, dy, x *float32, n uintptr)
	expSum                             func(y, x *float32, shift, factor float32, n uintptr) float64
	softmaxRows                        func(y, x, most *float32, sum *float64, rows, n uintptr)
	gapRows                            func(sum *float64, x, most *float32, rows, n uintptr)
	scaleRows                          func(y, x, factor *float32, less, times float32, rows, n uintptr)
	softmaxGradRows                    func(dx, dy, y *float32, rows, n uintptr)
	divideBy                           func(y, x *float32, by float32, n uintptr)
	normRows                           func(y, x, mean, inv, gamma, beta *float32, eps float64, rows, n uintptr)
	normGradRows                       func(dx, dy, x, mean, inv, gamma *float32, rows, n uintptr)
	normSums                           func(dgamma, dbeta *float64, dy, x, mean, inv *float32, rows, n uintptr)
}

// family has no loops for Go alone, nor where a field is nil.
var family = isa.NewFamily("exponentials", &kernels{})
