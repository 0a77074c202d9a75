package op_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// liveNet is a quantized layer, normalization, activation, and another layer
// on the codes, with ranges that are observed.
type liveNet struct {
	act    backend.Op // nil for none
	noBN   bool
	learn  bool
	shared bool // a second user of the activation's real values
}

func (l liveNet) graph(t *testing.T) *graph.Graph {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 1))
	g := graph.New()
	quantizer := func(name string, v graph.Value, s quant.Scheme, momentum float32, learn bool) graph.Value {
		n := s.Params(v.Shape())
		states := make([]*tensor.Tensor, 3)
		for i, init := range []float32{float32(math.Inf(1)), float32(math.Inf(-1)), 0.02} {
			states[i] = tensor.New(tensor.Of(tensor.F32, n))
			for j := range n {
				states[i].F32()[j] = init
			}
		}
		zero := g.State(name+".zero", tensor.New(tensor.Of(tensor.I32, n)))
		if learn {
			return g.Apply(backend.FakeQuant{Scheme: s, Learn: true}, v, g.Param(name+".scale", states[2]), zero)
		}
		o := g.ApplyN(backend.ObserveMinMax{Grain: s.Grain, Momentum: momentum}, v, g.State(name+".min", states[0]), g.State(name+".max", states[1]))
		q := g.ApplyN(backend.ScaleZero{Scheme: s}, o[0], o[1], g.State(name+".scale", states[2]), zero)
		return g.Apply(backend.FakeQuant{Scheme: s}, v, q[0], q[1])
	}
	x := quantizer("x", g.Param("x", backendtest.Normal(r, 1, 6, 9, 9, 3)), quant.UInt8(), 0.5, false)
	w := quantizer("w", g.Param("w", backendtest.Normal(r, 0.3, 13, 3, 3, 3)), quant.Int8PerChannel(0), 1, false)
	y := g.Apply(backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}, x, w, g.Param("b", backendtest.Normal(r, 0.5, 13)))
	if !l.noBN {
		ones := tensor.New(tensor.Of(tensor.F32, 13))
		for i := range ones.F32() {
			ones.F32()[i] = 1
		}
		y = g.Apply(backend.BatchNorm{Eps: 1e-3, Momentum: 0.1}, y, g.Param("gamma", backendtest.Normal(r, 1, 13)), g.Param("beta", backendtest.Normal(r, 0.3, 13)),
			g.State("mean", tensor.New(tensor.Of(tensor.F32, 13))), g.State("variance", ones))
	}
	if l.act != nil {
		y = g.Apply(l.act, y)
	}
	real := y
	y = quantizer("y", y, quant.UInt8(), 0.5, l.learn)
	v := quantizer("v", g.Param("v", backendtest.Normal(r, 0.3, 5, 1, 1, 13)), quant.Int8PerChannel(0), 1, false)
	z := g.Apply(backend.Conv{}, y, v)
	if l.shared {
		g.Output("real", real)
	}
	g.Output("z", z)
	weights := g.Const("loss.weights", backendtest.Normal(r, 1, z.Shape()...))
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, z, weights)))
	require.NoError(t, g.Err())
	return g
}

// step runs two steps and returns all outputs and states.
func (l liveNet) step(t *testing.T, b backend.Backend, keep bool) (map[string]*tensor.Tensor, *program.Program) {
	t.Helper()
	ctx := context.Background()
	p, err := program.Compile(ctx, l.graph(t), program.Options{Backend: b, Loss: "loss", KeepAll: keep,
		Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}})
	require.NoError(t, err)
	got := map[string]*tensor.Tensor{}
	for range 2 {
		require.NoError(t, p.Run(ctx))
	}
	for _, o := range p.Graph().Outputs() {
		got[o.Name] = outputOf(t, p, o.Name)
	}
	for _, v := range p.Graph().Values(graph.State) {
		s, err := p.State().Read(ctx, v.Name())
		require.NoError(t, err)
		got[v.Name()] = s
	}
	return got, p
}

func countOps(g *graph.Graph) map[string]int {
	n := map[string]int{}
	for _, node := range g.Nodes() {
		n[node.Op.OpName()]++
	}
	return n
}

// TestFusedActivation compares steps with activations that run as one and
// values computed again with steps that keep everything apart.
func TestFusedActivation(t *testing.T) {
	for name, l := range map[string]liveNet{
		"relu":           {act: backend.Relu{}},
		"relu6":          {act: backend.Clip{Hi: 1.5}},
		"none":           {},
		"without_bn":     {act: backend.Relu{}, noBN: true},
		"learn":          {act: backend.Relu{}, learn: true},
		"learn_relu6":    {act: backend.Clip{Hi: 1.5}, learn: true},
		"learn_no_bn":    {act: backend.Relu{}, learn: true, noBN: true},
		"not_a_clamp":    {act: backend.HardSwish{}},
		"nothing_before": {noBN: true},
		"shared":         {act: backend.Relu{}, shared: true},
	} {
		t.Run(name, func(t *testing.T) {
			want, apart := l.step(t, cpu.New(), true)
			got, p := l.step(t, collectsNothing{cpu.New()}, false) // That is TestFusedCollect's.
			fused := !l.shared && name != "not_a_clamp" && name != "nothing_before"
			n := countOps(p.Graph())
			if fused {
				assert.Equal(t, 1, n["quantize_activation"])
				assert.Equal(t, 2, n["quantize_weight"])
				assert.Zero(t, n["relu"]+n["clip"]+n["batch_norm_train"])
			} else {
				assert.Zero(t, n["quantize_activation"])
			}
			if name == "nothing_before" {
				assert.Equal(t, apart.Memory().Saved.Activations(), p.Memory().Saved.Activations())
			} else {
				assert.Less(t, p.Memory().Saved.Sum(), apart.Memory().Saved.Sum())
			}
			require.Equal(t, len(want), len(got))
			for k, w := range want {
				if l.noBN && !l.learn || !fused {
					// Nothing is added in another order.
					require.NoError(t, backendtest.Compare(got[k], w, true), k)
					continue
				}
				if k == "grad.b" && !l.noBN {
					// Normalization takes a bias before it away: what is left of
					// its gradient is rounding.
					for _, v := range append(w.F32(), got[k].F32()...) {
						require.InDelta(t, 0, v, 1e-4)
					}
					continue
				}
				require.NoError(t, backendtest.Compare(got[k], w, false), k)
			}
		})
	}
}

// TestFusionKeepsGradientPrecision: a fused graph is what it was in all else.
func TestFusionKeepsGradientPrecision(t *testing.T) {
	for _, p := range []backend.GradPrecision{backend.GradF32, backend.GradBF16} {
		g, err := graph.Lower(liveNet{act: backend.Relu{}}.graph(t), graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve, Backward: p}, 0)
		require.NoError(t, err)
		f, err := graph.Fuse(g, cpu.New().Supports)
		require.NoError(t, err)
		require.False(t, g == f, "nothing is fused")
		require.Equal(t, p, f.GradPrecision())
	}
}

// TestUnsupportedFusionIsNotTaken: a backend without the kernels gets the
// operations apart.
func TestUnsupportedFusionIsNotTaken(t *testing.T) {
	g, err := graph.Lower(liveNet{act: backend.Relu{}}.graph(t), graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, 0)
	require.NoError(t, err)
	f, err := graph.Fuse(g, func(op backend.Op, _ ...tensor.Spec) bool {
		return op.OpName() != "quantize_activation_grad" && op.OpName() != "quantize_weight"
	})
	require.NoError(t, err)
	require.True(t, g == f, "the graph is rebuilt")
}
