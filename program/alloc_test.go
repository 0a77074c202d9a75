//go:build !race

// The race detector allocates in steps that otherwise do not.

package program_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// TestStepAllocatesNothing counts allocations of inference steps; package
// train counts those of training.
func TestStepAllocatesNothing(t *testing.T) {
	ctx := context.Background()
	g, err := nn.Build("cnn", tensor.Shape{12, 12, 1}, 4, 1)
	require.NoError(t, err)
	p, err := program.Compile(ctx, g, program.Options{Backend: cpu(t), Batch: 4})
	require.NoError(t, err)
	require.NoError(t, p.Run(ctx))
	require.Zero(t, testing.AllocsPerRun(20, func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	}))
}
