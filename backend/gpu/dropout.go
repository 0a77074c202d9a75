//go:build cuda

package gpu

import "github.com/goqat/goqat/backend"

func init() {
	register(backend.DropoutTrain{}, kernel{module: "dropout", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		if out[0] != nil {
			if err := dropout(k, op.(backend.DropoutTrain).P, op.(backend.DropoutTrain).First, 0, out[0], in); err != nil {
				return err
			}
		}
		return k.launch("dropout_count", single, in[1])
	}})
	register(backend.DropoutGrad{}, kernel{module: "dropout", types: f32, bind: func(k *build, op backend.Op, out, in []*Buffer) error {
		return dropout(k, op.(backend.DropoutGrad).P, op.(backend.DropoutGrad).First, 1, out[0], in)
	}})
	// In evaluation nothing runs; alone, the operation is a copy.
	register(backend.Dropout{}, viewCopy)
}

// dropout applies the mask of the step that is back before the state's.
func dropout(k *build, p float32, first, back int64, y *Buffer, in []*Buffer) error {
	var factor float32
	if p < 1 {
		factor = float32(1 / (1 - float64(p)))
	}
	n := in[0].numel()
	return k.launch("dropout", k.elementwise(n), y, in[0], in[1], first/2, back, uint64(float64(p)*(1<<32)), factor, int64(n))
}
