//go:build cuda

package gpu

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/csrc/ptx"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func TestBuffers(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	x, err := b.Alloc(tensor.Of(tensor.F32, 3, 5))
	require.NoError(t, err)
	got := make([]byte, 60)
	got[7] = 1
	require.NoError(t, b.Read(ctx, got, x))
	require.Equal(t, make([]byte, 60), got, "memory is zeroed")
	want := tensor.Raw([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
	require.NoError(t, b.Write(ctx, x, want))
	v, err := b.View(x, 20, tensor.Of(tensor.F32, 10))
	require.NoError(t, err)
	require.NoError(t, b.Read(ctx, got[:40], v))
	require.Equal(t, want[20:], got[:40])

	_, err = b.View(x, 24, tensor.Of(tensor.F32, 10))
	require.Error(t, err)
	_, err = b.View(x, 2, tensor.Of(tensor.F32, 1))
	require.Error(t, err)
	_, err = b.View(x, -4, tensor.Of(tensor.F32, 1))
	require.Error(t, err)
	require.Error(t, b.Write(ctx, x, want[:8]))
	require.Error(t, b.Read(ctx, got[:8], x))
	require.Error(t, b.Write(ctx, tensor.New(tensor.Of(tensor.F32, 15)), want))
	done, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, b.Write(done, x, want), context.Canceled)
	require.ErrorIs(t, b.Read(done, got, x), context.Canceled)
	require.ErrorIs(t, b.Sync(done), context.Canceled)

	e, err := b.Alloc(tensor.Of(tensor.F32, 0, 3))
	require.NoError(t, err)
	require.NoError(t, b.Write(ctx, e, nil))
	require.NoError(t, b.Read(ctx, nil, e))

	b.Release([]backend.Buffer{x, x}, nil)
	require.ErrorContains(t, b.Write(ctx, x, want), "was released")
	require.ErrorContains(t, b.Read(ctx, got, v), "was released")
	y, err := b.Alloc(tensor.Of(tensor.F32, 3, 5))
	require.NoError(t, err)
	require.Equal(t, x.(*Buffer).ptr, y.(*Buffer).ptr, "memory is used again")
	require.NoError(t, b.Read(ctx, got, y))
	require.Equal(t, make([]byte, 60), got, "and zeroed again")
}

// TestMemoryIsCollected: buffers that nobody refers to are given back when
// memory runs out.
func TestMemoryIsCollected(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_MEMORY", "64m")
	b := open(t)
	for range 40 {
		_, err := b.Alloc(tensor.Of(tensor.U8, 10<<20))
		require.NoError(t, err)
	}
	runtime.GC()
	x, err := b.Alloc(tensor.Of(tensor.U8, 40<<20))
	require.NoError(t, err)
	_, err = b.Alloc(tensor.Of(tensor.U8, 40<<20))
	require.ErrorIs(t, err, backend.ErrOutOfMemory)
	require.ErrorContains(t, err, "needs 40 MiB, the device has")
	runtime.KeepAlive(x)
}

// TestReleasedMemoryHasOneOwner: the garbage collector, when it finds a buffer
// that was released by hand, leaves its memory to the next owner.
func TestReleasedMemoryHasOneOwner(t *testing.T) {
	b := open(t)
	p := func() cuda.Ptr {
		x, err := b.Alloc(tensor.Of(tensor.U8, 1<<20))
		require.NoError(t, err)
		b.Release([]backend.Buffer{x}, nil)
		return x.(*Buffer).ptr
	}()
	y, err := b.Alloc(tensor.Of(tensor.U8, 1<<20))
	require.NoError(t, err)
	require.Equal(t, p, y.(*Buffer).ptr)
	require.NoError(t, b.Sync(context.Background())) // Nothing pending refers to the first.
	collect()
	collect()
	z, err := b.Alloc(tensor.Of(tensor.U8, 1<<20))
	require.NoError(t, err)
	require.NotEqual(t, p, z.(*Buffer).ptr)
	runtime.KeepAlive(y)
}

// fakeQuant binds a quantizer of n values to new buffers.
func fakeQuant(t testing.TB, b backend.Backend, x []float32) (k backend.Kernel, in, out []backend.Buffer) {
	ctx := context.Background()
	n := len(x)
	for _, c := range []struct {
		spec tensor.Spec
		data []byte
	}{{tensor.Of(tensor.F32, n), tensor.Raw(x)}, {tensor.Of(tensor.F32, 1), tensor.Raw([]float32{0.125})}, {tensor.Of(tensor.I32, 1), tensor.Raw([]int32{0})}} {
		buf, err := b.Alloc(c.spec)
		require.NoError(t, err)
		require.NoError(t, b.Write(ctx, buf, c.data))
		in = append(in, buf)
	}
	for _, s := range []tensor.Spec{tensor.Of(tensor.F32, n), tensor.Of(tensor.B1, n)} {
		buf, err := b.Alloc(s)
		require.NoError(t, err)
		out = append(out, buf)
	}
	k, err := b.Bind(backend.FakeQuant{Scheme: quant.Int8()}, out, in)
	require.NoError(t, err)
	return k, in, out
}

