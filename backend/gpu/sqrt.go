//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Sqrt{}, pointwiseOne("sqrt", "sqrt_f32"))
}
