package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
)

// TestElsewhere: a verb for which auto has chosen a GPU without a kernel runs
// again on the CPU; nothing else does.
func TestElsewhere(t *testing.T) {
	missing := fmt.Errorf("program: %w", backend.ErrUnsupported)
	other := errors.New("disk full")
	for _, c := range []struct {
		chosen bool
		first  error
		runs   int
		want   error
	}{
		{true, missing, 2, nil}, {true, other, 1, other}, {true, nil, 1, nil}, {false, missing, 1, missing},
	} {
		var out bytes.Buffer
		a := &app{err: &out, backend: "auto", chosen: c.chosen}
		runs := 0
		err := a.elsewhere(func() error {
			if runs++; runs == 2 {
				require.Equal(t, "cpu", a.backend)
				return nil
			}
			return c.first
		})
		require.Equal(t, c.want, err)
		require.Equal(t, c.runs, runs)
		require.Equal(t, c.runs == 2, bytes.Contains(out.Bytes(), []byte("computing on the CPU: program: unsupported")))
	}
}

// TestWorkerEndsLikeItself: the exit code of a worker is that of the command,
// whose error the worker has printed.
func TestWorkerEndsLikeItself(t *testing.T) {
	err := fmt.Errorf("x: %w", &workerError{exitUsage})
	var w *workerError
	require.ErrorAs(t, err, &w)
	require.Equal(t, exitUsage, w.code)
	require.False(t, worker())
	t.Setenv(workerEnv, "1")
	require.True(t, worker())
	a := &app{backend: "gpu"}
	ran := false
	require.NoError(t, a.trained(t.Context(), t.TempDir(), func() error { ran = true; return nil }))
	require.True(t, ran, "a worker trains itself")
}
