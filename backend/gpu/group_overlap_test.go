//go:build cuda

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// overlapSteps is how many steps onBuckets does: the first two by operations
// and, where steps are recorded, the others as one.
const overlapSteps = 4

// chain has five layers with parameters, each larger than the bucket of the
// tests, and a loss that is a mean over samples.
func chain(t *testing.T) *graph.Graph {
	b := nn.NewBuilder(3)
	x := b.Input(train.InputName, 8, 8, 1)
	y := nn.Sequential{
		nn.Conv2D{Out: 6, Kernel: 3, Pad: 1}, nn.ReLU{},
		nn.Conv2D{Out: 9, Kernel: 3, Stride: 2, Pad: 1}, nn.ReLU{}, nn.Flatten{},
		nn.Linear{Out: 20}, nn.ReLU{}, nn.Linear{Out: 16}, nn.ReLU{}, nn.Linear{Out: 8},
	}.Forward(b, x)
	g := b.G
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceMean}, g.Apply(backend.Mul{}, y, y)))
	g, err := b.Graph()
	require.NoError(t, err)
	return g
}

// onBuckets does steps of SGD with momentum on devices that reduce buckets of
// so many bytes, and returns the state of the first and its losses. look is
// called with the last step, which it does.
func onBuckets(t *testing.T, bs []*Backend, bucket int64, look func(p []*program.Program, step func())) (map[string][]byte, []float32) {
	ctx := context.Background()
	if len(bs) > 1 {
		defer joined(t, bs).Close()
	}
	const batch = 8
	var err error
	x := tensor.FromF32(normal(batch*64), batch, 8, 8, 1)
	ps := make([]*program.Program, len(bs))
	for i, b := range bs {
		ps[i], err = program.Compile(ctx, chain(t), program.Options{State: program.NewState(b), Batch: batch / len(bs), Mode: graph.Mode{Train: true}, Loss: "loss",
			Parallel: program.Parallel{Rank: i, Ranks: len(bs), Bucket: bucket},
			Update: func(g *graph.Graph, params, grads []graph.Value) error {
				rate := g.Const("rate", tensor.FromF32([]float32{0.05}, 1))
				for j, p := range params {
					g.Apply(backend.SGD{Momentum: 0.9}, p, grads[j], g.State("v."+p.Name(), tensor.New(p.Spec())), rate)
				}
				return g.Err()
			}})
		require.NoError(t, err)
		defer ps[i].Close()
		part, err := x.View(i*batch/len(bs), (i+1)*batch/len(bs))
		require.NoError(t, err)
		require.NoError(t, ps[i].SetInput(ctx, train.InputName, part))
	}
	losses := make([]float32, overlapSteps)
	for s := range losses {
		step := func() {
			errs := make(chan error)
			for _, p := range ps {
				go func() { errs <- p.Run(ctx) }()
			}
			for range ps {
				require.NoError(t, <-errs)
			}
		}
		if look != nil && s == overlapSteps-1 {
			look(ps, step)
		} else {
			step()
		}
		for _, p := range ps {
			y, err := p.OutputTensor(ctx, "loss")
			require.NoError(t, err)
			losses[s] += y.F32()[0] / float32(len(ps))
		}
	}
	m := bits(t, ps[0].State())
	for _, p := range ps[1:] {
		require.Equal(t, m, bits(t, p.State()))
	}
	return m, losses
}

