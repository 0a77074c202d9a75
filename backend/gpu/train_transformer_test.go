//go:build cuda

package gpu

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// TestTrainTransformer trains gpt-tiny on text, some steps of each phase with
// kernels of the device alone: from the CPU's state, every step has the CPU's
// loss and leaves the CPU's parameters.
func TestTrainTransformer(t *testing.T) {
	const batch, steps, window = 4, 2, 8
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("the quick brown fox jumps over the lazy dog. ", 8)), 0o600))
	splits, err := data.Open(ctx, "text:"+path, data.Options{Window: window})
	require.NoError(t, err)
	set := splits.Train
	g, err := nn.Build("gpt-tiny", set.Shape(), set.Classes(), 3)
	require.NoError(t, err)
	qc := qat.Default()
	qc.Schedule = qat.Schedule{Start: 0.25, FreezeRanges: 0.5, FreezeBN: 0.75}
	qc.Backward = backend.GradF32.String() // That of the device.
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Batch = batch
	host, b := cpu.New(), open(t)
	from, to := program.NewState(host), program.NewState(b)
	_, err = qat.Calibrate(ctx, p, set, qat.DataOptions{State: from, Samples: batch, Batch: batch})
	require.NoError(t, err)
	x, y := tensor.New(tensor.Of(tensor.F32, batch, window)), tensor.New(tensor.Of(tensor.I32, batch))
	phases := qc.Phases(100)
	require.Len(t, phases, 4)
	for _, ph := range phases {
		want, err := train.CompileStep(ctx, p, c, ph.Mode, from)
		require.NoError(t, err)
		got, err := train.CompileStep(ctx, p, c, ph.Mode, to)
		require.NoError(t, err) // It names kernels that are missing.
		bound := backendtest.MaxNMSE
		if ph.Mode.Quantize != graph.QuantizeOff {
			bound = 1e-5 // As in [TestTrainCNN].
		}
		for i := range steps {
			for j := range batch {
				y.I32()[j], err = set.Sample((i*batch+j)*11, x.F32()[j*window:(j+1)*window])
				require.NoError(t, err)
			}
			for _, name := range from.Names() {
				v, err := from.Read(ctx, name)
				require.NoError(t, err)
				require.NoError(t, to.Write(ctx, name, v))
			}
			w, err := want.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
			l, err := got.Run(ctx, &data.Batch{X: x, Y: y, N: batch}, 0.05)
			require.NoError(t, err)
			t.Logf("step %d of %+v: loss %v, %v on the CPU", i, ph.Mode, l, w)
			require.InDelta(t, w, l, 1e-5, "step %d of %+v", i, ph.Mode)
			for _, name := range from.Names() {
				v, err := from.Read(ctx, name)
				require.NoError(t, err)
				u, err := to.Read(ctx, name)
				require.NoError(t, err)
				switch {
				case !v.DType().Float():
					require.Equal(t, v.Bytes(), u.Bytes(), name)
				case strings.Contains(name, "key.bias"):
					// A softmax does not see it: its gradient is rounding alone.
				default:
					require.LessOrEqual(t, nmse(u, v), bound, "%s after step %d of %+v", name, i, ph.Mode)
				}
			}
		}
		got.Program().Close()
		want.Program().Close()
	}
}
