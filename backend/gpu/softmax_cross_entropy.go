//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.SoftmaxCrossEntropy{}, kernel{module: "softmax_cross_entropy", types: f32, bind: bindSoftmaxCrossEntropy})
	register(backend.SoftmaxCrossEntropyGrad{}, kernel{module: "softmax_cross_entropy", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		smooth := decimal(op.(backend.SoftmaxCrossEntropyGrad).Smoothing)
		n, classes, rows := out[0].numel(), out[0].spec.Shape.Last(), in[2].numel()
		return k.launch("softmax_cross_entropy_grad", k.elementwise(n), out[0], in[0], in[1], in[2], int64(n), int32(classes), int64(rows),
			float32(1-smooth), float32(smooth/float64(max(classes, 1))))
	}})
}

func bindSoftmaxCrossEntropy(k *build, op backend.Op, out, in []*Buffer) error {
	rows, classes := in[1].numel(), in[0].spec.Shape.Last()
	losses, err := k.temporary(int64(8 * rows))
	if err != nil {
		return err
	}
	bad, err := k.indexFlag()
	if err != nil {
		return err
	}
	if err := k.launch("softmax_cross_entropy_rows", blocks(rows), losses, out[1], in[0], in[1], int32(classes),
		decimal(op.(backend.SoftmaxCrossEntropy).Smoothing), bad); err != nil {
		return err
	}
	if out[0] == nil {
		return nil
	}
	return k.launch("softmax_cross_entropy_mean", oneBlock, out[0], losses, int64(rows))
}
