//go:build cuda

package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
)

// TestTiny: all groups run on the simulator, and what is missing is what is
// known to be.
func TestTiny(t *testing.T) {
	m, err := measure(context.Background(), true, time.Minute)
	if errors.Is(err, backend.ErrNoDevice) {
		t.Skip(err)
	}
	require.NoError(t, err)
	require.Len(t, m.Missing, 1)
	require.Equal(t, "quantize of bf16", m.Missing[0].Name)
	seen := map[string]bool{}
	for _, f := range m.Figures {
		require.False(t, seen[f.Name], "%s twice", f.Name)
		seen[f.Name] = true
		require.NotEmpty(t, f.Cold.Ended)
		require.Len(t, f.Batch.Samples, 2)
		require.Positive(t, f.Cold.Median, f.Name)
		require.Positive(t, f.Batch.Median, f.Name)
		require.Positive(t, f.Bytes+f.Ops, f.Name)
	}
	for _, name := range []string{"copy", "fake_quant 2^12 float32", "adamw", "int8 to int32 64", "QAT linear step, launches", "QAT linear step, graph"} {
		require.Contains(t, seen, name)
	}
}
