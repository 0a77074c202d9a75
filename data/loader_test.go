package data

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

// numbers is a data set whose sample i is [i, i+0.25, i+0.5, i+0.75], class i%7.
func numbers(n int) *table {
	t := &table{meta: meta{shape: tensor.Shape{2, 2, 1}, classes: 7}}
	for i := range n {
		for k := range 4 {
			t.x = append(t.x, float32(i)+float32(k)/4)
		}
		t.labels = append(t.labels, int32(i%7))
	}
	return t
}

func loader(t *testing.T, ds Dataset, o LoaderOptions) *Loader {
	t.Helper()
	l, err := NewLoader(ds, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// copyOf keeps what a batch holds beyond the next call of Next.
func copyOf(b *Batch) Batch { return Batch{b.X.Clone(), b.Y.Clone(), b.N, slices.Clone(b.Index)} }

func take(t *testing.T, l *Loader, n int) []Batch {
	t.Helper()
	var out []Batch
	for range n {
		b, err := l.Next(t.Context())
		require.NoError(t, err)
		out = append(out, copyOf(b))
	}
	return out
}

func requireSame(t *testing.T, want, got Batch, msg ...any) {
	t.Helper()
	require.True(t, bytes.Equal(want.X.Bytes(), got.X.Bytes()), msg...)
	require.Equal(t, want.Y.I32(), got.Y.I32(), msg...)
	require.Equal(t, want.N, got.N, msg...)
	require.Equal(t, want.Index, got.Index, msg...)
}

func TestLoaderInOrder(t *testing.T) {
	l := loader(t, numbers(10), LoaderOptions{Batch: 4})
	assert.Equal(t, 3, l.StepsPerEpoch())
	b := take(t, l, 3)
	assert.Equal(t, tensor.Shape{4, 2, 2, 1}, b[0].X.Shape())
	assert.Equal(t, []int{0, 1, 2, 3}, b[0].Index)
	assert.Equal(t, []float32{1, 1.25, 1.5, 1.75}, b[0].X.F32()[4:8])
	assert.Equal(t, []int32{0, 1, 2, 3}, b[0].Y.I32())
	assert.Equal(t, 4, b[1].N)
	assert.Equal(t, 2, b[2].N)
	assert.Equal(t, []int{8, 9, 8, 9}, b[2].Index, "filled by repeating")
	assert.Equal(t, b[2].X.F32()[:8], b[2].X.F32()[8:])
	assert.Equal(t, []int32{1, 2, 1, 2}, b[2].Y.I32())
	for range 2 {
		_, err := l.Next(t.Context())
		require.ErrorIs(t, err, io.EOF)
	}
	assert.Equal(t, Position{0, 3}, l.Position())
	require.NoError(t, l.Seek(Position{}))
	requireSame(t, b[0], take(t, l, 1)[0])

	l = loader(t, numbers(10), LoaderOptions{Batch: 4, DropLast: true})
	assert.Equal(t, 2, l.StepsPerEpoch())
	take(t, l, 2)
	_, err := l.Next(t.Context())
	require.ErrorIs(t, err, io.EOF)

	l = loader(t, numbers(3), LoaderOptions{Batch: 8})
	assert.Equal(t, []int{0, 1, 2, 0, 1, 2, 0, 1}, take(t, l, 1)[0].Index)
}

func TestLoaderShuffles(t *testing.T) {
	l := loader(t, numbers(50), LoaderOptions{Batch: 8, Shuffle: true, Seed: 3})
	var epochs [3][]int
	for e := range epochs {
		for range l.StepsPerEpoch() {
			assert.Equal(t, e, l.Position().Epoch)
			b, err := l.Next(t.Context())
			require.NoError(t, err)
			for i, k := range b.Index {
				require.Equal(t, float32(k), b.X.F32()[4*i])
				require.EqualValues(t, k%7, b.Y.I32()[i])
			}
			epochs[e] = append(epochs[e], b.Index[:b.N]...)
		}
		sorted := slices.Sorted(slices.Values(epochs[e]))
		require.Len(t, slices.Compact(sorted), 50, "each sample once an epoch")
	}
	assert.NotEqual(t, epochs[0], epochs[1])
	other := loader(t, numbers(50), LoaderOptions{Batch: 8, Shuffle: true, Seed: 4})
	assert.NotEqual(t, epochs[0][:8], take(t, other, 1)[0].Index)
}

var everyAugment = []Augment{Shift{1}, Crop{1}, FlipH{}, Noise{0.1}}

// TestLoaderWorkersDoNotMatter: the same bytes for any number of workers and
// batches ahead, over three epochs.
func TestLoaderWorkersDoNotMatter(t *testing.T) {
	o := LoaderOptions{Batch: 6, Shuffle: true, Seed: 11, Augment: everyAugment, Ahead: 1, Workers: 1}
	want := take(t, loader(t, numbers(40), o), 21)
	assert.NotEqual(t, want[0].X.F32()[0], float32(want[0].Index[0]), "augmented")
	for _, c := range [][2]int{{1, 4}, {3, 2}, {16, 8}} {
		o.Ahead, o.Workers = c[0], c[1]
		for i, b := range take(t, loader(t, numbers(40), o), 21) {
			requireSame(t, want[i], b, "step %d with %v", i, c)
		}
	}
}

// TestLoaderSeek continues from every step, forwards and backwards.
func TestLoaderSeek(t *testing.T) {
	for _, drop := range []bool{false, true} {
		o := LoaderOptions{Batch: 6, Shuffle: true, Seed: 5, Augment: everyAugment, Ahead: 3, DropLast: drop}
		l := loader(t, numbers(20), o)
		var at []Position
		var want []Batch
		for range 15 {
			at = append(at, l.Position())
			want = append(want, take(t, l, 1)[0])
		}
		for _, i := range []int{0, 7, 3, 14, 1, 13, 2} {
			require.NoError(t, l.Seek(at[i]))
			assert.Equal(t, at[i], l.Position())
			for k, b := range take(t, l, min(3, 15-i)) {
				requireSame(t, want[i+k], b, "step %d", i+k)
			}
			fresh := loader(t, numbers(20), o)
			require.NoError(t, fresh.Seek(at[i]))
			requireSame(t, want[i], take(t, fresh, 1)[0], "fresh at step %d", i)
		}
		require.NoError(t, l.Seek(Position{1, l.StepsPerEpoch()}))
		assert.Equal(t, Position{2, 0}, l.Position(), "the end of an epoch is the start of the next")
	}
	l := loader(t, numbers(20), LoaderOptions{Batch: 6})
	for _, p := range []Position{{-1, 0}, {0, -1}, {0, 5}, {1, 0}} {
		require.Error(t, l.Seek(p))
	}
	require.NoError(t, l.Seek(Position{0, 4}))
	_, err := l.Next(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

// gate is a data set whose samples wait until the gate opens.
type gate struct {
	Dataset
	open chan struct{}
}

func (g *gate) Sample(i int, x []float32) (int32, error) {
	<-g.open
	return g.Dataset.Sample(i, x)
}

// TestLoaderCancel runs in a bubble, which fails if a goroutine stays or if
// Next waits after its context ended.
func TestLoaderCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{numbers(20), make(chan struct{})}
		l, err := NewLoader(g, LoaderOptions{Batch: 5, Workers: 2})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() {
			_, err := l.Next(ctx)
			result <- err
		}()
		synctest.Wait() // Next is waiting for the gate
		cancel()
		require.ErrorIs(t, <-result, context.Canceled)
		_, err = l.Next(ctx)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, Position{}, l.Position())

		close(g.open)
		b, err := l.Next(t.Context())
		require.NoError(t, err)
		assert.Equal(t, []int{0, 1, 2, 3, 4}, b.Index, "nothing is lost")
		require.NoError(t, l.Close())
		require.NoError(t, l.Close())
		_, err = l.Next(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		// A worker may have taken the job before it saw the end.
		if err := l.Seek(Position{}); err != nil {
			require.ErrorIs(t, err, ErrClosed)
		}
	})
}

// TestLoaderCloseWhileWaiting closes from another goroutine.
func TestLoaderCloseWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{numbers(20), make(chan struct{})}
		l, err := NewLoader(g, LoaderOptions{Batch: 5, Shuffle: true})
		require.NoError(t, err)
		result := make(chan error)
		go func() {
			_, err := l.Next(t.Context())
			result <- err
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- l.Close() }()
		require.ErrorIs(t, <-result, ErrClosed)
		close(g.open)
		require.NoError(t, <-closed)
	})
}

