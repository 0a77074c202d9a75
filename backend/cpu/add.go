package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/channels"
	"github.com/goqat/goqat/tensor"
)

func init() {
	floats, add := addLoops[float32](), channels.For[float32]().Add
	floats.both = func(z, a, b []float32) {
		if len(z) > 0 && &z[0] != &a[0] {
			copy(z, a)
		}
		add(z, b)
	}
	register(backend.Add{}, broadcastKernel(floats, addLoops[float64](), addLoops[int32](), addLoops[int64]()))
}

func addLoops[T tensor.Element]() broadcastLoops[T] {
	return broadcastLoops[T]{
		both: func(z, a, b []T) {
			z, b = z[:len(a)], b[:len(a)]
			for i, v := range a {
				z[i] = v + b[i]
			}
		},
		second: func(z, a []T, b T) {
			z = z[:len(a)]
			for i, v := range a {
				z[i] = v + b
			}
		},
		first: func(z []T, a T, b []T) {
			z = z[:len(b)]
			for i, v := range b {
				z[i] = a + v
			}
		},
	}
}
