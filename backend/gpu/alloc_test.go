//go:build cuda && !race

// The race detector allocates in steps that otherwise do not.

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// TestRunAllocatesNothing: neither kernels nor replays nor transfers.
func TestRunAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	x := normal(5000)
	k, in, out := fakeQuant(t, b, x)
	step, err := b.Record([]backend.Kernel{k})
	require.NoError(t, err)
	raw, y := tensor.Raw(x), make([]byte, 20000)
	var fault error
	n := testing.AllocsPerRun(20, func() {
		for _, err := range []error{b.Write(ctx, in[0], raw), k.Run(ctx), step.Run(ctx), b.Sync(ctx), b.Read(ctx, y, out[0])} {
			if err != nil {
				fault = err
			}
		}
	})
	require.NoError(t, fault)
	require.Zero(t, n)
}
