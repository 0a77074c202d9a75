//go:build cuda

package cuda_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/csrc/ptx"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/internal/cudasim"
)

// open returns a context of device 0, or skips the test ([cudasim.Skip]). At the end nothing
// must be left.
func open(t *testing.T) *cuda.Context {
	if cudasim.Running() {
		cudasim.Reset()
	}
	c, err := cuda.Open(0)
	if errors.Is(err, cuda.ErrNoDriver) || errors.Is(err, cuda.ErrNoDevice) {
		cudasim.Skip(t, false, "needs a GPU or the simulator (make test-cuda): %v", err)
	}
	require.NoError(t, err)
	before := held()
	t.Cleanup(func() {
		lost := c.Lost() != nil
		if cudasim.Running() {
			cudasim.ClearFaults()
		}
		require.NoError(t, c.Close())
		require.Equal(t, cuda.Counts{}, cuda.Live())
		if !lost { // A driver with a lost context frees nothing any more.
			require.Equal(t, before, held(), "what the driver holds")
		}
	})
	return c
}

// held returns what the simulator says that is live.
func held() cudasim.Counters {
	if !cudasim.Running() {
		return cudasim.Counters{}
	}
	n := cudasim.Count()
	n.Kernels, n.HostSyncs, n.Copies, n.Sets, n.GraphLaunches = 0, 0, 0, 0, 0
	return n
}

// needSim skips a test that injects faults.
func needSim(t *testing.T) {
	if !cudasim.Running() {
		cudasim.Skip(t, true, "needs the simulator (make test-cuda)")
	}
}

func queue(t *testing.T, c *cuda.Context) *cuda.Queue {
	q, err := c.NewQueue(false)
	require.NoError(t, err)
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func alloc(t *testing.T, c *cuda.Context, n int) cuda.Ptr {
	p, err := c.Alloc(int64(n))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Free(p, int64(n)) })
	return p
}

// image returns the PTX of csrc/fake_quant.cu.
func image(t *testing.T) string {
	text, _, err := ptx.Load("fake_quant", 75)
	require.NoError(t, err)
	return text
}

// fakeQuant loads csrc/fake_quant.cu.
func fakeQuant(t *testing.T, c *cuda.Context) *cuda.Module {
	m, err := c.Load(image(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.Unload() })
	return m
}

