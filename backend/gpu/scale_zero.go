//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
)

func init() {
	register(backend.ScaleZero{}, kernel{module: "scale_zero", types: f32, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		o, n := op.(backend.ScaleZero), in[2].numel()
		bad, err := k.flag(quant.ErrNaN)
		if err != nil {
			return err
		}
		args := append([]any{in[2], in[3], in[0], in[1], int32(n)}, scaleArguments(o.Rule, o.Scheme)...)
		return k.launch("scale_zero", perChannel(n), append(args, bad)...)
	}})
}

// scaleArguments returns a rule and a scheme as csrc/scale.cuh takes them.
func scaleArguments(r quant.Rule, s quant.Scheme) []any {
	var flags int32
	for i, set := range []bool{s.Symmetric, s.PowerOf2, s.Signed, s.Bits == 8} {
		if set {
			flags |= 1 << i
		}
	}
	lo, hi := s.Range()
	return []any{int32(r.Scale), flags, lo, hi, s.Middle(), r.MinScale}
}

// perChannel is the launch with a thread a channel.
func perChannel(n int) cuda.Launch {
	return cuda.Launch{Grid: cuda.Dim{X: (n + threads - 1) / threads}, Block: cuda.Dim{X: threads}}
}
