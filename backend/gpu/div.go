//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Div{}, broadcastKernel("div", f32))
}
