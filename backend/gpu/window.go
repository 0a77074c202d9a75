//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// window returns the arguments of csrc/window.cuh: a kernel that slides over x
// with result y. Sequences are images of height 1.
func window(w backend.Window, size [2]int, x, y tensor.Shape) []any {
	h, wd, oh, ow := 1, x[1], 1, y[1]
	w = w.Normal()
	if len(x) == 3 {
		w, size[0] = w.Length(), 1
	} else {
		h, wd, oh, ow = x[1], x[2], y[1], y[2]
	}
	var args []any
	for _, v := range []int{h, wd, x.Last(), oh, ow, size[0], size[1], w.Stride[0], w.Stride[1], w.Dilation[0], w.Dilation[1], w.Pad[0], w.Pad[1]} {
		args = append(args, int32(v))
	}
	return args
}

// after returns the padding behind the input, bottom and right.
func after(w backend.Window, rank int) (bottom, right int32) {
	if rank == 3 {
		w = w.Length()
	}
	return int32(w.Pad[2]), int32(w.Pad[3])
}
