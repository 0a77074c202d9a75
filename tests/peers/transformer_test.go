package peers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/train"
)

// TestTransformer trains gpt-tiny on text, in float and on integers, and runs
// both forms of its ONNX files in ONNX Runtime on text that it has not seen.
func TestTransformer(t *testing.T) {
	python := os.Getenv("GOQAT_PEERS")
	if python == "" {
		t.Skip("GOQAT_PEERS names no python with the runtimes: make test-peers makes one")
	}
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "text")
	text := "the quick brown fox jumps over the lazy dog. pack my box with five dozen liquor jugs. "
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat(text, 24)), 0o600))
	set, err := data.Open(ctx, "text:"+path, data.Options{Window: 24, ValFraction: 0.2})
	require.NoError(t, err)
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	g, err := nn.Build("gpt-tiny", set.Train.Shape(), set.Train.Classes(), 1)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Schedule = train.Schedule{Name: "onecycle"}
	c.Batch, c.LR, c.Epochs, c.Optimizer = 32, 3e-3, 2, train.Optimizer{Name: "adamw"}
	r, err := train.Fit(ctx, g, c, train.Options{Backend: b, Train: set.Train})
	require.NoError(t, err)
	require.NoError(t, r.State.StoreTo(ctx, g))
	c.Epochs, c.LR = 1, 1e-3
	p := &peer{python, set, b, g, c}
	for _, name := range []string{"onnx-qdq", "onnx-qoperator"} {
		t.Run(name, func(t *testing.T) {
			tg, err := target.Lookup(name)
			require.NoError(t, err)
			m := p.converted(t, tg.Config())
			dir := t.TempDir()
			in, out := p.lowered(t, name, m, filepath.Join(dir, "model.onnx"))
			save(t, dir, "input0", in)
			save(t, dir, "expected0", out)
			n, _ := m.Graph.Outputs()[0].Value.Producer()
			require.IsType(t, backend.DequantizeLinear{}, n.Op)
			save(t, dir, "scales", n.In[1].Init())
			p.check(t, "ort_check.py", "--tolerance", "1", "--fraction", "0.002", dir)
		})
	}
}
