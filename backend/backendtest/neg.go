package backendtest

import "github.com/goqat/goqat/backend"

func init() {
	Elementwise(backend.Neg{}, func(x float64) float64 { return -x })
}
