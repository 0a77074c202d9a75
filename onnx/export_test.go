package onnx

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/tensor"
	"github.com/stretchr/testify/require"
)

// exportDir, from the environment, is where the tests leave models with
// inputs and expected outputs for other programs to check:
// tests/peers/onnx_check.py.
var exportDir = os.Getenv("GOQAT_ONNX_EXPORT")

// exportCase writes a model, an input and what g makes of it, in the layout of
// the file.
func exportCase(t *testing.T, name string, g *graph.Graph, o WriteOptions) {
	if exportDir == "" {
		return
	}
	dir := filepath.Join(exportDir, name)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, "model.onnx")
	require.NoError(t, WriteFile(path, g, o))
	_, info, err := ReadFile(path, ReadOptions{})
	require.NoError(t, err)
	in := randomInputs(g, 7)
	out, err := run(t, g, in)
	require.NoError(t, err)
	save := func(kind string, i int, x *tensor.Tensor, last bool) {
		if s := x.Shape(); last {
			y := tensor.New(tensor.Spec{DType: x.DType(), Shape: permuted(s, toFirst(len(s)))})
			permute(x, y, toFirst(len(s)))
			x = y
		}
		require.NoError(t, npy.WriteFile(filepath.Join(dir, fmt.Sprintf("%s_%d.npy", kind, i)), x))
	}
	for i, x := range in {
		save("input", i, x, info.Inputs[i].ChannelsLast)
	}
	for i, y := range out {
		save("expected", i, y, info.Outputs[i].ChannelsLast)
	}
}
