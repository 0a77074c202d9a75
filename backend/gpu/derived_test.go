//go:build cuda

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// apart is the device without the optimizers that make codes.
type apart struct{ *Backend }

func (b apart) Supports(op backend.Op, in ...tensor.Spec) bool {
	switch op.(type) {
	case backend.SGDQuantizeWeight, backend.AdamQuantizeWeight:
		return false
	}
	return b.Backend.Supports(op, in...)
}

// TestOptimizerMakesCodes trains with codes that the optimizer leaves for the
// next step, in recorded steps, and with weights quantized in every step: no
// bit may differ, whoever changes a parameter in between.
func TestOptimizerMakesCodes(t *testing.T) {
	needSim(t)
	ctx := context.Background()
	b := open(t)
	x, y := batch(t)
	for _, optimizer := range []string{"sgd", "adamw"} {
		t.Run(optimizer, func(t *testing.T) {
			c := smallConfig()
			if c.Optimizer.Name = optimizer; optimizer != "sgd" {
				c.Optimizer.Momentum, c.Optimizer.Nesterov, c.Schedule.CycleMomentum = 0, false, false
			}
			var steps [2]*train.Step
			for i, on := range []backend.Backend{b, apart{b}} {
				g, _ := smallModel(t)
				state, err := qat.Calibrate(ctx, g, blobs{64, -1}, qat.DataOptions{Backend: on, Samples: 64, Batch: 32})
				require.NoError(t, err)
				steps[i], err = train.CompileStep(ctx, g, c, graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, state)
				require.NoError(t, err)
				defer steps[i].Program().Close()
			}
			weights := steps[0].Program().Graph().Derivations()
			require.Len(t, weights, 3)
			require.Empty(t, steps[1].Program().Graph().Derivations())
			state := func(i int) *program.State { return steps[i].Program().State() }
			for n := range 6 {
				if n == 4 { // The step is recorded by now.
					for i := range steps {
						name := weights[1].In[0].Name()
						w, err := state(i).Read(ctx, name)
						require.NoError(t, err)
						w.F32()[5] = 2
						require.NoError(t, state(i).Write(ctx, name, w))
					}
				}
				var losses [2]float64
				for i, s := range steps {
					if n == 3 && i == 0 {
						require.NoError(t, b.Sync(ctx))
						cudasim.ClearKernels()
					}
					var err error
					losses[i], err = s.Run(ctx, &data.Batch{X: x, Y: y, N: 16}, 0.02)
					require.NoError(t, err)
					if n == 3 && i == 0 {
						for _, k := range []string{"weight_codes", "quantize_weight_next"} {
							_, ran := cudasim.KernelCount(k)
							require.False(t, ran, k)
						}
						_, ran := cudasim.KernelCount("adopt_range")
						require.True(t, ran)
					}
				}
				require.Equal(t, losses[1], losses[0], "step %d", n)
				require.Equal(t, bits(t, state(1)), bits(t, state(0)), "step %d", n)
			}
		})
	}
}
