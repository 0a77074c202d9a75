//go:build cuda

package gpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// TestColumnSumsHaveTheCPUsBits: sums over rows are taken in float32 in the
// blocks of the CPU, so that the statistics of a training, and all codes that
// follow from them, are the CPU's.
func TestColumnSumsHaveTheCPUsBits(t *testing.T) {
	b := open(t)
	host := &traced{Backend: cpu.New()}
	backendtest.RunSupportedOf(t, host, "batch_norm_affine", "batch_norm_grad", "batch_norm_train", "bias_grad", "quantize_activation_grad")
	compared := 0
	for _, e := range host.log {
		specs := make([]tensor.Spec, len(e.in))
		for i, x := range e.in {
			if x != nil {
				specs[i] = x.Spec()
			}
		}
		collected := len(specs) > 5 && specs[5].DType == tensor.F64 // Moments, which the device does not take.
		if collected || !b.Supports(e.op, specs...) {
			continue
		}
		compared++
		for i, y := range e.again(t, b) {
			require.True(t, sameBits(e.out[i], y), "result %d of %s of %v: %v, not %v", i, e.op.OpName(), specs, y, e.out[i])
		}
	}
	require.Greater(t, compared, 50)
}
