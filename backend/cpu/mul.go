package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Mul{}, broadcastKernel(mulLoops[float32](), mulLoops[float64](), mulLoops[int32](), mulLoops[int64]()))
}

func mulLoops[T tensor.Element]() broadcastLoops[T] {
	return broadcastLoops[T]{
		both: func(z, a, b []T) {
			z, b = z[:len(a)], b[:len(a)]
			for i, v := range a {
				z[i] = v * b[i]
			}
		},
		second: func(z, a []T, b T) {
			z = z[:len(a)]
			for i, v := range a {
				z[i] = v * b
			}
		},
		first: func(z []T, a T, b []T) {
			z = z[:len(b)]
			for i, v := range b {
				z[i] = a * v
			}
		},
	}
}