func normal(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(4 * math.Sin(float64(i)))
	}
	return x
}

// TestNaN: the flag of a kernel is told once, with the kernel, from a recorded
// step too, and does not stay.
func TestNaN(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	x := normal(1000)
	good, _, _ := fakeQuant(t, b, x)
	bad, in, _ := fakeQuant(t, b, x)
	step, err := b.Record([]backend.Kernel{good, bad})
	require.NoError(t, err)
	require.NoError(t, step.Run(ctx))
	require.NoError(t, b.Sync(ctx))
	x[17], x[800] = float32(math.NaN()), float32(math.NaN())
	require.NoError(t, b.Write(ctx, in[0], tensor.Raw(x)))
	for _, k := range []backend.Kernel{bad, step} {
		require.NoError(t, k.Run(ctx))
		err := b.Sync(ctx)
		require.ErrorIs(t, err, backend.ErrNaN)
		require.ErrorContains(t, err, "2 values")
		var ke *backend.KernelError
		require.ErrorAs(t, err, &ke)
		require.Same(t, bad, ke.Kernel)
		require.NoError(t, b.Sync(ctx))
		require.NoError(t, good.Run(ctx))
		require.NoError(t, b.Sync(ctx))
	}
}

// TestRecordedStep: the replay of a recorded step is one launch, waits for
// nothing and gives the bits of its kernels.
func TestRecordedStep(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	x := normal(5000)
	k, in, out := fakeQuant(t, b, x)
	step, err := b.Record([]backend.Kernel{k, k})
	require.NoError(t, err)
	got, want := make([]byte, 20000), make([]byte, 20000)
	for i := range 3 {
		for j := range x {
			x[j] += float32(i)
		}
		require.NoError(t, b.Write(ctx, in[0], tensor.Raw(x)))
		require.NoError(t, k.Run(ctx))
		require.NoError(t, b.Read(ctx, want, out[0]))
		require.NoError(t, b.Write(ctx, out[0], make([]byte, 20000)))
		var before cudasim.Counters
		if cudasim.Running() {
			require.NoError(t, b.Sync(ctx))
			before = cudasim.Count()
		}
		require.NoError(t, step.Run(ctx))
		require.NoError(t, b.Sync(ctx))
		if cudasim.Running() {
			after := cudasim.Count()
			require.Equal(t, before.GraphLaunches+1, after.GraphLaunches)
			require.Equal(t, before.HostSyncs+1, after.HostSyncs)
		}
		require.NoError(t, b.Read(ctx, got, out[0]))
		require.Equal(t, want, got)
	}
	other := &foreign{}
	_, err = b.Record([]backend.Kernel{k, other})
	require.ErrorIs(t, err, backend.ErrUnsupported)
}

type foreign struct{}

func (foreign) Run(context.Context) error { return nil }

func TestRecordingSwitchedOff(t *testing.T) {
	t.Setenv("GOQAT_GPU_SYNC", "1")
	b := open(t)
	k, _, _ := fakeQuant(t, b, normal(100))
	require.NoError(t, k.Run(context.Background()))
	_, err := b.Record([]backend.Kernel{k})
	require.ErrorIs(t, err, backend.ErrUnsupported)
}

func TestUnsupported(t *testing.T) {
	b := open(t)
	x, err := b.Alloc(tensor.Of(tensor.F64, 4))
	require.NoError(t, err)
	_, err = b.Bind(backend.STEGrad{}, []backend.Buffer{x}, []backend.Buffer{x, x})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	_, err = b.Bind(nothing{}, nil, []backend.Buffer{x})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	require.False(t, b.Supports(nothing{}))
}

type nothing struct{}

func (nothing) OpName() string { return "nothing" }

// TestArgumentsAreChecked: a launch whose arguments are not those of the
// kernel is an error, not a wild address.
func TestArgumentsAreChecked(t *testing.T) {
	b := open(t)
	k := &build{Backend: b, k: b.newBound(nothing{}, nil), module: "fake_quant"}
	l := cuda.Launch{Grid: cuda.Dim{X: 1}, Block: cuda.Dim{X: 32}}
	require.ErrorContains(t, k.launch("ste_grad", l, cuda.Ptr(0), cuda.Ptr(0), cuda.Ptr(0), int32(1)), "takes arguments of [8 8 8 8] bytes")
	require.ErrorContains(t, k.launch("ste_grad", l, cuda.Ptr(0)), "takes arguments of")
	require.ErrorContains(t, k.launch("ste_grad", l, 1), "is a int")
	require.Error(t, k.launch("no_such", l))
	require.ErrorIs(t, k.launchFrom("no_such", "no_such", l), backend.ErrUnsupported)
	require.NoError(t, k.launch("ste_grad", cuda.Launch{}, cuda.Ptr(0)), "an empty grid is nothing to do")
}

