package qat_test

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// uneven builds a model whose channels differ by orders of magnitude, as
// those of depthwise models do, with batch normalizations as after training.
func uneven(t testing.TB, sample []int, layers nn.Layer) *graph.Graph {
	b := nn.NewBuilder(4)
	b.Output(train.OutputName, layers.Forward(b, b.Input(train.InputName, sample...)))
	g, err := b.Graph()
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(6, 6))
	for _, v := range append(g.Values(graph.Param), g.Values(graph.State)...) {
		if v.DType() != tensor.F32 {
			continue
		}
		x := v.Init().Clone()
		row := x.Numel() / x.Shape()[0]
		for c := range x.Shape()[0] {
			f := float32(math.Exp(1.5 * r.NormFloat64()))
			for i := c * row; i < (c+1)*row; i++ {
				switch kind := v.Name()[strings.LastIndex(v.Name(), ".")+1:]; kind {
				case "weight", "variance":
					x.F32()[i] *= f
				case "gamma":
					x.F32()[i] = f * float32(1-2*(c%3/2))
				default:
					x.F32()[i] = float32(0.3 * r.NormFloat64())
				}
			}
		}
		require.NoError(t, v.SetInit(x))
	}
	return g
}

func logits(t testing.TB, g *graph.Graph, m graph.Mode, s *program.State) []float32 {
	ctx := context.Background()
	in := g.Inputs()[0].Shape()
	p, err := program.Compile(ctx, g, program.Options{State: s, Mode: m, Batch: 8})
	require.NoError(t, err)
	x := tensor.New(tensor.Of(tensor.F32, append([]int{8}, in[1:]...)...))
	r := rand.New(rand.NewPCG(2, 3))
	for i := range x.F32() {
		x.F32()[i] = float32(r.NormFloat64())
	}
	require.NoError(t, p.SetInput(ctx, train.InputName, x))
	require.NoError(t, p.Run(ctx))
	y, err := p.OutputTensor(ctx, train.OutputName)
	require.NoError(t, err)
	return y.F32()
}