// TestBucketsOverlapTheBackwardPass: of four buckets and more, each is reduced
// behind its last gradient and beside the rest of the backward pass, and the
// optimizer waits for all of them; in the commands of a step and in the graph
// that is recorded of it. The simulator runs the first as late as can be, the
// second as early: both have the bits of one bucket, as an element is the mean
// of the same two numbers in whatever bucket. One device with the whole batch
// adds up its samples in another order: the result is the same to rounding
// (program's tests have the same bits where sums are exact).
func TestBucketsOverlapTheBackwardPass(t *testing.T) {
	var want map[string][]byte
	for name, recorded := range map[string]bool{"commands": false, "graph": true} {
		t.Run(name, func(t *testing.T) {
			if !recorded {
				t.Setenv("GOQAT_GPU_GRAPH", "0")
			}
			bs := simDevices(t, 2)
			one, losses := onBuckets(t, bs, 1<<20, nil)
			require.Equal(t, overlapSteps, cudasim.CountCollectives().Executed)
			alone, all := onBuckets(t, bs[:1], 0, nil)
			require.InDeltaSlice(t, all, losses, 1e-6)
			for name, b := range alone {
				require.InDeltaSlice(t, tensorOf(b), tensorOf(one[name]), 1e-5, name)
			}
			if want == nil {
				want = one
			}
			require.Equal(t, want, one)
			var work []cudasim.Work
			var buckets int
			trace := func(ps []*program.Program, step func()) {
				for _, n := range ps[0].Graph().Nodes() {
					if _, ok := n.Op.(backend.AllReduce); ok {
						buckets++
					}
				}
				if recorded { // What was captured is what a replay does.
					step()
				} else {
					work = cudasim.Trace(step)
				}
			}
			var many map[string][]byte
			if recorded {
				work = cudasim.Trace(func() { many, _ = onBuckets(t, bs, 512, trace) })
				work = captured(work)
			} else {
				many, _ = onBuckets(t, bs, 512, trace)
			}
			require.Equal(t, want, many)
			require.GreaterOrEqual(t, buckets, 4)
			for device := range 2 {
				checkOverlap(t, work, device, buckets)
			}
		})
	}
}

// captured leaves only what was captured, with places of its own.
func captured(all []cudasim.Work) (work []cudasim.Work) {
	at := map[int]int{}
	for i, w := range all {
		if w.Captured {
			at[i] = len(work)
			work = append(work, w)
		}
	}
	for i, w := range work {
		after := w.After
		work[i].After = nil
		for _, a := range after {
			work[i].After = append(work[i].After, at[a]) // Only captured work is before it.
		}
	}
	return work
}

// checkOverlap looks at the work of one step on a device.
func checkOverlap(t *testing.T, work []cudasim.Work, device, buckets int) {
	var reduced, kernels []int // Places in the order of calls.
	for i, w := range work {
		switch {
		case w.Device != device:
		case w.Kind == "collective":
			reduced = append(reduced, i)
		case w.Kind == "kernel":
			kernels = append(kernels, i)
		}
	}
	require.Len(t, reduced, buckets)
	stream := work[kernels[0]].Stream
	optimizer := 0 // Kernels that need all reductions: the last ones.
	for k, i := range kernels {
		require.Equal(t, stream, work[i].Stream)
		needs := cudasim.Needs(work, i)
		n := 0
		for _, r := range reduced {
			if needs[r] {
				n++
			}
		}
		switch n {
		case 0:
			require.Zero(t, optimizer, "kernel %d (%s) of the optimizer does not wait", k, work[i].Name)
		case buckets:
			optimizer++
		default:
			t.Errorf("kernel %d (%s) waits for %d of %d buckets", k, work[i].Name, n, buckets)
		}
	}
	require.Positive(t, optimizer)
	backward := kernels[:len(kernels)-optimizer]
	for b, r := range reduced {
		require.NotEqual(t, stream, work[r].Stream)
		needs := cudasim.Needs(work, r)
		beside := 0
		for _, i := range backward {
			// It needs what was called before it, to the last gradient, and
			// nothing of what comes.
			require.Equal(t, i < r, needs[i], "bucket %d and kernel %s", b, work[i].Name)
			if i > r {
				beside++
			}
		}
		t.Logf("device %d: bucket %d of %d runs beside %d of %d kernels, %d optimize", device, b, buckets, beside, len(backward), optimizer)
		if b < buckets-1 {
			require.Positive(t, beside, "nothing runs beside bucket %d", b)
		}
		if b > 0 {
			require.True(t, needs[reduced[b-1]], "buckets go one after another")
			require.Less(t, reduced[b-1], backward[len(backward)-1])
		}
	}
}
