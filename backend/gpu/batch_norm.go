//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.BatchNorm{}, kernel{module: "batch_norm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindBatchNormEval(k, op.(backend.BatchNorm).Eps, out, in)
	}})
	register(backend.BatchNormEval{}, kernel{module: "batch_norm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindBatchNormEval(k, op.(backend.BatchNormEval).Eps, out, in)
	}})
	register(backend.BatchNormTrain{}, kernel{module: "batch_norm", types: f32, bind: bindBatchNormTrain})
	register(backend.BatchNormGrad{}, kernel{module: "batch_norm", types: f32, bind: func(k *build, _ backend.Op, out, in []*Buffer) error {
		return bindBatchNormGrad(k, false, 0, out, in)
	}})
	register(backend.BatchNormEvalGrad{}, kernel{module: "batch_norm", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return bindBatchNormGrad(k, true, op.(backend.BatchNormEvalGrad).Eps, out, in)
	}})
}

func bindBatchNormEval(k *build, eps float32, out, in []*Buffer) error {
	n, columns := in[0].numel(), in[1].numel()
	affine, err := k.temporary(int64(8 * columns))
	if err != nil {
		return err
	}
	c := newColumnSum(0, columns)
	if err := k.launch("batch_norm_eval", c.totals(), affine, in[1], in[2], in[3], in[4], int32(columns), eps); err != nil {
		return err
	}
	return k.launch("batch_norm_apply", k.elementwise(n), out[0], in[0], affine, int64(n), int32(columns))
}

func bindBatchNormTrain(k *build, op backend.Op, out, in []*Buffer) error {
	o, n, columns := op.(backend.BatchNormTrain), in[0].numel(), in[1].numel()
	if n == 0 {
		return nil // As the CPU: statistics of nothing change nothing.
	}
	c := newColumnSum(n/columns, columns)
	parts, err := c.parts(k, 2)
	if err != nil {
		return err
	}
	affine, err := k.temporary(int64(8 * columns))
	if err != nil {
		return err
	}
	if err := k.launch("batch_norm_moments", c.sums(), parts, in[0], int64(c.rows), int64(c.chunk), int32(columns)); err != nil {
		return err
	}
	// The running statistics are updated in place.
	if err := k.launch("batch_norm_train", c.totals(), affine, out[1], out[2], in[3], in[4], in[0], in[1], in[2], in[3], in[4],
		parts, int32(c.chunks), int64(c.rows), int32(columns), o.Eps, o.Momentum); err != nil {
		return err
	}
	if out[0] == nil {
		return nil
	}
	return k.launch("batch_norm_apply", k.elementwise(n), out[0], in[0], affine, int64(n), int32(columns))
}

// bindBatchNormGrad is the gradient with batch statistics, which depend on x,
// or with running ones (eval), which do not.
func bindBatchNormGrad(k *build, eval bool, eps float32, out, in []*Buffer) error {
	n, columns := in[1].numel(), in[2].numel()
	b, c := newRowBlocks(n/max(columns, 1), columns, max(4096/max(columns, 1), 1), false, false)
	parts, err := c.parts(k, 2)
	if err != nil {
		return err
	}
	coefficients, err := k.temporary(int64(12 * columns))
	if err != nil {
		return err
	}
	chunks := c.chunks
	if eval && out[1] == nil && out[2] == nil {
		chunks = 0 // dx needs no sums.
	} else if err := k.launch("batch_norm_products", c.sums(), parts, in[0], in[1], in[3], structure(b), int32(columns)); err != nil {
		return err
	}
	if err := k.launch("batch_norm_grad", c.totals(), coefficients, out[1], out[2], in[2], in[4], parts, int32(chunks),
		int64(c.rows), int32(columns), flag32(eval), eps); err != nil {
		return err
	}
	switch {
	case out[0] == nil:
		return nil
	case eval:
		return k.launch("batch_norm_eval_grad_apply", k.elementwise(n), out[0], in[0], coefficients, int64(n), int32(columns))
	}
	return k.launch("batch_norm_grad_apply", k.elementwise(n), out[0], in[0], in[1], in[3], coefficients, int64(n), int32(columns))
}
