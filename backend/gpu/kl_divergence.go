//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.KLDivergence{}, kernel{module: "kl_divergence", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		s := in[0].spec.Shape
		rows, temperature := s[:len(s)-1].Numel(), float64(op.(backend.KLDivergence).Temperature)
		losses, err := k.temporary(int64(8 * rows))
		if err != nil {
			return err
		}
		if err := k.launch("kl_divergence_rows", blocks(rows), losses, out[1], in[0], in[1], int32(s.Last()), temperature); err != nil {
			return err
		}
		if out[0] == nil {
			return nil
		}
		return k.launch("kl_divergence_mean", oneBlock, out[0], losses, int64(rows), temperature)
	}})
}