func random(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestTransfers(t *testing.T) {
	ctx := context.Background()
	c := open(t)
	q := queue(t, c)
	for _, n := range []int{1, 63, 4096, 1<<20 + 5, 9 << 20, 70 << 20} {
		want := random(n)
		p := alloc(t, c, n)
		src := append([]byte(nil), want...)
		require.NoError(t, q.Upload("test", p, src))
		clear(src) // Upload has copied it.
		got := make([]byte, n)
		require.NoError(t, q.Download(ctx, "test", got, p))
		require.Equal(t, want, got, "%d bytes", n)
	}
	// Many small ones fill the ring, which is used again.
	p := alloc(t, c, 1<<20)
	for i := range 300 {
		require.NoError(t, q.Upload("test", p+cuda.Ptr(i), random(1 << 19)[i:i+1<<18]))
	}
	got := make([]byte, 1<<18)
	require.NoError(t, q.Download(ctx, "test", got, p+299))
	require.Equal(t, random(1 << 19)[299:299+1<<18], got)
}

func TestFillAndCopy(t *testing.T) {
	c := open(t)
	q := queue(t, c)
	p := alloc(t, c, 4096)
	require.NoError(t, q.Add("test", cuda.Fill(p, 7, 100), cuda.Fill32(p+100, 0x01020304, 100), cuda.Copy(p+200, p, 200)))
	got := make([]byte, 400)
	require.NoError(t, q.Download(context.Background(), "test", got, p))
	require.Equal(t, got[:200], got[200:])
	require.EqualValues(t, 7, got[99])
	require.Equal(t, []byte{4, 3, 2, 1}, got[100:104])
	require.NoError(t, q.Upload("test", p, nil))
	require.NoError(t, q.Download(context.Background(), "test", nil, p))
}

// steGrad returns a launch of dx = dy where the mask bit is set.
func steGrad(f cuda.Function, dx, dy, mask cuda.Ptr, n int) (cuda.Command, *cuda.Args) {
	a := cuda.NewArgs().Ptr(dx).Ptr(dy).Ptr(mask).I64(int64(n)).Seal()
	return cuda.Launch{Grid: cuda.Dim{X: 2}, Block: cuda.Dim{X: 256}}.Command(f, a), a
}

func TestLaunchAndGraph(t *testing.T) {
	ctx := context.Background()
	c := open(t)
	q := queue(t, c)
	m := fakeQuant(t, c)
	f, err := m.Function("ste_grad")
	require.NoError(t, err)
	_, err = m.Function("no_such_kernel")
	var ce *cuda.Error
	require.ErrorAs(t, err, &ce)
	a, err := f.Attributes()
	require.NoError(t, err)
	require.Positive(t, a.MaxThreads)

	const n = 1000
	dy, mask := random(4*n), random(n/8)
	want := func() []byte {
		w := append([]byte(nil), dy...)
		for i := range n {
			if mask[i/8]>>(i%8)&1 == 0 {
				clear(w[4*i : 4*i+4])
			}
		}
		return w
	}
	pdx, pdy, pm := alloc(t, c, 4*n), alloc(t, c, 4*n), alloc(t, c, n/8)
	other := alloc(t, c, 4*n)
	k, args := steGrad(f, pdx, pdy, pm, n)
	defer args.Free()
	require.NoError(t, q.Upload("dy", pdy, dy))
	require.NoError(t, q.Upload("mask", pm, mask))
	require.NoError(t, q.Add("ste", k))
	got := make([]byte, 4*n)
	require.NoError(t, q.Download(ctx, "dx", got, pdx))
	require.Equal(t, want(), got)

	// The same as a graph: what is pending stays ahead of it.
	for i := range dy {
		dy[i] ^= byte(i)
	}
	require.NoError(t, q.Upload("dy", pdy, dy))
	g, err := q.Record([]cuda.Command{k, cuda.Copy(other, pdx, 4*n)}, []any{"ste", "copy"})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, q.Add("graph", cuda.Fill(pdx, 0, 4*n)))
	require.NoError(t, q.Download(ctx, "dx", got, pdx))
	require.Equal(t, make([]byte, 4*n), got, "recording runs nothing")
	for range 3 {
		require.NoError(t, q.Add("graph", g.Command()))
		require.NoError(t, q.Download(ctx, "dx", got, other))
		require.Equal(t, want(), got)
		for i := range mask {
			mask[i] = mask[i]*5 + 1
		}
		require.NoError(t, q.Upload("mask", pm, mask))
	}

	// Updated in place: dy and dx change places.
	k2, args2 := steGrad(f, pdy, pdx, pm, n)
	defer args2.Free()
	ok, err := g.Update([]cuda.Command{k2, cuda.Copy(other, pdy, 4*n)}, []any{"ste", "copy"})
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, q.Upload("dx", pdx, dy))
	require.NoError(t, q.Add("graph", g.Command()))
	require.NoError(t, q.Download(ctx, "dx", got, other))
	require.Equal(t, want(), got)
	// Another shape cannot be.
	ok, err = g.Update([]cuda.Command{k2}, []any{"ste"})
	require.NoError(t, err)
	require.False(t, ok)
}

func TestArgsAlignment(t *testing.T) {
	before := cuda.Live().Arguments
	a := cuda.NewArgs().U32(1).Ptr(2).F32(3).F64(4).I32(5).Struct(make([]byte, 128), 64).U64(6).Seal()
	require.Equal(t, before+1, cuda.Live().Arguments)
	values, addresses := a.Inspect()
	at := uintptr(0)
	for i, align := range []uintptr{4, 8, 4, 8, 4, 64, 8} {
		require.Zero(t, addresses[i]%align, "argument %d", i)
		require.Greater(t, addresses[i], at)
		at = addresses[i]
	}
	require.EqualValues(t, 6, values[6])
	a.Free()
	a.Free()
	require.Equal(t, before, cuda.Live().Arguments)
}

