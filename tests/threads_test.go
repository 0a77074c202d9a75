package tests

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// threadBatch makes layers large enough to be cut into several tiles.
const threadBatch = 24

// quickModels are those that slow builds run.
var quickModels = []string{"cnn", "ds-cnn", "mlp"}

// TestZooBitsForAnyNumberOfThreads trains every model of the zoo for some
// steps, in float, with observed and with frozen ranges, and runs it in float
// and on integers: losses, parameters, statistics, optimizer and results must
// be the same bits for 1, 2, 3 and 7 threads.
func TestZooBitsForAnyNumberOfThreads(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	defer b.Close()
	for _, m := range nn.Models() {
		t.Run(m.Name, func(t *testing.T) {
			if testing.Short() && !slices.Contains(quickModels, m.Name) {
				t.Skip("a large model")
			}
			var want []string
			for _, threads := range []int{1, 2, 3, 7} {
				runtime.GOMAXPROCS(threads)
				got := zooBits(t, b, m.Name)
				if want == nil {
					want = got
					requireDistinct(t, want)
				}
				require.Equal(t, want, got, "1 and %d threads", threads)
			}
		})
	}
}

// zooBits returns hashes of what a model computes.
func zooBits(t *testing.T, b backend.Backend, name string) []string {
	ctx := t.Context()
	z := zooSamples[name]
	g, err := nn.Build(name, z.sample, z.classes, 3)
	require.NoError(t, err)
	shakeBatchNorms(t, g)
	d := gauss{z.sample, 2 * threadBatch}
	c := qat.Default()
	phases := c.Phases(100)

	float := program.NewState(b)
	bits := []string{"float step " + stepBits(t, g, float, graph.Mode{Train: true}, z.classes)}
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	s, err := qat.Calibrate(ctx, p, d, qat.DataOptions{Backend: b, Batch: threadBatch})
	require.NoError(t, err)
	bits = append(bits, "calibrated "+stateBits(t, s))
	for i, phase := range phases {
		bits = append(bits, fmt.Sprintf("step of phase %d %s", i, stepBits(t, p, s, phase.Mode, z.classes)))
	}
	require.NoError(t, s.StoreTo(ctx, p))
	m, err := qat.Convert(ctx, p, c, b)
	require.NoError(t, err)
	return append(bits, "float run "+sessionBits(ctx, t, b, g, z.sample), "integer run "+sessionBits(ctx, t, b, m.Graph, z.sample))
}

// stepBits runs steps and returns a hash of the losses and of the state.
func stepBits(t *testing.T, g *graph.Graph, s *program.State, mode graph.Mode, classes int) string {
	c := train.DefaultConfig()
	c.Batch, c.ClipNorm = threadBatch, 3
	if classes == 0 {
		c.Loss = "reconstruction"
	}
	step, err := train.CompileStep(t.Context(), g, c, mode, s)
	require.NoError(t, err)
	batch := zooBatch(g, classes)
	h := fnv.New64a()
	for range 2 {
		loss, err := step.Run(t.Context(), batch, 0.01)
		require.NoError(t, err)
		require.False(t, math.IsNaN(loss) || math.IsInf(loss, 0), "loss %v", loss)
		fmt.Fprintf(h, "%x ", math.Float64bits(loss))
	}
	return fmt.Sprintf("%x %s", h.Sum64(), stateBits(t, s))
}

// zooBatch is noise with labels in turn.
func zooBatch(g *graph.Graph, classes int) *data.Batch {
	shape := append(tensor.Shape{threadBatch}, g.Inputs()[0].Spec().Shape[1:]...)
	b := &data.Batch{X: noiseOf(shape, 900), Y: tensor.New(tensor.Of(tensor.I32, threadBatch)), N: threadBatch}
	for i := range b.Y.I32() {
		b.Y.I32()[i] = int32(i % max(classes, 1))
	}
	return b
}

// noiseOf returns samples of [gauss] from the one of a number on.
func noiseOf(shape tensor.Shape, first int) *tensor.Tensor {
	x := tensor.New(tensor.Of(tensor.F32, shape...))
	d := gauss{shape[1:], shape[0]}
	size := shape[1:].Numel()
	for i := range shape[0] {
		_, _ = d.Sample(first+i, x.F32()[i*size:(i+1)*size]) // It has no errors.
	}
	return x
}

// stateBits returns a hash of all tensors of a state.
func stateBits(t *testing.T, s *program.State) string {
	h := fnv.New64a()
	for _, name := range s.Names() {
		x, err := s.Read(t.Context(), name)
		require.NoError(t, err)
		fmt.Fprintf(h, "%s %d ", name, len(x.Bytes()))
		_, _ = h.Write(x.Bytes()) // A hash takes everything.
	}
	return fmt.Sprintf("%x", h.Sum64())
}

// sessionBits returns a hash of the results of a model.
func sessionBits(ctx context.Context, t *testing.T, b backend.Backend, g *graph.Graph, sample tensor.Shape) string {
	s, err := target.OpenGraph(ctx, g, b, threadBatch)
	require.NoError(t, err)
	defer s.Close()
	out := tensor.New(s.Outputs()[0].Spec)
	require.NoError(t, s.Run(ctx, []*tensor.Tensor{noiseOf(append(tensor.Shape{threadBatch}, sample...), 700)}, []*tensor.Tensor{out}))
	requireVaried(t, out.F32())
	h := fnv.New64a()
	_, _ = h.Write(out.Bytes()) // A hash takes everything.
	return fmt.Sprintf("%x", h.Sum64())
}

// requireDistinct fails when two results are the same: steps that change
// nothing would agree in any case.
func requireDistinct(t *testing.T, bits []string) {
	seen := map[string]string{}
	for _, s := range bits {
		hash := s[len(s)-12:]
		require.Empty(t, seen[hash], "%s", s)
		seen[hash] = s
	}
}
