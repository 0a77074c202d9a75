//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.SoftmaxCrossEntropy{}, kernel{module: "softmax_cross_entropy", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return crossEntropyRows(k, op.(backend.SoftmaxCrossEntropy).Smoothing, false, out, in)
	}})
	register(backend.SoftmaxCrossEntropyTrain{}, kernel{module: "softmax_cross_entropy", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return crossEntropyRows(k, op.(backend.SoftmaxCrossEntropyTrain).Smoothing, true, out, in)
	}})
	register(backend.SoftmaxCrossEntropyGrad{}, kernel{module: "softmax_cross_entropy", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		n, classes, rows := out[0].numel(), out[0].spec.Shape.Last(), in[2].numel()
		hit, rest := targets(op.(backend.SoftmaxCrossEntropyGrad).Smoothing, classes)
		return k.launch("softmax_cross_entropy_grad", k.elementwise(n), out[0], in[0], in[1], in[2], int64(n), int32(classes), int64(rows), hit, rest)
	}})
}

// targets are what a class loses of its probability: rest, and hit more when
// it is the label.
func targets(smoothing float32, classes int) (hit, rest float32) {
	smooth := decimal(smoothing)
	return float32(1 - smooth), float32(smooth / float64(max(classes, 1)))
}

// Rows of at most shortRow elements are a warp's, and a block has four.
const (
	shortRow     = 128
	rowsOfABlock = 4
)

// crossEntropyRows computes the loss, and probabilities or the gradient.
func crossEntropyRows(k *build, smoothing float32, gradient bool, out, in []*Buffer) error {
	rows, classes := in[1].numel(), in[0].spec.Shape.Last()
	losses, err := k.temporary(int64(8 * rows))
	if err != nil {
		return err
	}
	bad, err := k.indexFlag()
	if err != nil {
		return err
	}
	name, l := "softmax_cross_entropy_rows", blocks(rows)
	if classes <= shortRow {
		name, l = "softmax_cross_entropy_short_rows", blocks((rows+rowsOfABlock-1)/rowsOfABlock)
	}
	hit, rest := targets(smoothing, classes)
	if err := k.launch(name, l, losses, out[1], in[0], in[1], int32(classes), int64(rows), decimal(smoothing), flag32(gradient),
		hit, rest, float32(1/float64(rows)), bad); err != nil {
		return err
	}
	if out[0] == nil {
		return nil
	}
	return k.launch("softmax_cross_entropy_mean", oneBlock, out[0], losses, int64(rows))
}
