//go:build !race

// The race detector allocates in steps that otherwise do not.

package train

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/program"
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
		require.Zero(t, allocations(t, model, c, o), "%+v", ph.Mode)
	}
}

// allocations returns those of one step of a training.
func allocations(t testing.TB, g *graph.Graph, c Config, o Options) float64 {
	tr, step := stepper(t, g, c, o)
	defer tr.close()
	for range 4 { // One a batch of the loader, which are three.
		step()
	}
	return testing.AllocsPerRun(30, step)
}

// stepper starts a training and returns its next step.
func stepper(t testing.TB, g *graph.Graph, c Config, o Options) (*trainer, func()) {
	ctx := t.Context()
	tr, err := start(g, c, o)
	require.NoError(t, err)
	require.NoError(t, tr.join(ctx))
	require.NoError(t, tr.enterPhase(ctx))
	return tr, func() {
		b, err := tr.loader.Next(ctx)
		if err == nil {
			_, err = tr.one(ctx, b)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// peers are the states of n-1 more devices.
func peers(t testing.TB, n int) (all []*program.State) {
	for range n - 1 {
		b, err := backend.Open("cpu")
		require.NoError(t, err)
		all = append(all, program.NewState(b))
	}
	return all
}

// TestStepOnRanksAllocatesNothing: nor do the steps of several devices, parts
// of a batch, samples in another shape than the data's, or a teacher.
func TestStepOnRanksAllocatesNothing(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	g, err := nn.Build("cnn", zeros{}.Shape(), 4, 1)
	require.NoError(t, err)
	teacher, err := nn.Build("mlp", tensor.Shape{zeros{}.Shape().Numel()}, 4, 2)
	require.NoError(t, err)
	quantized, err := qat.Prepare(g, qat.Default())
	require.NoError(t, err)
	observe := []graph.Phase{{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}}}
	for _, ranks := range []int{1, 2, 4} {
		for name, o := range map[string]struct {
			g       *graph.Graph
			phases  []graph.Phase
			teacher *graph.Graph
			micro   int
		}{
			"float":         {g, nil, nil, 0},
			"quantized":     {quantized, observe, nil, 0},
			"micro-batches": {g, nil, nil, 2},
			"teacher":       {g, nil, teacher, 0},
		} {
			t.Run(fmt.Sprintf("%d/%s", ranks, name), func(t *testing.T) {
				c := DefaultConfig()
				c.Batch, c.Epochs, c.ClipNorm, c.Ranks = 16, 1000, 5, ranks
				if o.teacher != nil {
					c.Distill, c.Temperature = 0.5, 2
				}
				if o.micro > 0 {
					c.Batch = ranks * 4
				}
				opt := Options{Backend: b, Peers: peers(t, ranks), Train: zeros{}, Phases: o.phases, Teacher: o.teacher}
				tr, step := stepper(t, o.g, c, opt)
				defer tr.close()
				if o.micro > 0 {
					tr.closeUnits()
					tr.phase, tr.micro = -1, o.micro
					require.NoError(t, tr.enterPhase(t.Context()))
				}
				for range 4 {
					step()
				}
				require.Zero(t, testing.AllocsPerRun(30, step))
			})
		}
	}
}

// BenchmarkStepOnRanks is a training step with its batch shared by 1, 2 and 4
// devices.
func BenchmarkStepOnRanks(b *testing.B) {
	g, err := nn.Build("cnn", zeros{}.Shape(), 4, 1)
	require.NoError(b, err)
	for _, ranks := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(ranks), func(b *testing.B) {
			dev, err := backend.Open("cpu")
			require.NoError(b, err)
			c := DefaultConfig()
			c.Batch, c.Epochs, c.Ranks = 32, 1<<30, ranks
			tr, step := stepper(b, g, c, Options{Backend: dev, Peers: peers(b, ranks), Train: zeros{}})
			defer tr.close()
			for range 4 {
				step()
			}
			b.ReportAllocs()
			for b.Loop() {
				step()
			}
		})
	}
}

var _ data.Dataset = zeros{}
