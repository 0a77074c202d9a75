package op_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// unseen returns a range state that has seen nothing.
func unseen(n int) (lo, hi *tensor.Tensor) {
	lo, hi = tensor.New(tensor.Of(tensor.F32, n)), tensor.New(tensor.Of(tensor.F32, n))
	for i := range n {
		lo.F32()[i], hi.F32()[i] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
	return lo, hi
}

// observedQuantizer appends observer, scale and quantizer of x to g.
func observedQuantizer(g *graph.Graph, x graph.Value, name string, r quant.Rule, s quant.Scheme, momentum float32) graph.Value {
	n := s.Params(x.Shape())
	lo, hi := unseen(n)
	m := g.ApplyN(backend.ObserveMinMax{Grain: s.Grain, Momentum: momentum}, x, g.State(name+".min", lo), g.State(name+".max", hi))
	if g.Err() != nil {
		return graph.Value{}
	}
	q := g.ApplyN(backend.ScaleZero{Rule: r, Scheme: s}, m[0], m[1],
		g.State(name+".scale", tensor.New(tensor.Of(tensor.F32, n))), g.State(name+".zero", tensor.New(tensor.Of(tensor.I32, n))))
	if g.Err() != nil {
		return graph.Value{}
	}
	return g.Apply(backend.FakeQuant{Rule: r, Scheme: s}, x, q[0], q[1])
}

// TestObserversAgainstTorch runs observer, scale and quantizer as one program
// for 20 steps, as fused_moving_avg_obs_fake_quant does.
func TestObserversAgainstTorch(t *testing.T) {
	cs, load := torchQuantizers(t, "fused_moving_avg")
	ctx := context.Background()
	for _, c := range cs {
		t.Run(c.ID, func(t *testing.T) {
			x, y, state := load(c.ID+".x"), load(c.ID+".y"), load(c.ID+".state")
			steps, rows, cols := x.Shape()[0], x.Shape()[1], x.Shape()[2]
			s := c.scheme()
			if c.PerRow {
				s.Grain = quant.Granularity{Kind: quant.PerChannel}
			}
			g := graph.New()
			in := g.Input("x", tensor.Of(tensor.F32, rows, cols))
			g.Output("y", observedQuantizer(g, in, "q", quant.PyTorchFused, s, c.Averaging))
			p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: graph.Mode{Train: true, Ranges: graph.RangesObserve, Quantize: graph.QuantizeFloat}})
			require.NoError(t, err)
			n := state.Shape()[2]
			for k := range steps {
				xk, err := x.View(k, k+1)
				require.NoError(t, err)
				xk, err = xk.Reshape(rows, cols)
				require.NoError(t, err)
				require.NoError(t, p.SetInput(ctx, "x", xk))
				require.NoError(t, p.Run(ctx))
				for j, name := range []string{"q.min", "q.max", "q.scale"} {
					got, err := p.State().Read(ctx, name)
					require.NoError(t, err)
					require.Equal(t, state.F32()[(4*k+j)*n:(4*k+j+1)*n], got.F32(), "%s after step %d", name, k)
				}
				zero, err := p.State().Read(ctx, "q.zero")
				require.NoError(t, err)
				for i, z := range zero.I32() {
					require.Equal(t, state.F32()[(4*k+3)*n+i], float32(z), "zero point after step %d", k)
				}
				yk, err := y.View(k, k+1)
				require.NoError(t, err)
				requireSame(t, yk, outputOf(t, p, "y"), "y")
			}
		})
	}
}

// TestObserverFaultNamesTheNode checks that a NaN stops the step with an error
// that says where, and leaves the state as it was.
func TestObserverFaultNamesTheNode(t *testing.T) {
	ctx := context.Background()
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 4))
	g.Scope("layer1", func() { g.Output("y", observedQuantizer(g, x, "act", quant.ONNX, quant.Int8(), 0)) })
	p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: graph.Mode{Train: true, Ranges: graph.RangesObserve, Quantize: graph.QuantizeFloat}})
	require.NoError(t, err)
	require.NoError(t, p.SetInput(ctx, "x", tensor.FromF32([]float32{-1, 2, 0, 1}, 4)))
	require.NoError(t, p.Run(ctx))
	require.NoError(t, p.SetInput(ctx, "x", tensor.FromF32([]float32{-9, float32(math.NaN()), 9, 1}, 4)))
	err = p.Run(ctx)
	require.ErrorIs(t, err, backend.ErrNaN)
	assert.ErrorContains(t, err, "layer1.observe_min_max")
	hi, err := p.State().Read(ctx, "layer1.act.max")
	require.NoError(t, err)
	assert.Equal(t, []float32{2}, hi.F32())
}

// TestUnseenRange checks the error of a quantizer that saw no data.
func TestUnseenRange(t *testing.T) {
	ctx := context.Background()
	g := graph.New()
	g.Output("y", observedQuantizer(g, g.Input("x", tensor.Of(tensor.F32, 0)), "act", quant.ONNX, quant.Int8(), 0))
	p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: graph.Mode{Ranges: graph.RangesCalibrate, Quantize: graph.QuantizeFloat}})
	require.NoError(t, err)
	err = p.Run(ctx)
	require.ErrorIs(t, err, quant.ErrRange)
	assert.ErrorContains(t, err, "no value was observed")
}
