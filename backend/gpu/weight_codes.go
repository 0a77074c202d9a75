//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
)

func init() {
	register(backend.WeightCodes{}, kernel{module: "weight_codes", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.WeightCodes)
		return codedRows(k, "weight_codes", o.Rule, o.Scheme, out, in[0])
	}})
}

// heldElements is how many elements of a row a block keeps in shared memory
// beside its other shared memory, without asking for more than every device gives.
const heldElements = 11 << 10

// codedRows launches a kernel with CODED_ARGUMENTS (csrc/weight_codes.cuh)
// behind args: a block makes codes and ends, out, of a row of x.
func codedRows(k *build, name string, r quant.Rule, s quant.Scheme, out []*Buffer, x *Buffer, args ...any) error {
	q, err := newQuantizer(r, s, x.spec.Shape)
	if err != nil {
		return err
	}
	inner := q.layout.Inner
	kept := min(inner, heldElements)
	warps := (inner + 4*32 - 1) / (4 * 32)
	l := cuda.Launch{Grid: cuda.Dim{X: q.layout.Channels}, Block: cuda.Dim{X: 32 * min(max(warps, 1), threads/32)}, Shared: 4 * kept}
	args = append([]any{x}, args...)
	args = append(args, out[0], out[1], out[2], int32(inner), int32(kept), q.rule)
	return k.launch(name, l, append(args, scaleArguments(r, s)...)...)
}
