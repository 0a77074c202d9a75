//go:build !race

// The race detector allocates in steps that otherwise do not.

package train

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
)

// symbols is zeros as a text of two symbols.
type symbols struct{ zeros }

func (symbols) Shape() tensor.Shape { return tensor.Shape{12} }

// TestStepAllocatesNothing runs whole training steps, batch and learning rate
// included, of the float model and of every phase of a prepared one.
func TestStepAllocatesNothing(t *testing.T) {
	for name, set := range map[string]data.Dataset{"cnn": zeros{}, "gpt-tiny": symbols{}} {
		t.Run(name, func(t *testing.T) { stepAllocatesNothing(t, name, set) })
	}
}

func stepAllocatesNothing(t *testing.T, name string, set data.Dataset) {
	ctx := context.Background()
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	g, err := nn.Build(name, set.Shape(), 4, 1)
	require.NoError(t, err)
	qc := qat.Default()
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	state, err := qat.Calibrate(ctx, p, set, qat.DataOptions{Backend: b, Samples: 64, Batch: 32})
	require.NoError(t, err)
	phases := append(qc.Phases(100), graph.Phase{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeFloat, Ranges: graph.RangesObserve}})
	for i, ph := range append([]graph.Phase{{Mode: graph.Mode{Train: true}}}, phases...) {
		o := Options{State: state, Train: set, Phases: []graph.Phase{{Mode: ph.Mode}}}
		model := p
		if i == 0 {
			o, model = Options{Backend: b, Train: set}, g
		}
		c := DefaultConfig()
		c.Batch, c.Epochs, c.ClipNorm = 8, 1000, 5
		tr, err := start(model, c, o)
		require.NoError(t, err)
		require.NoError(t, tr.enterPhase(ctx))
		step := func() {
			b, err := tr.loader.Next(ctx)
			if err == nil {
				_, err = tr.one(ctx, b)
			}
			if err != nil {
				t.Error(err)
			}
		}
		step()
		require.Zero(t, testing.AllocsPerRun(30, step), "%+v", ph.Mode)
		require.NoError(t, tr.loader.Close())
	}
}

var _ data.Dataset = zeros{}
