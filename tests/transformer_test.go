package tests

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// pangrams is a text whose every byte follows from the twelve before it, and
// from none alone.
func pangrams(t *testing.T) *data.Splits {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	text := "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. "
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(text, 24)), 0o600))
	s, err := data.Open(context.Background(), "text:"+path, data.Options{Window: 12})
	require.NoError(t, err)
	return s
}

// TestTransformer trains gpt-tiny on text in float and then on integers: it
// must learn the text, its products must run on codes, and the converted model
// must have the bits of the prepared one and its accuracy.
func TestTransformer(t *testing.T) {
	ctx := context.Background()
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	set := pangrams(t)
	g, err := nn.Build("gpt-tiny", set.Train.Shape(), set.Train.Classes(), 1)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Schedule = train.Schedule{Name: "onecycle"}
	c.Batch, c.LR, c.Epochs, c.Optimizer = 32, 3e-3, 4, train.Optimizer{Name: "adamw", WeightDecay: 0.01}
	r, err := train.Fit(ctx, g, c, train.Options{Backend: b, Train: set.Train, Val: set.Val})
	require.NoError(t, err)
	require.NoError(t, r.State.StoreTo(ctx, g))
	float, err := train.Evaluate(ctx, g, set.Val, train.EvalOptions{Backend: b, Batch: 32, Mode: graph.EvalFloat})
	require.NoError(t, err)
	t.Logf("float: loss %.4f, accuracy %.4f", float.Loss, float.Accuracy)
	require.GreaterOrEqual(t, float.Accuracy, 0.95)

	qc := qat.Default()
	p, err := qat.Prepare(g, qc)
	require.NoError(t, err)
	state, err := qat.Calibrate(ctx, p, set.Train, qat.DataOptions{Backend: b, Batch: 32})
	require.NoError(t, err)
	c.Epochs, c.LR = 1, 1e-3
	steps := int64(c.Epochs * (set.Train.Len() / c.Batch))
	_, err = train.Fit(ctx, p, c, train.Options{State: state, Train: set.Train, Phases: qc.Phases(steps), EvalMode: graph.Eval})
	require.NoError(t, err)
	require.NoError(t, state.StoreTo(ctx, p))
	m, err := qat.Convert(ctx, p, qc, b)
	require.NoError(t, err)
	count := map[string]int{}
	for _, n := range m.Graph.Nodes() {
		count[n.Op.OpName()]++
	}
	// A block: projections and MLP, q k and p v.
	require.Equal(t, 2*6+1, count["qlinear_gemm"])
	require.Equal(t, 2, count["matmul_dequant"])
	require.Equal(t, 2, count["qlinear_matmul"])
	require.Zero(t, count["gemm"]+count["matmul"]+count["gelu"])

	const n = 32
	low, err := graph.Rebatch(m.Graph, n)
	require.NoError(t, err)
	x := tensor.New(tensor.Of(tensor.F32, n, 12))
	for i := range n {
		_, err := set.Val.Sample(i, x.F32()[i*12:(i+1)*12])
		require.NoError(t, err)
	}
	var bits [2][]byte
	for i, o := range []struct {
		g *graph.Graph
		o program.Options
	}{{p, program.Options{State: state, Mode: graph.Eval, Batch: n}}, {low, program.Options{Backend: b, Lowered: true}}} {
		run, err := program.Compile(ctx, o.g, o.o)
		require.NoError(t, err)
		require.NoError(t, run.SetInput(ctx, train.InputName, x))
		require.NoError(t, run.Run(ctx))
		y, err := run.OutputTensor(ctx, train.OutputName)
		require.NoError(t, err)
		bits[i] = y.Bytes()
		requireVaried(t, y.F32())
	}
	require.True(t, bytes.Equal(bits[0], bits[1]), "prepared and converted logits differ")
	quantized, err := train.Evaluate(ctx, m.Graph, set.Val, train.EvalOptions{Backend: b, Batch: 32})
	require.NoError(t, err)
	t.Logf("on integers: accuracy %.4f", quantized.Accuracy)
	require.GreaterOrEqual(t, quantized.Accuracy, 0.95)
}
