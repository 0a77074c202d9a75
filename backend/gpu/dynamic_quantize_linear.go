//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
)

func init() {
	register(backend.DynamicQuantizeLinear{}, kernel{module: "dynamic_quantize_linear", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		n, s := in[0].numel(), quant.UInt8()
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		ends, err := observeEnds(k, in[0], quant.Layout{Outer: 1, Channels: 1, Inner: n}, bad)
		if err != nil {
			return err
		}
		scale, err := k.placeOf(out[1], 4)
		if err != nil {
			return err
		}
		zero, err := k.placeOf(out[2], 4)
		if err != nil {
			return err
		}
		args := append([]any{scale, zero, ends}, scaleArguments(quant.ONNX, s)...)
		if err := k.launch("dynamic_quantize_linear", single, append(args, bad)...); err != nil || out[0] == nil {
			return err
		}
		none, err := k.temporary(4)
		if err != nil {
			return err
		}
		lo, hi := s.Range()
		var mask *Buffer
		return k.launchFrom("quantize_linear", "quantize_linear", k.elementwise(n), out[0], mask, in[0], scale, zero, int64(n),
			int32(1), int64(n), ruleFlags(quant.ONNX), lo, hi, none)
	}})
}
