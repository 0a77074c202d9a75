//go:build cuda

package gpu

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/internal/cudasim"
	_ "github.com/goqat/goqat/op"
)

// open returns a backend, or skips the test ([cudasim.Skip]). At the end of the test nothing
// must be left.
func open(t *testing.T) *Backend {
	if cudasim.Running() {
		cudasim.Reset()
	}
	b, err := Open(0)
	if errors.Is(err, backend.ErrNoDevice) {
		cudasim.Skip(t, false, "needs a GPU or the simulator (make test-cuda): %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { closed(t, b) })
	return b
}

// closed closes b and checks that nothing is left.
func closed(t *testing.T, b *Backend) {
	if cudasim.Running() {
		cudasim.ClearFaults()
	}
	err := b.Close()
	if b.c.Lost() == nil {
		require.NoError(t, err)
	}
	require.Equal(t, cuda.Counts{}, cuda.Live())
	if cudasim.Running() && b.c.Lost() == nil { // A driver with a lost context frees nothing any more.
		n := cudasim.Count()
		require.Zero(t, n.Allocations+n.Streams+n.Events+n.Graphs+n.Execs+n.Modules+n.VendorObjects, "the driver holds %+v", n)
	}
}

// needSim skips a test that injects faults.
func needSim(t *testing.T) {
	if !cudasim.Running() {
		cudasim.Skip(t, true, "needs the simulator (make test-cuda)")
	}
}

// TestConformance runs every operation that the backend has kernels for.
func TestConformance(t *testing.T) { backendtest.RunSupported(t, open(t)) }

// TestKernelsAreOperations finds kernels of operations that are no more.
func TestKernelsAreOperations(t *testing.T) {
	known := map[string]bool{}
	for _, n := range backendtest.Registered() {
		known[n] = true
	}
	for n := range kernels {
		require.True(t, known[n], "kernel of an unknown operation %s", n)
	}
}
