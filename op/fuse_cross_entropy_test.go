package op_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// crossEntropyNet is logits that are a parameter, and loss of them.
func crossEntropyNet(t *testing.T, smoothing float32, logits, labels *tensor.Tensor, loss func(g *graph.Graph, v graph.Value) graph.Value) *graph.Graph {
	t.Helper()
	g := graph.New()
	v := g.Apply(backend.SoftmaxCrossEntropy{Smoothing: smoothing}, g.Param("logits", logits), g.Const("labels", labels))
	if loss != nil {
		v = loss(g, v)
	}
	g.Output("loss", v)
	require.NoError(t, g.Err())
	return g
}

// differentiated runs g and returns loss, gradient and the names of its
// operations.
func differentiated(t *testing.T, g *graph.Graph, keep bool) (loss, dx *tensor.Tensor, ops []string) {
	t.Helper()
	ctx := context.Background()
	p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: graph.Mode{Train: true}, Loss: "loss", KeepAll: keep})
	require.NoError(t, err)
	require.NoError(t, p.Run(ctx))
	loss, err = p.OutputTensor(ctx, "loss")
	require.NoError(t, err)
	dx, err = p.OutputTensor(ctx, "grad.logits")
	require.NoError(t, err)
	for _, n := range p.Graph().Nodes() {
		ops = append(ops, n.Op.OpName())
	}
	return loss, dx, ops
}

func sameFloats(t *testing.T, want, got *tensor.Tensor, context string) {
	t.Helper()
	for i := range want.Numel() {
		w, v := want.At(i), got.At(i)
		if w != v && !(math.IsNaN(w) && math.IsNaN(v)) {
			require.Failf(t, "other bits", "%s: element %d is %v, want %v", context, i, v, w)
		}
	}
}

// TestFuseCrossEntropy: loss and gradient of one pass are, bit for bit, those
// of two, on every instruction set and for any number of threads.
func TestFuseCrossEntropy(t *testing.T) {
	threads := runtime.GOMAXPROCS(0)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(threads)
		require.NoError(t, cpu.SetMaxISA(""))
	})
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, s := range [][2]int{{1, 1}, {7, 1}, {5, 2}, {128, 10}, {5000, 10}, {33, 1000}, {3, 50257}} {
		for _, eps := range []float32{0, 0.1} {
			for _, odd := range []float32{0, nan, inf, -inf} {
				r := rand.New(rand.NewPCG(3, uint64(s[1])))
				x, l := backendtest.Normal(r, 3, s[0], s[1]), backendtest.Ints(r, tensor.I32, 0, s[1]-1, s[0])
				if odd != 0 {
					x.F32()[r.IntN(x.Numel())] = odd
				}
				g := crossEntropyNet(t, eps, x, l, nil)
				require.NoError(t, cpu.SetMaxISA("portable"))
				runtime.GOMAXPROCS(1)
				loss, dx, ops := differentiated(t, g, true)
				require.Equal(t, []string{"softmax_cross_entropy", "softmax_cross_entropy_grad"}, ops)
				for _, set := range cpu.InstructionSets() {
					if !set.Usable {
						continue
					}
					require.NoError(t, cpu.SetMaxISA(set.Name))
					for _, n := range []int{1, 3} {
						runtime.GOMAXPROCS(n)
						context := fmt.Sprintf("%v, smoothing %v, %v, %d threads of %s", s, eps, odd, n, set.Name)
						gotLoss, gotDx, ops := differentiated(t, g, false)
						require.Equal(t, []string{"softmax_cross_entropy_train"}, ops)
						sameFloats(t, loss, gotLoss, context)
						sameFloats(t, dx, gotDx, context)
					}
				}
			}
		}
	}
}

// TestFuseCrossEntropyOfRoots: what is not the root keeps its two operations.
func TestFuseCrossEntropyOfRoots(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	x, l := backendtest.Normal(r, 3, 6, 5), backendtest.Ints(r, tensor.I32, 0, 4, 6)
	g := crossEntropyNet(t, 0, x, l, func(g *graph.Graph, v graph.Value) graph.Value {
		return g.Apply(backend.Mul{}, v, g.Scalar(tensor.F32, 0.5))
	})
	_, weighted, ops := differentiated(t, g, false)
	require.Contains(t, ops, "softmax_cross_entropy_grad")
	require.NotContains(t, ops, "softmax_cross_entropy_train")
	_, dx, _ := differentiated(t, crossEntropyNet(t, 0, x, l, nil), false)
	for i, v := range dx.F32() {
		require.InDelta(t, v/2, weighted.F32()[i], 1e-8)
	}
	// Probabilities that something else takes are computed.
	g = graph.New()
	out := g.ApplyN(backend.SoftmaxCrossEntropy{}, g.Param("logits", x), g.Const("labels", l))
	g.Output("loss", out[0])
	g.Output("p", out[1])
	_, _, ops = differentiated(t, g, false)
	require.Equal(t, []string{"softmax_cross_entropy", "softmax_cross_entropy_grad"}, ops)
	// Without a gradient there is nothing to fuse.
	p, err := program.Compile(context.Background(), crossEntropyNet(t, 0, x, l, nil), program.Options{Backend: cpu.New()})
	require.NoError(t, err)
	require.Equal(t, "softmax_cross_entropy", p.Graph().Nodes()[0].Op.OpName())
}

// TestCrossEntropyTrainBelow: used below another operation its gradient is
// still right.
func TestCrossEntropyTrainBelow(t *testing.T) {
	labels := tensor.FromI32([]int32{2, 0, 4, 4}, 4)
	for _, eps := range []float32{0, 0.125} {
		gradCheck(t, 1, apply(backend.SoftmaxCrossEntropyTrain{Smoothing: eps}), normal64(3, 2, 4, 5), labels)
	}
}

func TestCrossEntropyTrainNamesTheRow(t *testing.T) {
	in := []backend.Buffer{tensor.New(tensor.Of(tensor.F32, 3, 4)), tensor.FromI32([]int32{0, 3, 7}, 3)}
	out := []backend.Buffer{tensor.New(tensor.Of(tensor.F32)), tensor.New(tensor.Of(tensor.F32, 3, 4))}
	err := backend.Run(context.Background(), cpu.New(), backend.SoftmaxCrossEntropyTrain{}, out, in)
	require.ErrorIs(t, err, backend.ErrIndex)
	require.ErrorContains(t, err, "row 2 has label 7 of 4 classes")
}
