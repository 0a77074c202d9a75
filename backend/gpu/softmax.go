//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.Softmax{}, kernel{module: "softmax", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.Softmax)
		return softmaxLines(k, "softmax", o.Axis, o.Log, out[0], in[0])
	}})
	register(backend.SoftmaxGrad{}, kernel{module: "softmax", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.SoftmaxGrad)
		return softmaxLines(k, "softmax_grad", o.Axis, o.Log, out[0], in[0], in[1])
	}})
}

// rowThreads is the block size of kernels in which a block handles a row.
const rowThreads = 128

// blocks returns the launch of n blocks, one a row.
func blocks(n int) cuda.Launch {
	return cuda.Launch{Grid: cuda.Dim{X: n}, Block: cuda.Dim{X: rowThreads}}
}

// softmaxLines handles each line along the axis in a block.
func softmaxLines(k *build, name string, axis int, log bool, tensors ...*Buffer) error {
	s := tensors[0].spec.Shape
	axis, err := backend.Axis(axis, len(s))
	if err != nil {
		return err
	}
	lines := s[:axis].Numel() * s[axis+1:].Numel()
	if s[axis] == 0 {
		return nil
	}
	var args []any
	for _, t := range tensors {
		args = append(args, t)
	}
	return k.launch(name, blocks(lines), append(args, int32(s[axis]), int64(s[axis+1:].Numel()), flag32(log))...)
}

// flag32 is b as kernels take it.
func flag32(b bool) int32 {
	if b {
		return 1
	}
	return 0
}
