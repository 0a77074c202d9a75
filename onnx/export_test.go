package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/npy"
	"github.com/stretchr/testify/require"
)

// exportDir, from the environment, is where the tests leave models with
// inputs and expected outputs for other programs to check:
// tests/peers/onnx_check.py.
var exportDir = os.Getenv("GOQAT_ONNX_EXPORT")

// exportCase writes a model, an input and what goqat makes of it, in the
// layout of the file.
func exportCase(t *testing.T, name string, g *graph.Graph, o WriteOptions) {
	if exportDir == "" {
		return
	}
	dir := filepath.Join(exportDir, name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, "model.onnx")
	require.NoError(t, WriteFile(path, g, o))
	file, _, err := ReadFile(path, ReadOptions{KeepInputLayout: true})
	require.NoError(t, err)
	in := randomInputs(file, 7)
	out, err := run(t, file, in)
	require.NoError(t, err)
	for i, x := range in {
		require.NoError(t, npy.WriteFile(filepath.Join(dir, fmt.Sprintf("input_%d.npy", i)), x))
	}
	for i, y := range out {
		require.NoError(t, npy.WriteFile(filepath.Join(dir, fmt.Sprintf("expected_%d.npy", i)), y))
	}
}
