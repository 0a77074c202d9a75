//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
)

func init() {
	register(backend.LSQGrad{}, kernel{module: "lsq_grad", types: halves, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.LSQGrad)
		q, err := newQuantizer(o.Rule, o.Scheme, in[1].spec.Shape)
		if err != nil {
			return err
		}
		if q.n == 0 {
			k.zero(out[1])
			return nil
		}
		nan, err := k.nanFlag()
		if err != nil {
			return err
		}
		c, count := q.layout.Channels, q.layout.Outer*q.layout.Inner
		chunk := max(4096, (count+1023)/1024)
		chunks := (count + chunk - 1) / chunk
		parts, err := k.temporary(int64(8 * chunks * c))
		if err != nil {
			return err
		}
		grid := cuda.Launch{Grid: cuda.Dim{X: chunks * c}, Block: cuda.Dim{X: threads}}
		if err := k.launch(lsqKernel(in[0], in[1]), grid, out[0], parts, in[0], in[1], in[2], in[3], int64(count), int64(chunk), int32(c), int64(q.layout.Inner),
			q.rule, q.lo, q.hi, nan); err != nil || out[1] == nil {
			return err
		}
		return k.launch("lsq_grad_scale", perChannel(c), out[1], parts, int32(chunks), int32(c), quant.LSQFactor(count, q.hi))
	}})
}

// lsqKernel is the kernel for the types of dy and x.
func lsqKernel(dy, x *Buffer) string {
	if dy.spec.DType == x.spec.DType {
		return ofReals("lsq_grad", x)
	}
	return "lsq_grad_" + suffixes[dy.spec.DType] + "_" + suffixes[x.spec.DType]
}