// broken fails at one sample, until it is mended.
type broken struct {
	Dataset
	at   int
	fail error
}

func (b *broken) Sample(i int, x []float32) (int32, error) {
	if i == b.at && b.fail != nil {
		return 0, b.fail
	}
	return b.Dataset.Sample(i, x)
}

func TestLoaderError(t *testing.T) {
	boom := errors.New("boom")
	ds := &broken{numbers(20), 13, boom}
	l := loader(t, ds, LoaderOptions{Batch: 5})
	take(t, l, 2)
	for range 2 {
		_, err := l.Next(t.Context())
		require.ErrorIs(t, err, boom)
		assert.ErrorContains(t, err, "sample 13")
	}
	assert.Equal(t, Position{0, 2}, l.Position(), "not passed")
	require.NoError(t, l.Seek(Position{0, 3}))
	assert.Equal(t, []int{15, 16, 17, 18, 19}, take(t, l, 1)[0].Index)
}

func TestLoaderRefuses(t *testing.T) {
	for _, c := range []struct {
		n int
		o LoaderOptions
	}{
		{0, LoaderOptions{Batch: 1}}, {5, LoaderOptions{}}, {5, LoaderOptions{Batch: -1}},
		{5, LoaderOptions{Batch: 6, DropLast: true}}, {5, LoaderOptions{Batch: 1, Ahead: -1}},
		{5, LoaderOptions{Batch: 1, Workers: -1}}, {5, LoaderOptions{Batch: 1 << 62}},
	} {
		_, err := NewLoader(numbers(c.n), c.o)
		require.Error(t, err, "%+v", c)
	}
}

// TestLoaderDoesNotAllocate counts over epochs, the new order of each included.
func TestLoaderDoesNotAllocate(t *testing.T) {
	s, err := Open(t.Context(), "digits", Options{Normalize: true, MaxSamples: 256})
	require.NoError(t, err)
	l := loader(t, s.Train, LoaderOptions{Batch: 32, Shuffle: true, Augment: everyAugment})
	ctx := t.Context()
	var fault error
	n := testing.AllocsPerRun(100, func() {
		if _, err := l.Next(ctx); err != nil {
			fault = err
		}
	})
	require.NoError(t, fault)
	assert.Zero(t, n)
}

func BenchmarkLoader(b *testing.B) {
	s, err := Open(b.Context(), "digits", Options{Normalize: true})
	require.NoError(b, err)
	for _, c := range []struct {
		name    string
		augment []Augment
	}{{"plain", nil}, {"augmented", everyAugment}} {
		b.Run("samples="+c.name, func(b *testing.B) {
			l, err := NewLoader(s.Train, LoaderOptions{Batch: 128, Shuffle: true, Augment: c.augment})
			require.NoError(b, err)
			defer l.Close()
			for b.Loop() {
				if _, err := l.Next(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*128/b.Elapsed().Seconds(), "samples/s")
		})
	}
}
