package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
)

func init() {
	register(backend.Gelu{}, elementwiseOne(3,
		func(op backend.Op) func(y, x []float32) {
			if op.(backend.Gelu).Tanh {
				return elementary.GeluTanh
			}
			return elementary.Gelu
		},
		func(op backend.Op) func(y, x []float64) {
			if op.(backend.Gelu).Tanh {
				return elementary.GeluTanhOf64
			}
			return elementary.GeluOf64
		}))
	register(backend.GeluGrad{}, elementwiseTwo(4,
		func(op backend.Op) func(dx, dy, x []float32) {
			if op.(backend.GeluGrad).Tanh {
				return elementary.GeluTanhGrad
			}
			return elementary.GeluGrad
		},
		func(op backend.Op) func(dx, dy, x []float64) {
			if op.(backend.GeluGrad).Tanh {
				return elementary.GeluTanhGradOf64
			}
			return elementary.GeluGradOf64
		}))
}
