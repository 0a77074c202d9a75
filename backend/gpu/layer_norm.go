//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.LayerNorm{}, kernel{module: "layer_norm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		s := in[0].spec.Shape
		var gamma, beta *Buffer
		if len(in) > 1 {
			gamma = in[1]
		}
		if len(in) > 2 {
			beta = in[2]
		}
		return k.launch("layer_norm", blocks(s[:len(s)-1].Numel()), out[0], out[1], out[2], in[0], gamma, beta,
			int32(s.Last()), float64(op.(backend.LayerNorm).Eps))
	}})
	register(backend.LayerNormGrad{}, kernel{module: "layer_norm", types: f32, bind: bindLayerNormGrad})
}

func bindLayerNormGrad(k *build, _ backend.Op, out, in []*Buffer) error {
	s := in[0].spec.Shape
	rows, n := s[:len(s)-1].Numel(), s.Last()
	var gamma *Buffer
	if len(in) > 4 {
		gamma = in[4]
	}
	if out[0] != nil && n > 0 {
		if err := k.launch("layer_norm_grad", blocks(rows), out[0], in[0], in[1], in[2], in[3], gamma, int32(n)); err != nil {
			return err
		}
	}
	if out[1] == nil && out[2] == nil {
		return nil
	}
	c := newColumnSum(rows, n)
	parts, err := c.parts(k, 2)
	if err != nil {
		return err
	}
	if err := k.launch("layer_norm_sums", c.sums(), parts, in[0], in[1], in[2], in[3], int64(rows), int64(c.chunk), int32(n)); err != nil {
		return err
	}
	return k.launch("layer_norm_join", c.totals(), out[1], out[2], parts, int32(c.chunks), int32(n))
}
