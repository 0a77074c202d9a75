package qat_test

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// patterns is a data set that a small model can learn, but not to perfection:
// images are a pattern of their class in noise.
type patterns struct {
	noise
	from int // Number of the first sample.
}

const patternClasses = 6

func newPatterns(from, n int) patterns {
	return patterns{noise{tensor.Shape{10, 10, 2}, n, patternClasses}, from}
}

func (d patterns) Sample(i int, x []float32) (int32, error) {
	label, err := d.noise.Sample(d.from+i, x)
	r := rand.New(rand.NewPCG(77, uint64(label)))
	for j := range x {
		x[j] = 1.1*x[j] + float32(0.4*r.NormFloat64())
	}
	return label, err
}

// learned returns a small model, with and without batch normalization, that
// has learned the patterns, in float, and the data; tests must not change it.
func learned(t testing.TB) (g *graph.Graph, set, val patterns) {
	g, err := learnedOnce()
	require.NoError(t, err)
	return g, newPatterns(0, 768), newPatterns(10_000, 512)
}

var learnedOnce = sync.OnceValues(func() (*graph.Graph, error) {
	ctx := context.Background()
	cpu, err := backend.Open("cpu")
	if err != nil {
		return nil, err
	}
	b := nn.NewBuilder(9)
	b.Output(train.OutputName, nn.Sequential{
		nn.Conv2D{Out: 12, Kernel: 3, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{},
		nn.Conv2D{Depthwise: true, Kernel: 3, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU6{},
		nn.Conv2D{Out: 16, Kernel: 3, Stride: 2, Pad: 1}, nn.ReLU{},
		nn.MaxPool{Kernel: 2}, nn.Flatten{}, nn.Linear{Out: 24}, nn.ReLU{}, nn.Linear{Out: patternClasses},
	}.Forward(b, b.Input(train.InputName, 10, 10, 2)))
	g, err := b.Graph()
	if err != nil {
		return nil, err
	}
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.LR = 5, 32, 0.05
	res, err := train.Fit(ctx, g, c, train.Options{Backend: cpu, Train: newPatterns(0, 768)})
	if err != nil {
		return nil, err
	}
	return g, res.State.StoreTo(ctx, g)
})

// calibrated prepares g and calibrates it on d.
func calibrated(t testing.TB, g *graph.Graph, c *qat.Config, d patterns) (*graph.Graph, *program.State) {
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	s, err := qat.Calibrate(context.Background(), p, d, qat.DataOptions{Backend: cpu(t), Samples: 256, Batch: 64})
	require.NoError(t, err)
	return p, s
}

// float returns a state that begins with the graph's own values.
func float(t testing.TB) *program.State { return program.NewState(cpu(t)) }

func accuracy(t testing.TB, g *graph.Graph, s *program.State, d patterns, m graph.Mode) float64 {
	e, err := train.Evaluate(context.Background(), g, d, train.EvalOptions{State: s, Mode: m})
	require.NoError(t, err)
	return e.Accuracy
}

// layerResults returns what the convolutions, linear layers and batch
// normalizations of a prepared graph give for the first samples of d, in
// order.
func layerResults(t testing.TB, g *graph.Graph, s *program.State, d patterns, m graph.Mode) (names []string, ys []*tensor.Tensor) {
	ctx := context.Background()
	c, err := g.Clone()
	require.NoError(t, err)
	for _, n := range c.Nodes() {
		switch n.Op.(type) {
		case backend.Conv, backend.Gemm, backend.BatchNorm:
			names = append(names, n.Name)
			c.Output("probe."+n.Name, n.Out[0])
		}
	}
	const batch = 256
	p, err := program.Compile(ctx, c, program.Options{State: s, Mode: m, Batch: batch})
	require.NoError(t, err)
	x := tensor.New(tensor.Of(tensor.F32, append([]int{batch}, d.shape...)...))
	size := d.shape.Numel()
	for i := range batch {
		_, err := d.Sample(i, x.F32()[i*size:(i+1)*size])
		require.NoError(t, err)
	}
	require.NoError(t, p.SetInput(ctx, train.InputName, x))
	require.NoError(t, p.Run(ctx))
	for _, n := range names {
		y, err := p.OutputTensor(ctx, "probe."+n)
		require.NoError(t, err)
		ys = append(ys, y)
	}
	return names, ys
}

func squaredError(x, y []float32) (e float64) {
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		e += float64(d * d)
	}
	return e / float64(len(x))
}

// normalizedError is the squared error of y as a part of the power of x.
func normalizedError(x, y []float32) float64 {
	return squaredError(x, y) / squaredError(x, make([]float32, len(x)))
}

// meanErrors returns the mean of y - x by channel.
func meanErrors(x, y *tensor.Tensor) []float64 {
	c := x.Shape().Last()
	e := make([]float64, c)
	for i := range x.F32() {
		e[i%c] += float64(y.F32()[i]) - float64(x.F32()[i])
	}
	for i := range e {
		e[i] /= float64(x.Numel() / c)
	}
	return e
}

func norm(v []float64) (n float64) {
	for _, x := range v {
		n += float64(x * x)
	}
	return math.Sqrt(n)
}

var quantizeFloat = graph.Mode{Quantize: graph.QuantizeFloat}
