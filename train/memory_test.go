//go:build !race

// The race detector has memory of its own.

package train

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
)

// wide is a data set of images of noise.
type wide struct{ zeros }

func (wide) Shape() tensor.Shape { return tensor.Shape{28, 28, 1} }

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemoryIsWhatIsAllocated compares the bytes that a program tells before
// its first step with what the heap and the backend hold after some, and the
// activations of the float model with those of the phases of a prepared one.
func TestMemoryIsWhatIsAllocated(t *testing.T) {
	ctx := context.Background()
	batch := &data.Batch{X: tensor.New(tensor.Of(tensor.F32, 64, 28, 28, 1)), Y: tensor.New(tensor.Of(tensor.I32, 64)), N: 64}
	for i := range batch.X.F32() {
		batch.X.F32()[i] = float32(i%17)/8 - 1
	}
	measure := func(kind string, mode graph.Mode, c *qat.Config) program.Memory {
		b := cpu.New()
		g, err := nn.Build("cnn", tensor.Shape{28, 28, 1}, 4, 1)
		require.NoError(t, err)
		state := program.NewState(b)
		if c != nil {
			g, err = qat.Prepare(g, c)
			require.NoError(t, err)
			s, err := qat.Calibrate(ctx, g, wide{}, qat.DataOptions{Backend: b, Samples: 8, Batch: 4})
			require.NoError(t, err)
			require.NoError(t, s.StoreTo(ctx, g))
			b = cpu.New()
			state = program.NewState(b)
		}
		tc := DefaultConfig()
		tc.Batch = 64
		before := heap()
		s, err := CompileStep(ctx, g, tc, mode, state)
		require.NoError(t, err)
		m := s.Program().Memory()
		for range 3 {
			_, err := s.Run(ctx, batch, 1e-3)
			require.NoError(t, err)
		}
		held := heap() - before
		require.Equal(t, b.Workspace(), m.Workspace, kind)
		// Beside the tensors there are the graph, closures and columns.
		require.InDelta(t, float64(held), float64(m.Total()), 0.02*float64(held)+400e3, "%s: %+v", kind, m)
		require.LessOrEqual(t, m.Peak.Sum(), m.Arena, kind)
		require.LessOrEqual(t, float64(m.Arena), 1.1*float64(m.Peak.Sum()), kind)
		runtime.KeepAlive(s)
		return m
	}
	float := measure("float", graph.Mode{Train: true}, nil)
	observe := graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}
	for kind, m := range map[string]program.Memory{
		"observed": measure("observed", observe, qat.Default()),
		"learned":  measure("learned", observe, qat.Bits(4, 4)),
		"deployed": measure("deployed", graph.Mode{Train: true, Quantize: graph.QuantizeInteger, FreezeBN: true}, qat.Default()),
	} {
		// One byte and one bit of what were two floats.
		require.LessOrEqual(t, float64(m.Saved.Activations()), 0.15*float64(float.Saved.Activations()), kind)
		require.LessOrEqual(t, float64(m.Arena), 0.55*float64(float.Arena), kind)
	}
}
