//go:build cuda

package cuda_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/internal/cudasim"
)

func TestOutOfMemorySaysWhatThereIs(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_MEMORY", "8m")
	c := open(t)
	p := alloc(t, c, 5<<20)
	require.NotZero(t, p)
	_, err := c.Alloc(6 << 20)
	require.ErrorIs(t, err, cuda.ErrOutOfMemory)
	var m *cuda.MemoryError
	require.ErrorAs(t, err, &m)
	require.EqualValues(t, 6<<20, m.Need)
	require.LessOrEqual(t, m.Free, int64(3<<20))
	require.Nil(t, c.Lost())
	q := queue(t, c) // The context still works.
	require.NoError(t, q.Wait(context.Background()))
	free, total, err := c.MemInfo()
	require.NoError(t, err)
	require.EqualValues(t, 8<<20, total)
	require.LessOrEqual(t, free, int64(3<<20))
}

// TestEveryCallFails makes each call of the driver fail in turn, once and for
// good: the error is typed, nothing hangs, nothing is left.
func TestEveryCallFails(t *testing.T) {
	needSim(t)
	for _, call := range []string{
		"cuDevicePrimaryCtxRetain", "cuCtxSetCurrent", "cuStreamCreate", "cuMemAlloc", "cuMemHostAlloc", "cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync",
		"cuLaunchKernel", "cuStreamSynchronize", "cuModuleLoadData", "cuModuleGetFunction", "cuStreamBeginCapture", "cuStreamEndCapture",
		"cuGraphInstantiateWithFlags", "cuGraphLaunch", "kernel",
	} {
		for _, code := range []int{2, 1, 700, 719} {
			sticky := code >= 700
			for n := 1; n <= 3; n++ {
				t.Run(fmt.Sprintf("%s/%d/%d", call, code, n), func(t *testing.T) {
					cudasim.Reset()
					cudasim.FailAt(call, n, code, sticky)
					err := everything(t)
					cudasim.ClearFaults()
					if err != nil {
						var e *cuda.Error
						require.ErrorAs(t, err, &e)
						require.Equal(t, code, e.Code, "%v", err)
						require.Equal(t, sticky, cuda.Sticky(err))
						require.Equal(t, code == 2, errors.Is(err, cuda.ErrOutOfMemory))
					}
					require.Equal(t, cuda.Counts{}, cuda.Live())
				})
			}
		}
	}
}

// everything does one of all and releases it, whatever fails.
func everything(t *testing.T) error {
	ctx := context.Background()
	c, err := cuda.Open(0)
	if err != nil {
		return err
	}
	defer func() { require.NoError(t, c.Close()) }()
	q, err := c.NewQueue(false)
	if err != nil {
		return err
	}
	defer q.Close()
	const n = 1000
	var p [3]cuda.Ptr
	for i := range p {
		if p[i], err = c.Alloc(4 * n); err != nil {
			return err
		}
		defer func() { _ = c.Free(p[i], 4*n) }()
	}
	m, err := c.Load(image(t))
	if err != nil {
		return err
	}
	defer m.Unload()
	f, err := m.Function("ste_grad")
	if err != nil {
		return err
	}
	k, args := steGrad(f, p[0], p[1], p[2], n)
	defer args.Free()
	if err := q.Upload("dy", p[1], random(4*n)); err != nil {
		return err
	}
	if err := q.Upload("mask", p[2], random(4*n)); err != nil {
		return err
	}
	if err := q.Add("ste", k); err != nil {
		return err
	}
	if err := q.Wait(ctx); err != nil {
		return err
	}
	g, err := q.Record([]cuda.Command{k, k}, []any{"a", "b"})
	if err != nil {
		return err
	}
	defer g.Close()
	for range 2 {
		if err := q.Add("graph", g.Command()); err != nil {
			return err
		}
		if err := q.Wait(ctx); err != nil {
			return err
		}
	}
	got := make([]byte, 4*n)
	return q.Download(ctx, "dx", got, p[0])
}

// TestFaultNamesTheCommand: a fault at the call is that of the command, and
// the queue goes on; one of the device ends the context.
func TestFaultNamesTheCommand(t *testing.T) {
	needSim(t)
	ctx := context.Background()
	c := open(t)
	q := queue(t, c)
	m := fakeQuant(t, c)
	f, err := m.Function("ste_grad")
	require.NoError(t, err)
	const n = 1000
	p := alloc(t, c, 4*n)
	k, args := steGrad(f, p, p, p, n)
	defer args.Free()
	require.NoError(t, q.Add("zero", cuda.Fill(p, 0, 4*n)))
	cudasim.FailAt("cuLaunchKernel", 2, 1, false)
	require.NoError(t, q.Add("first", k))
	require.NoError(t, q.Add("second", k))
	require.NoError(t, q.Add("third", k))
	err = q.Wait(ctx)
	var ce *cuda.CommandError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, "second", ce.Tag)
	require.True(t, ce.Exact)
	require.NoError(t, q.Wait(ctx), "the fault was told")
	require.NoError(t, q.Add("again", k))
	require.NoError(t, q.Wait(ctx))

	cudasim.FailAt("kernel:ste_grad", 1, 700, true)
	require.NoError(t, q.Add("bad", k))
	err = q.Wait(ctx)
	require.ErrorIs(t, err, cuda.ErrLost)
	require.ErrorIs(t, q.Wait(ctx), cuda.ErrLost, "it stays")
	require.ErrorIs(t, q.Add("more", k), cuda.ErrLost)
	_, err = c.Alloc(10)
	require.ErrorIs(t, err, cuda.ErrLost)
	require.ErrorIs(t, c.Lost(), cuda.ErrLost)
}

// TestEachFindsTheKernel: a queue that waits after each command names the
// kernel of a fault of the device.
func TestEachFindsTheKernel(t *testing.T) {
	needSim(t)
	c := open(t)
	q, err := c.NewQueue(true)
	require.NoError(t, err)
	defer q.Close()
	m := fakeQuant(t, c)
	f, err := m.Function("ste_grad")
	require.NoError(t, err)
	p := alloc(t, c, 4000)
	require.NoError(t, q.Add("zero", cuda.Fill(p, 0, 4000)))
	k, args := steGrad(f, p, p, p, 1000)
	defer args.Free()
	cudasim.FailAt("kernel", 2, 719, true)
	for _, tag := range []string{"a", "b", "c"} {
		require.NoError(t, q.Add(tag, k))
	}
	err = q.Wait(context.Background())
	require.ErrorIs(t, err, cuda.ErrLost)
	var ce *cuda.CommandError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, "b", ce.Tag)
	require.True(t, ce.Exact)
}

func TestDriverTooOld(t *testing.T) {
	needSim(t)
	c := open(t)
	cudasim.FailAt("cuModuleLoadData", 1, 222, false)
	_, err := c.Load(image(t))
	require.ErrorIs(t, err, cuda.ErrDriverTooOld)
	require.ErrorContains(t, err, "install a newer driver")
	cudasim.FailAt("cuModuleLoadData", 1, 209, false)
	_, err = c.Load(image(t))
	require.ErrorIs(t, err, cuda.ErrDeviceTooOld)
	require.ErrorContains(t, err, "sm_75")
}

func TestNoDevice(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_DEVICES", "0")
	cudasim.Reset()
	_, err := cuda.Open(0)
	require.ErrorIs(t, err, cuda.ErrNoDevice)
	require.ErrorContains(t, err, "CUDA_VISIBLE_DEVICES")
}
