package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.Flatten{}, viewCopy)
}

// viewCopy serves callers that run a view as an operation of its own.
var viewCopy = kernel{types: movable, bind: func(_ *Backend, _ backend.Op, out, in []*tensor.Tensor) (func() error, error) {
	dst, src := out[0].Bytes(), in[0].Bytes()
	grain := grainFor(len(dst), 1)
	body := func(lo, hi int) { copy(dst[lo:hi], src[lo:hi]) }
	return func() error { parallel(len(dst), grain, body); return nil }, nil
}}
