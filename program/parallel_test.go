package program_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	gocpu "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// layers is a chain of linear layers; the first two share a weight.
func layers(t *testing.T, n int) *graph.Graph {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 4, 16))
	shared := g.Param("shared", backendtest.Normal(r, 0.3, 16, 16))
	y := g.Apply(backend.Gemm{}, g.Apply(backend.Gemm{}, x, shared), shared)
	for range n {
		name := string(rune('a' + len(g.Values(graph.Param))))
		y = g.Apply(backend.Relu{}, g.Apply(backend.Gemm{}, y, g.Param(name, backendtest.Normal(r, 0.3, 16, 16))))
	}
	// Two parameters with one gradient.
	b := g.Apply(backend.Add{}, g.Param("one", backendtest.Normal(r, 1, 16)), g.Param("two", backendtest.Normal(r, 1, 16)))
	y = g.Apply(backend.Add{}, y, b)
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceMean}, g.Apply(backend.Mul{}, y, y)))
	require.NoError(t, g.Err())
	return g
}

// TestBucketsOverlap: gradients are reduced in the order they come, in buckets
// that start before the backward pass has ended.
func TestBucketsOverlap(t *testing.T) {
	p, err := program.Compile(context.Background(), layers(t, 6), program.Options{Backend: gocpu.New(), Mode: graph.Mode{Train: true}, Loss: "loss",
		Parallel: program.Parallel{Rank: 1, Ranks: 2, Bucket: 2200}})
	require.NoError(t, err)
	first, last, wait, buckets, reduced := -1, 0, -1, 0, 0
	for i, n := range p.Graph().Nodes() {
		switch op := n.Op.(type) {
		case backend.AllReduce:
			require.True(t, op.Overlap)
			if first < 0 {
				first = i
			}
			buckets++
			reduced += len(n.In)
			bytes := 0
			for _, v := range n.In {
				bytes += v.Spec().Bytes()
			}
			require.True(t, bytes <= 2200 || len(n.In) == 1)
		case backend.AllReduceWait:
			wait = i
			require.Len(t, n.In, reduced)
		default:
			last = i
		}
	}
	require.Equal(t, 8, reduced, "the gradient of two parameters goes once")
	require.Greater(t, buckets, 3)
	require.Less(t, first, last-6, "the backward pass goes on behind the first bucket")
	require.Greater(t, wait, last)
}

// TestRanksHaveTheGradientsOfTheBatch: those of two halves are those of the
// whole, on both.
func TestRanksHaveTheGradientsOfTheBatch(t *testing.T) {
	ctx := context.Background()
	x := backendtest.Normal(rand.New(rand.NewPCG(3, 4)), 1, 8, 16)
	compile := func(b backend.Backend, batch int, par program.Parallel) *program.Program {
		p, err := program.Compile(ctx, layers(t, 3), program.Options{Backend: b, Batch: batch, Mode: graph.Mode{Train: true}, Loss: "loss", Parallel: par})
		require.NoError(t, err)
		return p
	}
	whole := compile(gocpu.New(), 8, program.Parallel{})
	require.NoError(t, whole.SetInput(ctx, "x", x))
	require.NoError(t, whole.Run(ctx))
	bs := []backend.Backend{gocpu.New(), gocpu.New()}
	group, err := backend.Join(bs...)
	require.NoError(t, err)
	ps := make([]*program.Program, 2)
	for i, b := range bs {
		ps[i] = compile(b, 4, program.Parallel{Rank: i, Ranks: 2, Bucket: 1})
		v, err := x.View(4*i, 4*i+4)
		require.NoError(t, err)
		require.NoError(t, ps[i].SetInput(ctx, "x", v))
	}
	errs := make([]error, 2)
	var all sync.WaitGroup
	for i := range ps {
		all.Go(func() { errs[i] = ps[i].Run(ctx) })
	}
	all.Wait()
	require.NoError(t, errs[0])
	require.NoError(t, errs[1])
	for _, o := range whole.Graph().Outputs() {
		if o.Name == "loss" {
			continue
		}
		want, err := whole.OutputTensor(ctx, o.Name)
		require.NoError(t, err)
		a, err := ps[0].OutputTensor(ctx, o.Name)
		require.NoError(t, err)
		b, err := ps[1].OutputTensor(ctx, o.Name)
		require.NoError(t, err)
		require.Equal(t, a.Bytes(), b.Bytes(), o.Name)
		for i := range want.F32() {
			require.InDelta(t, want.F32()[i], a.F32()[i], 1e-6, "%s[%d]", o.Name, i)
		}
	}

	// An abort ends who waits, and who comes later.
	got := make(chan error)
	go func() { got <- ps[0].Run(ctx) }()
	group.Abort(context.Canceled)
	require.ErrorIs(t, <-got, backend.ErrAborted)
	require.ErrorIs(t, ps[1].Run(ctx), backend.ErrAborted)
	require.NoError(t, group.Close())

	// Operations that do not match are a fault of both.
	_, err = backend.Join(bs...)
	require.NoError(t, err)
	for i, n := range []int{3, 4} {
		v := tensor.New(tensor.Of(tensor.F32, n))
		k, err := bs[i].Bind(backend.AllReduce{}, []backend.Buffer{v}, []backend.Buffer{v})
		require.NoError(t, err)
		all.Go(func() { errs[i] = k.Run(ctx) })
	}
	all.Wait()
	require.ErrorContains(t, errs[0], "ranks do not match: tensor 0 is float32[3] on rank 0 and float32[4] on rank 1")
	require.ErrorContains(t, errs[1], "ranks do not match")
}

