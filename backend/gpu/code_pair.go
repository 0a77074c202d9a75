//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// codePair is an operation on two tensors of codes.
type codePair struct {
	rule   quant.Rule
	scheme quant.Scheme
	lo, hi float32
}

// codePairKernel is the kernel of an operation on two tensors of codes with
// broadcast (csrc/code_pair.cuh).
func codePairKernel(module string, of func(backend.Op) codePair) kernel {
	return kernel{module: module, supports: func(_ backend.Op, in []tensor.Spec) bool {
		if len(in) != 8 || !in[0].DType.Code() || !in[3].DType.Code() {
			return false
		}
		_, ok := newBroadcast(in[0].Shape, in[3].Shape)
		return ok
	}, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		shape, err := tensor.Broadcast(in[0].spec.Shape, in[3].spec.Shape)
		if err != nil {
			return err
		}
		o, n := of(op), shape.Numel()
		var signs int32
		for i, x := range []*Buffer{in[0], in[3]} {
			if x.spec.DType == tensor.I8 {
				signs |= 1 << i
			}
		}
		lo, hi := o.scheme.Range()
		args := []any{out[0], out[1], in[0], in[3], in[1], in[2], in[4], in[5], in[6], in[7], int64(n), signs, o.lo, o.hi,
			ruleFlags(o.rule), int32(o.rule.Requant), lo, hi}
		if in[0].numel() == n && in[3].numel() == n {
			return k.launch(module, k.elementwise(n), args...)
		}
		b, _ := newBroadcast(in[0].spec.Shape, in[3].spec.Shape)
		return k.launch(module+"_broadcast", k.elementwise(n), append(args, b.arguments()...)...)
	}}
}
