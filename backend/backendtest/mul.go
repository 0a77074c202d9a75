package backendtest

import "github.com/goqat/goqat/backend"

func init() {
	broadcast(backend.Mul{}, true, func(a, b float64) float64 { return a * b })
}
