//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
)

func init() {
	register(backend.QuantizeActivation{}, kernel{module: "quantize_activation", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		o, n := op.(backend.QuantizeActivation), in[0].numel()
		affine, channels := affineOf(in, 3)
		nan, err := k.nanFlag()
		if err != nil {
			return err
		}
		var ends cuda.Ptr
		wanted := len(out) > 2 && out[2] != nil
		if wanted {
			if ends, err = clampEnds(k); err != nil {
				return err
			}
		}
		lo, hi := o.Scheme.Range()
		if err := k.launch("quantize_activation", k.elementwise(n), out[0], out[1], in[0], in[1], in[2], affine, ends, int64(n), int32(channels),
			o.Lo, o.Hi, ruleFlags(o.Rule), lo, hi, nan); err != nil || !wanted {
			return err
		}
		return k.launchFrom("clamp_range", "clamp_range", single, out[2], ends, int64(n), o.Lo, o.Hi)
	}})
	register(backend.QuantizeActivationGrad{}, kernel{module: "quantize_activation", types: f32, bind: bindQuantizeActivationGrad})
}

// affineOf returns the optional affine of a normalization and its channels, 1
// without one.
func affineOf(in []*Buffer, i int) (*Buffer, int) {
	if i >= len(in) || in[i] == nil {
		return nil, 1
	}
	return in[i], in[i].spec.Shape.Last()
}

func bindQuantizeActivationGrad(k *build, op backend.Op, out, in []*Buffer) error {
	o, n := op.(backend.QuantizeActivationGrad), in[2].numel()
	affine, columns := affineOf(in, 5)
	lo, hi := o.Scheme.Range()
	var dgamma, dbeta *Buffer
	if len(out) > 3 {
		dgamma, dbeta = out[2], out[3]
	}
	if n == 0 || !o.Learn {
		k.zero(out[1])
	}
	if n == 0 {
		k.zero(dgamma)
		k.zero(dbeta)
		return nil
	}
	var coefficients cuda.Ptr
	if affine != nil || o.Learn {
		nan, err := k.nanFlag()
		if err != nil {
			return err
		}
		rows, c := newRowBlocks(n/columns, columns, shortRows(2048, columns), true, true)
		if affine == nil {
			// One column would be one lane: the elements as rows of 32.
			rows, c = newRowBlocks((n+31)/32, 32, 64, false, true)
			if n%32 != 0 {
				rows, c = newRowBlocks(n, 1, 64, false, true)
			}
		}
		parts, err := c.parts(k, 3)
		if err != nil {
			return err
		}
		if err := k.launch("quantize_activation_sums", c.sums(), parts, in[0], in[1], in[2], in[3], in[4], affine, structure(rows),
			int32(c.columns), o.Lo, o.Hi, ruleFlags(o.Rule), lo, hi, flag32(o.Learn), nan); err != nil {
			return err
		}
		if affine != nil {
			if coefficients, err = k.temporary(int64(12 * columns)); err != nil {
				return err
			}
			if err := k.launch("quantize_activation_finish", c.totals(), coefficients, dgamma, dbeta, affine, in[6], parts, int32(c.chunks),
				int64(c.rows), int32(columns)); err != nil {
				return err
			}
		}
		if o.Learn && out[1] != nil {
			if err := k.launch("quantize_activation_scale", oneBlock, out[1], parts, int32(c.chunks), int32(c.columns), quant.LSQFactor(n, hi)); err != nil {
				return err
			}
		}
	}
	if out[0] == nil {
		return nil
	}
	return k.launch("quantize_activation_grad", k.elementwise(n), out[0], in[0], in[1], in[2], affine, coefficients, int64(n), int32(columns))
}
