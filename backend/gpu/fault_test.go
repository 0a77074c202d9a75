//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// session does what a program does: opens, allocates, binds, runs, records,
// replays, reads and closes, and returns the first error. At the end, calls
// has the numbers of calls before the closing.
func session(t *testing.T, calls map[string]int) (err error) {
	ctx := context.Background()
	b, err := Open(0)
	if err != nil {
		return err
	}
	defer func() {
		for c := range calls {
			calls[c] = cudasim.Calls(c)
			if c == "kernel" {
				calls[c] = cudasim.Count().Kernels
			}
		}
		cudasim.ClearFaults()
		closed(t, b)
	}()
	x := normal(3000)
	var bufs []backend.Buffer
	for _, s := range []tensor.Spec{tensor.Of(tensor.F32, 3000), tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1), tensor.Of(tensor.F32, 3000), tensor.Of(tensor.B1, 3000)} {
		buf, err := b.Alloc(s)
		if err != nil {
			return err
		}
		bufs = append(bufs, buf)
	}
	if err := b.Write(ctx, bufs[0], tensor.Raw(x)); err != nil {
		return err
	}
	if err := b.Write(ctx, bufs[1], tensor.Raw([]float32{0.1})); err != nil {
		return err
	}
	k, err := b.Bind(backend.FakeQuant{Scheme: quant.Int8()}, bufs[3:], bufs[:3])
	if err != nil {
		return err
	}
	g, err := b.Bind(backend.STEGrad{}, bufs[:1], []backend.Buffer{bufs[3], bufs[4]})
	if err != nil {
		return err
	}
	for range 2 {
		for _, k := range []backend.Kernel{k, g} {
			if err := k.Run(ctx); err != nil {
				return err
			}
		}
		if err := b.Sync(ctx); err != nil {
			return err
		}
	}
	step, err := b.Record([]backend.Kernel{k, g})
	if err != nil {
		return err
	}
	for range 2 {
		if err := step.Run(ctx); err != nil {
			return err
		}
		if err := b.Sync(ctx); err != nil {
			return err
		}
	}
	return b.Read(ctx, tensor.Raw(x), bufs[3])
}

// TestOutOfMemoryEverywhere: no allocation of device memory can fail without
// a typed error, and none leaves anything.
func TestOutOfMemoryEverywhere(t *testing.T) {
	needSim(t)
	calls := map[string]int{"cuMemAlloc_v2": 0, "cuMemHostAlloc": 0, "cuStreamCreateWithPriority": 0, "cuModuleLoadData": 0, "cuGraphInstantiateWithFlags": 0, "cuDevicePrimaryCtxRetain": 0}
	cudasim.Reset()
	require.NoError(t, session(t, calls))
	for call, total := range calls {
		require.Positive(t, total, call)
		for n := 1; n <= total; n++ {
			t.Run(fmt.Sprintf("%s/%d", call, n), func(t *testing.T) {
				cudasim.Reset()
				// Twice: an allocation is tried again after caches are freed.
				cudasim.FailAt(call, n, 2, false)
				cudasim.FailAt(call, n+1, 2, false)
				require.ErrorIs(t, session(t, nil), backend.ErrOutOfMemory)
			})
		}
	}
}

// TestStickyFaultsEverywhere: a sticky fault at any launch, as its call
// returns or behind it, ends in [backend.ErrLost] and leaves nothing.
func TestStickyFaultsEverywhere(t *testing.T) {
	needSim(t)
	calls := map[string]int{"kernel": 0, "cuLaunchKernel": 0, "cuGraphLaunch": 0, "cuMemcpyHtoDAsync_v2": 0, "cuStreamSynchronize": 0}
	cudasim.Reset()
	require.NoError(t, session(t, calls))
	for call, total := range calls {
		require.Positive(t, total, call)
		for n := 1; n <= total; n++ {
			t.Run(fmt.Sprintf("%s/%d", call, n), func(t *testing.T) {
				cudasim.Reset()
				cudasim.FailAt(call, n, 700, true)
				err := session(t, nil)
				require.ErrorIs(t, err, backend.ErrLost)
				require.NotErrorIs(t, err, backend.ErrOutOfMemory)
			})
		}
	}
}

// TestFaultNamesTheOperation: a launch that is refused is told by the Sync
// behind it, with the operation; the backend goes on.
func TestFaultNamesTheOperation(t *testing.T) {
	needSim(t)
	ctx := context.Background()
	b := open(t)
	k, _, _ := fakeQuant(t, b, normal(100))
	require.NoError(t, b.Sync(ctx))
	cudasim.FailAt("cuLaunchKernel", 1, 1, false)
	require.NoError(t, k.Run(ctx))
	err := b.Sync(ctx)
	var ke *backend.KernelError
	require.ErrorAs(t, err, &ke)
	require.Same(t, k, ke.Kernel)
	require.ErrorContains(t, err, "fake_quant(float32[100]")
	require.NoError(t, k.Run(ctx))
	require.NoError(t, b.Sync(ctx))
}

// TestLostOperation: with GOQAT_GPU_SYNC=1 a fault of the device has a name.
func TestLostOperation(t *testing.T) {
	needSim(t)
	ctx := context.Background()
	b := open(t)
	k, _, _ := fakeQuant(t, b, normal(100))
	cudasim.FailAt("kernel", 1, 719, true)
	require.NoError(t, k.Run(ctx))
	err := b.Sync(ctx)
	require.ErrorIs(t, err, backend.ErrLost)
	require.ErrorContains(t, err, "GOQAT_GPU_SYNC=1")
	require.ErrorIs(t, k.Run(ctx), backend.ErrLost)
	_, err = b.Alloc(tensor.Of(tensor.F32, 10))
	require.ErrorIs(t, err, backend.ErrLost)
	closed(t, b)

	t.Setenv("GOQAT_GPU_SYNC", "1")
	b = open(t)
	k, _, _ = fakeQuant(t, b, normal(100))
	cudasim.FailAt("kernel", 1, 719, true)
	require.NoError(t, k.Run(ctx))
	err = b.Sync(ctx)
	require.ErrorIs(t, err, backend.ErrLost)
	require.ErrorContains(t, err, "fake_quant(float32[100]")
}

// TestWhatIsMissingIsSaid opens the backend where it cannot be.
func TestWhatIsMissingIsSaid(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_DEVICES", "0")
	cudasim.Reset()
	_, err := backend.Open("gpu")
	require.ErrorIs(t, err, backend.ErrNoDevice)
	require.ErrorContains(t, err, "no CUDA device")
	require.ErrorIs(t, Available(), backend.ErrNoDevice)

	t.Setenv("GOQAT_SIM_DEVICES", "1")
	cudasim.Reset()
	cudasim.FailAt("cuModuleLoadData", 1, 222, false)
	_, err = backend.Open("gpu")
	require.ErrorIs(t, err, backend.ErrNoDevice)
	require.ErrorContains(t, err, "install a newer driver")

	cudasim.Reset()
	cudasim.SetCapability(61)
	_, err = backend.Open("gpu")
	require.ErrorIs(t, err, backend.ErrNoDevice)
	require.ErrorContains(t, err, "need compute capability 7.5 or later")
	require.ErrorIs(t, Available(), backend.ErrNoDevice)
}
