package train

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// TestTrainingOfEveryISA trains on integers, ranges observed, with
// gradients of float32: every instruction set that fuses multiply and add, and
// any number of threads, leave the same bits in the whole state. Moments for
// batch normalization are exact sums of integers, and products of float32 have
// one order of sums.
func TestTrainingOfEveryISA(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	t.Cleanup(func() { require.NoError(t, cpu.SetMaxISA("")) })
	const steps = 5
	run := func(t *testing.T, model string) (losses []float64, state map[string]*tensor.Tensor) {
		g, s := codedModel(t, model, cpu.New())
		c := codedConfig("sgd")
		m := observing
		m.Backward = backend.GradF32
		step, err := CompileStep(context.Background(), g, c, m, s)
		require.NoError(t, err)
		if model != "mlp" {
			require.NotZero(t, collecting(step.Program().Graph()), "no layer collects moments")
		}
		for i := range steps {
			loss, err := step.Run(context.Background(), codedBatch(uint64(i)), 0.05)
			require.NoError(t, err)
			losses = append(losses, loss)
		}
		state, err = step.Program().State().Snapshot(context.Background())
		require.NoError(t, err)
		return losses, state
	}
	for _, model := range []string{"mlp", "cnn", "resnet8", "mobilenetv1-0.25"} {
		t.Run(model, func(t *testing.T) {
			var losses []float64
			var want map[string]*tensor.Tensor
			for _, s := range cpu.InstructionSets() {
				if !s.Usable || s.Name == "portable" { // It does not fuse multiply and add.
					continue
				}
				require.NoError(t, cpu.SetMaxISA(s.Name))
				for _, threads := range []int{1, 2, 4} {
					runtime.GOMAXPROCS(threads)
					l, got := run(t, model)
					if want == nil {
						losses, want = l, got
						continue
					}
					require.Equal(t, losses, l, "%s, %d threads", s.Name, threads)
					require.Equal(t, len(want), len(got))
					for name, x := range want {
						require.Equal(t, x.Bytes(), got[name].Bytes(), "%s with %s, %d threads", name, s.Name, threads)
					}
				}
			}
		})
	}
}

// collecting counts the operations of g that are told moments.
func collecting(g *graph.Graph) (n int) {
	for _, x := range g.Nodes() {
		if o, ok := x.Op.(backend.Informed); ok {
			if c, at := o.Informs(); c == backend.CollectMoments && len(x.In) > at {
				n++
			}
		}
	}
	return n
}
