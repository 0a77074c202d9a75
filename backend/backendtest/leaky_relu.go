package backendtest

import "github.com/goqat/goqat/backend"

func init() {
	Elementwise(backend.LeakyRelu{Alpha: 0.25}, func(x float64) float64 { return max(x, x/4) })
	elementwiseGrad(backend.LeakyReluGrad{Alpha: 0.25}, identity, func(dy, x float64) float64 {
		if x > 0 {
			return dy
		}
		return dy / 4
	})
}
