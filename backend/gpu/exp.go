//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Exp{}, pointwiseOne("exp", "exp_f32"))
}