var equalizable = map[string]struct {
	sample []int
	layers nn.Sequential
	// pairs are the weights that must change.
	changed []string
}{
	"bias and pools": {
		[]int{9, 9, 2},
		nn.Sequential{nn.Conv2D{Out: 6, Kernel: 3}, nn.ReLU{}, nn.MaxPool{Kernel: 2}, nn.Conv2D{Out: 5, Kernel: 2}, nn.ReLU{}, nn.Flatten{}, nn.Dropout{P: 0.5}, nn.Linear{Out: 7}, nn.ReLU{}, nn.Linear{Out: 3}},
		[]string{"0.conv.weight", "0.conv.bias", "3.conv.weight", "3.conv.bias", "7.linear.weight", "7.linear.bias", "9.linear.weight"},
	},
	"batch norm, depthwise, groups": {
		[]int{8, 8, 3},
		nn.Sequential{
			nn.Conv2D{Out: 8, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{},
			nn.Conv2D{Depthwise: true, Out: 16, Kernel: 3}, nn.BatchNorm{}, nn.ReLU{},
			nn.Conv2D{Out: 12, Kernel: 1, Groups: 4, NoBias: true}, nn.BatchNorm{}, nn.AvgPool{Kernel: 2}, nn.GlobalAvgPool{}, nn.Linear{Out: 4},
		},
		[]string{"1.bn.gamma", "1.bn.beta", "3.conv.weight", "4.bn.gamma", "4.bn.beta", "6.conv.weight", "7.bn.gamma", "7.bn.beta", "10.linear.weight"},
	},
	"sequence": {
		[]int{20, 3},
		nn.Sequential{nn.Conv1D{Out: 6, Kernel: 3}, nn.ReLU{}, nn.Conv1D{Out: 4, Kernel: 3}, nn.Flatten{}, nn.Linear{Out: 4}},
		[]string{"0.conv.weight", "0.conv.bias", "2.conv.weight", "2.conv.bias", "4.linear.weight"},
	},
	"ends at bounded activations and branches": {
		[]int{8, 8, 2},
		nn.Sequential{
			nn.Conv2D{Out: 4, Kernel: 3}, nn.ReLU6{}, nn.Conv2D{Out: 4, Kernel: 3, Pad: 1}, nn.ReLU{},
			nn.Residual{Body: nn.Sequential{nn.Conv2D{Out: 4, Kernel: 1}, nn.ReLU{}, nn.Conv2D{Out: 4, Kernel: 1}}},
			nn.GlobalAvgPool{}, nn.Linear{Out: 3},
		},
		[]string{"4.body.0.conv.weight", "4.body.0.conv.bias", "4.body.2.conv.weight"},
	},
}

// TestEqualize expects the same outputs, changes in pairs only, a graph left
// alone, and a better result of rounding weights a tensor at a time.
func TestEqualize(t *testing.T) {
	ctx := context.Background()
	for name, c := range equalizable {
		t.Run(name, func(t *testing.T) {
			g := uneven(t, c.sample, c.layers)
			want := logits(t, g, graph.EvalFloat, float(t))
			before := map[string][]byte{}
			for _, v := range append(g.Values(graph.Param), g.Values(graph.State)...) {
				before[v.Name()] = append([]byte(nil), v.Init().Bytes()...)
			}
			h, err := qat.Equalize(ctx, g, cpu(t))
			require.NoError(t, err)
			var changed []string
			for _, v := range h.Values(graph.Param) {
				if string(before[v.Name()]) != string(v.Init().Bytes()) {
					changed = append(changed, v.Name())
				}
			}
			require.Equal(t, c.changed, changed)
			for _, v := range append(g.Values(graph.Param), g.Values(graph.State)...) {
				require.Equal(t, before[v.Name()], v.Init().Bytes(), "%s of the argument changed", v.Name())
			}
			require.Less(t, normalizedError(want, logits(t, h, graph.EvalFloat, float(t))), 1e-10)

			// Nothing is left to do.
			again, err := qat.Equalize(ctx, h, cpu(t))
			require.NoError(t, err)
			for _, v := range again.Values(graph.Param) {
				w, ok := h.Lookup(v.Name())
				require.True(t, ok)
				require.Less(t, normalizedError(w.Init().F32(), v.Init().F32()), 1e-6, v.Name())
			}
		})
	}
}

// TestEqualizeFormula compares two layers with the factors written out.
func TestEqualizeFormula(t *testing.T) {
	g := uneven(t, []int{3}, nn.Sequential{nn.Linear{Out: 2}, nn.ReLU{}, nn.Linear{Out: 2}})
	set := func(name string, v ...float32) {
		x, ok := g.Lookup(name)
		require.True(t, ok)
		w := tensor.New(x.Spec())
		copy(w.F32(), v)
		require.NoError(t, x.SetInit(w))
	}
	set("0.linear.weight", 1, -8, 2, 0.5, 0.25, 0.125) // r1 = 8, 0.5
	set("0.linear.bias", 4, 1)
	set("2.linear.weight", 0.5, 8, -0.25, 1) // r2 = 0.5, 8
	h, err := qat.Equalize(context.Background(), g, cpu(t))
	require.NoError(t, err)
	for name, want := range map[string][]float32{ // s = 4, 1/4
		"0.linear.weight": {0.25, -2, 0.5, 2, 1, 0.5},
		"0.linear.bias":   {1, 4},
		"2.linear.weight": {2, 2, -1, 0.25},
	} {
		v, ok := h.Lookup(name)
		require.True(t, ok)
		require.Equal(t, want, v.Init().F32(), name)
	}
}

// TestEqualizeHelps quantizes with one scale a tensor: with channels of equal
// range less is lost.
func TestEqualizeHelps(t *testing.T) {
	ctx := context.Background()
	c := qat.Default()
	c.Weights.Scheme.Grain.Kind = 0
	g := uneven(t, []int{9, 9, 2}, equalizable["bias and pools"].layers)
	h, err := qat.Equalize(ctx, g, cpu(t))
	require.NoError(t, err)
	want := logits(t, g, graph.EvalFloat, float(t))
	var loss [2]float64
	for i, m := range []*graph.Graph{g, h} {
		p, err := qat.Prepare(m, c)
		require.NoError(t, err)
		s, err := qat.Calibrate(ctx, p, noise{tensor.Shape{9, 9, 2}, 128, 3}, qat.DataOptions{Backend: cpu(t)})
		require.NoError(t, err)
		loss[i] = normalizedError(want, logits(t, p, graph.Eval, s))
	}
	require.Less(t, loss[1], 0.5*loss[0])
}

func TestEqualizeDeadChannels(t *testing.T) {
	g := uneven(t, []int{3}, nn.Sequential{nn.Linear{Out: 3}, nn.ReLU{}, nn.Linear{Out: 2}})
	w, _ := g.Lookup("0.linear.weight")
	x := w.Init().Clone()
	clear(x.F32()[:3])  // Nothing in,
	x.F32()[3] = 1e-30  // nearly nothing in,
	clear(x.F32()[4:6]) //
	v, _ := g.Lookup("2.linear.weight")
	y := v.Init().Clone()
	y.F32()[2], y.F32()[5] = 0, 0 // and nothing out.
	require.NoError(t, w.SetInit(x))
	require.NoError(t, v.SetInit(y))
	h, err := qat.Equalize(context.Background(), g, cpu(t))
	require.NoError(t, err)
	bias, _ := g.Lookup("0.linear.bias")
	got, _ := h.Lookup("0.linear.bias")
	require.Equal(t, bias.Init().F32()[0], got.Init().F32()[0])
	require.InEpsilon(t, 1024*bias.Init().F32()[1], got.Init().F32()[1], 1e-6, "the factor is bounded")
	require.Equal(t, bias.Init().F32()[2], got.Init().F32()[2])
}

func TestEqualizeRefusals(t *testing.T) {
	ctx := context.Background()
	p, err := qat.Prepare(model(t), qat.Default())
	require.NoError(t, err)
	_, err = qat.Equalize(ctx, p, cpu(t))
	require.ErrorContains(t, err, "prepared already")
	done, cancel := context.WithCancel(ctx)
	cancel()
	_, err = qat.Equalize(done, model(t), cpu(t))
	require.ErrorIs(t, err, context.Canceled)
}
