package main

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/onnx"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, run(context.Background(), "", dir, 1, 300))
	g, _, err := onnx.ReadFile(filepath.Join(dir, "model.qdq.onnx"), onnx.ReadOptions{})
	require.NoError(t, err)
	pairs := 0
	for _, n := range g.Nodes() {
		if _, ok := n.Op.(backend.QuantizeLinear); ok {
			pairs++
		}
	}
	require.GreaterOrEqual(t, pairs, 5, "input, three blocks, logits")

	// A model that is there is read, not made.
	again := t.TempDir()
	require.NoError(t, run(context.Background(), filepath.Join(dir, "model.onnx"), again, 1, 300))
	require.NoFileExists(t, filepath.Join(again, "model.onnx"))
	require.FileExists(t, filepath.Join(again, "model.qdq.onnx"))
	require.Error(t, run(context.Background(), filepath.Join(dir, "absent.onnx"), again, 1, 300))
}
