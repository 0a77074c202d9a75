//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
)

func init() {
	register(backend.AdoptRange{}, kernel{module: "adopt_range", types: f32, bind: func(k *build, op backend.Op, _, in []*Buffer) error {
		o := op.(backend.AdoptRange)
		bad, err := k.nanFlag()
		if err != nil {
			return err
		}
		args := append([]any{in[2], in[3], in[4], in[5], in[0], in[1], int32(in[0].numel())}, scaleArguments(o.Rule, o.Scheme)...)
		return k.launch("adopt_range", cuda.Launch{Grid: cuda.Dim{X: 1}, Block: cuda.Dim{X: threads}}, append(args, bad)...)
	}})
}
