package cpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.Reshape{}, viewCopy)
}
