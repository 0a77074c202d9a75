package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Div{}, broadcastKernel(divLoops[float32](), divLoops[float64](), broadcastLoops[int32]{}, broadcastLoops[int64]{}))
}

func divLoops[T float]() broadcastLoops[T] {
	return broadcastLoops[T]{
		both: func(z, a, b []T) {
			z, b = z[:len(a)], b[:len(a)]
			for i, v := range a {
				z[i] = v / b[i]
			}
		},
		second: func(z, a []T, b T) {
			z = z[:len(a)]
			for i, v := range a {
				z[i] = v / b
			}
		},
		first: func(z []T, a T, b []T) {
			z = z[:len(b)]
			for i, v := range b {
				z[i] = a / v
			}
		},
	}
}
