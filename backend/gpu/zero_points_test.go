//go:build cuda

package gpu

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// fault runs a case and returns what is wrong with it.
func (c vendorCase) fault(t *testing.T, b backend.Backend, but ...int) error {
	ctx := context.Background()
	k, _, _ := c.bindConstants(t, b, but...)
	err := k.Run(ctx)
	return errors.Join(err, b.Sync(ctx))
}

// TestZeroPointsOutOfRange: the same faults as on the CPU, in the same words, at
// the step's end; constants that are right cost no launch.
func TestZeroPointsOutOfRange(t *testing.T) {
	needSim(t)
	b := open(t)
	for _, e := range []struct {
		input int
		zero  int32
		text  string
	}{
		{7, 128, "zero point 128 of the result is not in [-128, 127]: quant: out of range"},
		{7, -129, "zero point -129 of the result is not in [-128, 127]: quant: out of range"},
		{2, 1 << 20, "zero point 1048576 of the input is no code of its type: quant: out of range"},
	} {
		for _, but := range [][]int{nil, {2, 7}} {
			c := int8Product(8, 12, 16, false)
			c.op = backend.QLinearGemm{Rule: quant.ONNX, Scheme: quant.Int8(), Lo: unbounded[0], Hi: unbounded[1]}
			good := c.codes(t, cpu.New())
			c.in[e.input] = tensor.FromI32([]int32{e.zero}, 1)
			want := c.fault(t, cpu.New())
			require.ErrorIs(t, want, quant.ErrRange)
			require.True(t, strings.HasSuffix(want.Error(), e.text), want)
			err := c.fault(t, b, but...)
			require.ErrorIs(t, err, quant.ErrRange)
			require.True(t, strings.HasSuffix(err.Error(), "gpu: "+e.text), err)
			var k *backend.KernelError
			require.ErrorAs(t, err, &k)
			// The next step knows nothing of it.
			c.in[e.input] = tensor.FromI32([]int32{0}, 1)
			require.Equal(t, good, c.codes(t, b, but...))
		}
	}
	// A zero point that changes between steps is looked at in each, without a
	// wait inside of the step.
	ctx := context.Background()
	c := int8Product(8, 12, 16, false)
	k, bufs, _ := c.bindConstants(t, b, 7)
	step, err := b.Record([]backend.Kernel{k})
	require.NoError(t, err)
	require.NoError(t, b.Sync(ctx))
	for _, zero := range []int32{0, 300, 5} {
		require.NoError(t, b.Write(ctx, bufs[7], tensor.FromI32([]int32{zero}, 1).Bytes()))
		waits := cudasim.Count().HostSyncs
		require.NoError(t, step.Run(ctx))
		require.Equal(t, waits, cudasim.Count().HostSyncs)
		if err := b.Sync(ctx); zero == 300 {
			require.ErrorContains(t, err, "zero point 300 of the result is not in [-128, 127]")
		} else {
			require.NoError(t, err)
		}
	}
	count := func(but ...int) int {
		k, _, _ := c.bindConstants(t, b, but...)
		return len(k.(*bound).cmds)
	}
	require.Equal(t, count()+1, count(7))
}
