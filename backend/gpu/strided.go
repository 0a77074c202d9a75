//go:build cuda

package gpu

import (
	"math"
	"strconv"

	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// stridedDims are the dimensions that kernels of copies walk: all that a tensor
// may have.
const stridedDims = tensor.MaxRank

// walkOf joins neighbouring dimensions of shape s that both sides walk as one:
// dimensions innermost first, unused ones 1, and the strides of both.
func walkOf(s tensor.Shape, to, from []int) (dims [stridedDims]int32, d, f [stridedDims]int64) {
	n := 0
	for i := range dims {
		dims[i] = 1
	}
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == 1 {
			continue
		}
		if n > 0 && int64(to[i]) == d[n-1]*int64(dims[n-1]) && int64(from[i]) == f[n-1]*int64(dims[n-1]) && int(dims[n-1])*s[i] <= math.MaxInt32 {
			dims[n-1] *= int32(s[i])
			continue
		}
		dims[n], d[n], f[n] = int32(s[i]), int64(to[i]), int64(from[i])
		n++
	}
	return dims, d, f
}

// stridedCopy launches the copy of the elements of shape s, of so many bytes,
// by kernels of csrc/strided.cuh.
func stridedCopy(k *build, name string, dst, src cuda.Ptr, bytes int, s tensor.Shape, to, from []int) error {
	dims, d, f := walkOf(s, to, from)
	count := s.Numel()
	args := []any{dst, src, int64(count)}
	for _, v := range dims {
		args = append(args, v)
	}
	for _, v := range d {
		args = append(args, v)
	}
	for _, v := range f {
		args = append(args, v)
	}
	return k.launch(name+"_"+strconv.Itoa(bytes), k.elementwise(count), args...)
}

// width returns the bytes of an element.
func width(t tensor.DType) int { return tensor.Of(t, 1).Bytes() }
