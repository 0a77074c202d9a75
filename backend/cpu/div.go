package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/elementary"
)

func init() {
	register(backend.Div{}, broadcastKernel(divLoops(elementary.DivideBy), divLoops(elementary.DivideBy64), broadcastLoops[int32]{}, broadcastLoops[int64]{}))
}

// divLoops has by for the quotients by one number.
func divLoops[T float](by func(z, a []T, b T)) broadcastLoops[T] {
	return broadcastLoops[T]{
		both: func(z, a, b []T) {
			z, b = z[:len(a)], b[:len(a)]
			for i, v := range a {
				z[i] = v / b[i]
			}
		},
		second: by,
		first: func(z []T, a T, b []T) {
			z = z[:len(b)]
			for i, v := range b {
				z[i] = a / v
			}
		},
	}
}
