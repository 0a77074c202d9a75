package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
)

// TestRecipe: on a part of the digits the recipe gives its lines, a float
// model comes back from the cache as it was, and what is converted has the
// accuracy of what was trained.
func TestRecipe(t *testing.T) {
	ctx := context.Background()
	set, err := data.Open(ctx, "digits", data.Options{Normalize: true, MaxSamples: 400})
	require.NoError(t, err)
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	var lines bytes.Buffer
	cache, out = t.TempDir(), &lines
	t.Cleanup(func() { cache, out = "", io.Discard })

	g, err := float(ctx, set, b, 1)
	require.NoError(t, err)
	again, err := float(ctx, set, b, 1)
	require.NoError(t, err)
	for _, v := range g.Values(graph.Param) {
		w, ok := again.Lookup(v.Name())
		require.True(t, ok)
		require.Equal(t, v.Init().Bytes(), w.Init().Bytes(), v.Name())
	}
	configs, err := readConfigs("8:8,4:4", "")
	require.NoError(t, err)
	require.Len(t, configs, 2)
	require.NoError(t, quantized(ctx, g, set, b, 1, "8:8", configs[0], 0.02))

	var what []string
	for d := json.NewDecoder(&lines); d.More(); {
		var r result
		require.NoError(t, d.Decode(&r))
		what = append(what, r.What)
		require.Greater(t, r.Accuracy, 0.05, r.What)
		if r.What == "qat 8:8" {
			require.Equal(t, r.Accuracy, r.Converted)
		}
	}
	require.Equal(t, []string{"float", "ptq 8:8", "qat 8:8"}, what)
}

func TestBitsAreRefused(t *testing.T) {
	_, err := readConfigs("8", "")
	require.ErrorContains(t, err, `-bits "8"`)
}
