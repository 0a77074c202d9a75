//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda/nccl"
	"github.com/goqat/goqat/tensor"
)

func init() {
	floats := []tensor.DType{tensor.F32, tensor.F64}
	register(backend.AllReduce{}, kernel{types: floats, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		if k.member == nil {
			return nil
		}
		o := op.(backend.AllReduce)
		var list []nccl.Tensor
		for i, x := range in {
			t := nccl.Tensor{P: x.ptr, Count: x.numel(), Double: x.spec.DType == tensor.F64, Op: nccl.Mean}
			switch o.Reduction(i) {
			case backend.RanksLeast:
				t.Op = nccl.Least
			case backend.RanksGreatest:
				t.Op = nccl.Greatest
			}
			list = append(list, t)
		}
		r := k.member.rank.NewReduce(list, o.Overlap)
		k.k.r.collective = true
		k.onRelease(r.Free)
		k.command(r.Command())
		return nil
	}})
	register(backend.AllReduceWait{}, kernel{types: floats, bind: func(k *build, _ backend.Op, _, _ []*Buffer) error {
		if k.member != nil {
			k.command(k.member.rank.Wait())
		}
		return nil
	}})
}