func TestParameters(t *testing.T) {
	ptx := ".visible .entry one(\n\t.param .u64 one_param_0,\n\t.param .u32 one_param_1,\n\t.param .f32 one_param_2\n)\n{\n}\n" +
		".visible .entry two(\n\t.param .align 64 .b8 two_param_0[128],\n\t.param .u64 .ptr .global two_param_1\n)\n.entry none()\n{ }"
	require.Equal(t, map[string][]int{"one": {8, 4, 4}, "two": {128, 8}, "none": {}}, parameters(ptx))
}

// TestTemporaryMemory: kernels share it, those bound before keep theirs when it
// grows, and memory of a kernel's own is zeroed once.
func TestTemporaryMemory(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	bind := func() *build { return &build{Backend: b, k: b.newBound(nothing{}, nil)} }
	k, l := bind(), bind()
	require.Equal(t, b.c.Device().Arch(), k.arch())
	p1, err := k.temporary(1000)
	require.NoError(t, err)
	p2, err := k.placeOf(nil, 1000)
	require.NoError(t, err)
	require.Equal(t, p1+1024, p2)
	require.EqualValues(t, 2048, k.k.Workspace())
	q, err := l.temporary(1000)
	require.NoError(t, err)
	require.Equal(t, p1, q)
	big, err := l.temporary(8 << 20)
	require.NoError(t, err)
	require.NotEqual(t, p1, big)
	again, err := k.temporary(8)
	require.NoError(t, err)
	require.Equal(t, p2+1024, again)

	x, err := b.Alloc(tensor.Of(tensor.U8, 5000))
	require.NoError(t, err)
	d := x.(*Buffer)
	require.NoError(t, b.Write(ctx, x, make([]byte, 5000)))
	o, err := k.own(5000)
	require.NoError(t, err)
	at, err := k.placeOf(d, 5000)
	require.NoError(t, err)
	require.Equal(t, d.ptr, at)
	k.command(cuda.Fill(o, 1, 10))
	k.command(cuda.Copy(d.ptr, o, 5000))
	require.NoError(t, k.k.Run(ctx))
	got, want := make([]byte, 5000), make([]byte, 5000)
	require.NoError(t, b.Read(ctx, got, x))
	for i := range 10 {
		want[i] = 1
	}
	require.Equal(t, want, got)
	k.zero(d)
	k.zero(nil)
	require.NoError(t, k.k.Run(ctx))
	require.NoError(t, b.Read(ctx, got, x))
	require.Equal(t, make([]byte, 5000), got)
}

func TestDescribe(t *testing.T) {
	b := open(t)
	d := b.Describe()
	require.GreaterOrEqual(t, len(d), 3)
	require.Contains(t, d[0], "compute capability")
	require.Contains(t, d[1], "driver of CUDA")
	require.Contains(t, d[2], "kernels:")
	require.NoError(t, Available())
}

func TestDescribeNamesAllDevices(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_DEVICES", "2")
	d := open(t).Describe()
	require.Contains(t, d[0], "gpu: ")
	require.Contains(t, d[1], "gpu:1: ")
	b, err := backend.Open("gpu:1")
	require.NoError(t, err)
	require.Equal(t, "gpu:1", b.Name())
	k, _, _ := fakeQuant(t, b, normal(100))
	require.NoError(t, k.Run(context.Background()))
	require.NoError(t, b.Sync(context.Background()))
	require.NoError(t, b.Close())
}

// TestCubins: machine code for the device is preferred to PTX. To the
// simulator, which knows kernels by name, PTX will do as such.
func TestCubins(t *testing.T) {
	needSim(t)
	dir := t.TempDir()
	text, _, err := ptx.Load("fake_quant", 80)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "fake_quant.sm_80.cubin"), []byte(text), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "relu.sm_90a.cubin"), []byte("of another device"), 0o644))
	t.Setenv("GOQAT_CUBINS", dir)
	b := open(t)
	require.Contains(t, b.Describe()[2], "cubins of "+dir)
	k, _, out := fakeQuant(t, b, normal(100))
	r, err := b.Bind(backend.Relu{}, out[:1], out[:1])
	require.NoError(t, err)
	require.NoError(t, k.Run(context.Background()))
	require.NoError(t, r.Run(context.Background()))
	require.NoError(t, b.Sync(context.Background()))
	require.True(t, b.code.loaded["fake_quant"].cubin)
	require.False(t, b.code.loaded["relu"].cubin)
}

func TestOpenNames(t *testing.T) {
	open(t)
	for _, s := range []string{"gpu:x", "gpu:-1"} {
		_, err := backend.Open(s)
		require.ErrorContains(t, err, "unknown device")
	}
	_, err := backend.Open("gpu:99")
	require.ErrorIs(t, err, backend.ErrNoDevice)
	b, err := backend.Open("auto")
	require.NoError(t, err)
	require.Equal(t, "gpu", b.Name())
	require.NoError(t, b.Close())
}
