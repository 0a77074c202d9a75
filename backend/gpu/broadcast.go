//go:build cuda

package gpu

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/tensor"
)

// broadcastDims bounds the dimensions that kernels with broadcast walk, after
// neighbours are joined.
const broadcastDims = 6

// broadcastKernel is the kernel of z = f(a, b) with broadcast.
func broadcastKernel(module string, types []tensor.DType) kernel {
	return kernel{module: module, supports: func(_ backend.Op, in []tensor.Spec) bool {
		if len(in) != 2 {
			return false
		}
		for _, t := range types {
			if in[0].DType == t {
				_, ok := newBroadcast(in[0].Shape, in[1].Shape)
				return ok
			}
		}
		return false
	}, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n, suffix := out[0].numel(), suffixes[in[0].spec.DType]
		if in[0].spec.Shape.Equal(in[1].spec.Shape) {
			return k.launch(module+"_"+suffix, k.elementwise(n), out[0], in[0], in[1], int64(n))
		}
		b, _ := newBroadcast(in[0].spec.Shape, in[1].spec.Shape)
		args := append([]any{out[0], in[0], in[1], int64(n)}, b.arguments()...)
		grid := cuda.Launch{Grid: cuda.Dim{X: min((n+threads-1)/threads, 1<<20)}, Block: cuda.Dim{X: threads}}
		return k.launch(module+"_broadcast_"+suffix, grid, args...)
	}}
}

// broadcast is how the operands of an elementwise operation are walked:
// dimensions innermost first, with the stride of each operand, 0 where it is
// repeated.
type broadcast struct {
	dims, a, b [broadcastDims]int
}

// arguments returns the walk as kernels take it: BROADCAST_ARGUMENTS of
// csrc/broadcast.cuh.
func (w *broadcast) arguments() []any {
	var args []any
	for _, d := range w.dims {
		args = append(args, int32(d))
	}
	for _, strides := range [2][broadcastDims]int{w.a, w.b} {
		for _, s := range strides {
			args = append(args, int64(s))
		}
	}
	return args
}

// newBroadcast joins neighbouring dimensions that both operands walk as one;
// false when too many are left, or when a and b do not broadcast.
func newBroadcast(a, b tensor.Shape) (w broadcast, ok bool) {
	to, err := tensor.Broadcast(a, b)
	if err != nil {
		return w, false
	}
	sa, sb := repeatStrides(a, len(to)), repeatStrides(b, len(to))
	n := 0
	for i := range w.dims {
		w.dims[i] = 1
	}
	for d := len(to) - 1; d >= 0; d-- {
		if to[d] == 1 {
			continue
		}
		if n > 0 && sa[d] == w.a[n-1]*w.dims[n-1] && sb[d] == w.b[n-1]*w.dims[n-1] && w.dims[n-1]*to[d] <= math.MaxInt32 {
			w.dims[n-1] *= to[d]
			continue
		}
		if n == broadcastDims {
			return w, false
		}
		w.dims[n], w.a[n], w.b[n] = to[d], sa[d], sb[d]
		n++
	}
	return w, true
}

// repeatStrides returns the strides of a dense tensor of shape s in dims
// dimensions, 0 where it is repeated.
func repeatStrides(s tensor.Shape, dims int) []int {
	strides := make([]int, dims)
	dense := s.Strides()
	skip := dims - len(s)
	for i, n := range s {
		if n > 1 {
			strides[skip+i] = dense[i]
		}
	}
	return strides
}