// TestRanksAreExactWhereSumsAre: where no sum of gradients is rounded, here of
// small whole numbers, 2 and 4 ranks have the bits of one with the whole batch,
// whatever the buckets.
func TestRanksAreExactWhereSumsAre(t *testing.T) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(5, 6))
	whole := func(shape ...int) *tensor.Tensor {
		x := tensor.New(tensor.Of(tensor.F32, shape...))
		for i := range x.F32() {
			x.F32()[i] = float32(r.IntN(5) - 2)
		}
		return x
	}
	g := graph.New()
	y := g.Input("x", tensor.Of(tensor.F32, 8, 16))
	for _, name := range []string{"a", "b", "c", "d"} {
		w := whole(16, 16)
		for i := range w.F32() {
			if r.IntN(8) > 0 {
				w.F32()[i] = 0
			}
		}
		y = g.Apply(backend.Relu{}, g.Apply(backend.Add{}, g.Apply(backend.Gemm{}, y, g.Param(name, w)), g.Param(name+".bias", whole(16))))
	}
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceMean}, g.Apply(backend.Mul{}, y, y)))
	require.NoError(t, g.Err())
	x := whole(8, 16)
	run := func(ranks int, bucket int64) (grads [][]byte, buckets int) {
		bs := make([]backend.Backend, ranks)
		for i := range bs {
			bs[i] = gocpu.New()
		}
		if ranks > 1 {
			group, err := backend.Join(bs...)
			require.NoError(t, err)
			defer group.Close()
		}
		ps := make([]*program.Program, ranks)
		errs := make(chan error)
		for i, b := range bs {
			p, err := program.Compile(ctx, g, program.Options{Backend: b, Batch: 8 / ranks, Mode: graph.Mode{Train: true}, Loss: "loss", Parallel: program.Parallel{Rank: i, Ranks: ranks, Bucket: bucket}})
			require.NoError(t, err)
			v, err := x.View(8/ranks*i, 8/ranks*(i+1))
			require.NoError(t, err)
			require.NoError(t, p.SetInput(ctx, "x", v))
			ps[i] = p
			go func() { errs <- p.Run(ctx) }()
		}
		for range ps {
			require.NoError(t, <-errs)
		}
		for _, n := range ps[0].Graph().Nodes() {
			if _, ok := n.Op.(backend.AllReduce); ok {
				buckets++
			}
		}
		for _, o := range g.Values(graph.Param) {
			d, err := ps[0].OutputTensor(ctx, "grad."+o.Name())
			require.NoError(t, err)
			require.NotEqual(t, make([]byte, len(d.Bytes())), d.Bytes(), o.Name())
			grads = append(grads, d.Bytes())
		}
		return grads, buckets
	}
	want, n := run(1, 0)
	require.Zero(t, n)
	for _, ranks := range []int{2, 4} {
		for bucket, buckets := range map[int64]int{1: 8, 1100: 5, 1 << 20: 1} {
			got, n := run(ranks, bucket)
			require.Equal(t, want, got, "%d ranks, buckets of %d", ranks, bucket)
			require.Equal(t, buckets, n, bucket)
		}
	}
}
