package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
)

func init() {
	clip := func(x float64) float64 { return math.Min(math.Max(x, -1.5), 4) }
	Elementwise(backend.Clip{Lo: -1.5, Hi: 4}, clip)
	elementwiseGrad(backend.ClipGrad{Lo: -1.5, Hi: 4}, clip, func(dy, y float64) float64 {
		if y > -1.5 && y < 4 {
			return dy
		}
		return 0
	})
}