func TestHostCall(t *testing.T) {
	c := open(t)
	q := queue(t, c)
	var n atomic.Int32
	h := cuda.NewHostCall(func() { n.Add(1) })
	require.NoError(t, q.Add("call", h.Command(), h.Command()))
	require.NoError(t, q.Wait(context.Background()))
	require.EqualValues(t, 2, n.Load())
	g, err := q.Record([]cuda.Command{h.Command()}, []any{"call"})
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, q.Add("graph", g.Command()))
	}
	require.NoError(t, q.Wait(context.Background()))
	require.EqualValues(t, 5, n.Load())
	require.NoError(t, g.Close())
	h.Close()
	h.Close()
}

func TestEvents(t *testing.T) {
	c := open(t)
	q, r := queue(t, c), queue(t, c)
	a, err := c.NewEvent()
	require.NoError(t, err)
	defer a.Close()
	b, err := c.NewEvent()
	require.NoError(t, err)
	defer b.Close()
	p := alloc(t, c, 1<<20)
	require.NoError(t, q.Add("test", a.Record(), cuda.Fill(p, 1, 1<<20), b.Record()))
	q.Flush()
	require.NoError(t, r.Add("test", b.Await(), cuda.Fill(p, 2, 1)))
	got := make([]byte, 2)
	require.NoError(t, r.Download(context.Background(), "test", got, p))
	require.Equal(t, []byte{2, 1}, got)
	require.NoError(t, q.Wait(context.Background()))
	d, err := b.Since(a)
	require.NoError(t, err)
	require.GreaterOrEqual(t, d.Nanoseconds(), int64(0))
}

func TestDevices(t *testing.T) {
	open(t)
	ds, err := cuda.Devices()
	require.NoError(t, err)
	require.NotEmpty(t, ds)
	d := ds[0]
	require.NotEmpty(t, d.Name)
	require.GreaterOrEqual(t, d.Arch(), 50)
	require.Positive(t, d.Memory)
	require.Positive(t, d.SMs)
	require.GreaterOrEqual(t, d.SharedMemory, 48<<10)
	v, err := cuda.DriverVersion()
	require.NoError(t, err)
	require.GreaterOrEqual(t, v, 11000)
	_, err = cuda.Open(len(ds))
	require.ErrorIs(t, err, cuda.ErrNoDevice)
	_, err = cuda.Open(-1)
	require.ErrorIs(t, err, cuda.ErrNoDevice)
}

// TestContextIsClosedOnce: what comes after Close is an error, not a hang.
func TestContextIsClosedOnce(t *testing.T) {
	c := open(t)
	q := queue(t, c)
	require.NoError(t, q.Close())
	require.NoError(t, q.Close())
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, err := c.Alloc(10)
	require.ErrorContains(t, err, "closed")
}

func TestDoReturnsPanics(t *testing.T) {
	c := open(t)
	err := c.Do(func() error { panic("boom") })
	require.ErrorContains(t, err, "boom")
	require.NoError(t, c.Do(func() error { return nil }))
}

func TestErrorCodes(t *testing.T) {
	for code, want := range map[int]error{
		2: cuda.ErrOutOfMemory, 100: cuda.ErrNoDevice, 101: cuda.ErrNoDevice, 222: cuda.ErrDriverTooOld, 803: cuda.ErrDriverTooOld, 209: cuda.ErrDeviceTooOld,
		700: cuda.ErrLost, 716: cuda.ErrLost, 719: cuda.ErrLost, 214: cuda.ErrLost, 999: cuda.ErrLost,
	} {
		e := &cuda.Error{Code: code, Name: "X", Call: "f"}
		require.ErrorIs(t, e, want, "code %d", code)
		require.Equal(t, errors.Is(want, cuda.ErrLost), e.Sticky(), "code %d", code)
		require.Equal(t, e.Sticky(), cuda.Sticky(e), "code %d", code)
	}
	require.NotErrorIs(t, &cuda.Error{Code: 1}, cuda.ErrLost)
	require.Contains(t, (&cuda.MemoryError{Need: 3 << 30, Free: 20 << 20, Total: 80 << 30, Err: io.EOF}).Error(), "needs 3072 MiB, the device has 20 MiB free of 80 GiB")
}
