//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.DynamicQuantizeRows{}, kernel{module: "dynamic_quantize_rows", types: halves, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o := op.(backend.DynamicQuantizeRows)
		shape := in[0].spec.Shape
		rows, width := shape[:len(shape)-1].Numel(), shape.Last()
		if rows == 0 {
			return nil
		}
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		grid := cuda.Launch{Grid: cuda.Dim{X: min(rows, 1<<16)}, Block: cuda.Dim{X: threads}}
		args := append([]any{out[0], out[1], in[0], int64(rows), int64(width), ruleFlags(o.Rule)}, scaleArguments(o.Rule, o.Scheme())...)
		return k.launch(ofReals("dynamic_quantize_rows", in[0]), grid, append(args, bad)...)
	}})
}
