//go:build cuda

package cuda_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/internal/cudasim"
)

// TestLaunchAttributes: launches with attributes take another call of the
// driver; the result is the same, from graphs too.
func TestLaunchAttributes(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "90")
	ctx := context.Background()
	c := open(t)
	require.Equal(t, 90, c.Device().Arch())
	q := queue(t, c)
	f, err := fakeQuant(t, c).Function("ste_grad")
	require.NoError(t, err)
	const n = 4096
	dy, mask := random(4*n), random(n/8)
	pdx, pdy, pm := alloc(t, c, 4*n), alloc(t, c, 4*n), alloc(t, c, n/8)
	require.NoError(t, q.Upload("dy", pdy, dy))
	require.NoError(t, q.Upload("mask", pm, mask))
	a := cuda.NewArgs().Ptr(pdx).Ptr(pdy).Ptr(pm).I64(n).Seal()
	defer a.Free()
	plain := cuda.Launch{Grid: cuda.Dim{X: 4}, Block: cuda.Dim{X: 128}}
	run := func(k cuda.Command) []byte {
		require.NoError(t, q.Add("zero", cuda.Fill(pdx, 0, 4*n)))
		require.NoError(t, q.Add("ste", k))
		got := make([]byte, 4*n)
		require.NoError(t, q.Download(ctx, "dx", got, pdx))
		return got
	}
	want := run(plain.Command(f, a))
	require.NotEqual(t, make([]byte, 4*n), want)
	cooperative, cluster, overlap := plain, plain, plain
	cooperative.Cooperative = true
	cluster.Cluster = cuda.Dim{X: 1} // The simulator has no larger ones.
	overlap.Overlap = true
	for name, l := range map[string]cuda.Launch{"cooperative": cooperative, "cluster": cluster, "overlap": overlap} {
		require.Equal(t, want, run(l.Command(f, a)), name)
		g, err := q.Record([]cuda.Command{l.Command(f, a)}, []any{name})
		require.NoError(t, err, name)
		require.Equal(t, want, run(g.Command()), name)
		require.NoError(t, g.Close())
	}
}

// TestSharedMemory: more than 48 KiB must be allowed first, and no more than
// the device has.
func TestSharedMemory(t *testing.T) {
	c := open(t)
	q := queue(t, c)
	f, err := fakeQuant(t, c).Function("ste_grad")
	require.NoError(t, err)
	p := alloc(t, c, 4096)
	require.NoError(t, q.Add("zero", cuda.Fill(p, 0, 4096)))
	a := cuda.NewArgs().Ptr(p).Ptr(p).Ptr(p).I64(1000).Seal()
	defer a.Free()
	most := c.Device().SharedMemory
	require.Greater(t, most, 48<<10)
	l := cuda.Launch{Grid: cuda.Dim{X: 1}, Block: cuda.Dim{X: 32}, Shared: most}
	require.NoError(t, q.Add("large", l.Command(f, a)))
	require.Error(t, q.Wait(context.Background()), "not allowed yet")
	require.NoError(t, f.SetShared(most))
	require.NoError(t, q.Add("large", l.Command(f, a)))
	require.NoError(t, q.Wait(context.Background()))
	require.Error(t, f.SetShared(most+1024))
}

func TestTensorMap(t *testing.T) {
	c := open(t)
	p := alloc(t, c, 1<<16)
	m := cuda.TensorMap{Type: cuda.ElementU8, Base: p, Dims: []uint64{256, 64}, Strides: []uint64{256}, Box: []uint32{128, 64}, Swizzle: cuda.Swizzle128}
	for _, bad := range []cuda.TensorMap{{}, {Dims: []uint64{1, 2}, Box: []uint32{1, 2}}, {Dims: []uint64{1}, Box: nil}, {Dims: make([]uint64, 6), Strides: make([]uint64, 5), Box: make([]uint32, 6)}} {
		_, err := bad.Encode(c)
		require.ErrorContains(t, err, "tensor map of")
	}
	if c.Device().Arch() < 90 {
		needSim(t)
		t.Setenv("GOQAT_SIM_CC", "90")
	}
	b, err := m.Encode(c)
	require.NoError(t, err)
	require.Len(t, b, 128)
	require.NotEqual(t, make([]byte, 128), b)
	m.Base++
	_, err = m.Encode(c)
	require.Error(t, err, "the address must be a multiple of 16")
}

// TestCall: a library's work is issued in the order of the queue, and its
// error is the command's.
func TestCall(t *testing.T) {
	ctx := context.Background()
	c := open(t)
	q := queue(t, c)
	require.NotNil(t, q.Stream())
	f, data, free := cudasim.Counting()
	defer free()
	n := (*int32)(data)
	require.NoError(t, q.Add("one", cuda.Call(f, data)))
	require.Zero(t, *n)
	require.NoError(t, q.Wait(ctx))
	require.EqualValues(t, 1, *n)
	g, err := q.Record([]cuda.Command{cuda.Call(f, data)}, []any{"recorded"})
	require.NoError(t, err)
	require.EqualValues(t, 2, *n, "the library is asked while recording")
	require.NoError(t, q.Add("graph", g.Command()))
	require.NoError(t, q.Wait(ctx))
	require.EqualValues(t, 2, *n, "and not in a replay")
	require.NoError(t, g.Close())
	require.NoError(t, q.Add("third", cuda.Call(f, data)))
	err = q.Wait(ctx)
	var ce *cuda.CommandError
	require.ErrorAs(t, err, &ce)
	require.Equal(t, "third", ce.Tag)
	require.ErrorContains(t, err, "call of a library")
}
