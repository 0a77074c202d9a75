package qat_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// adaRound runs a short AdaRound and returns what it reports.
func adaRound(t testing.TB, p *graph.Graph, s *program.State, d patterns) (ls []qat.AdaRoundLayer) {
	a := qat.AdaRoundOptions{Steps: 300, LR: 0.05, Report: func(l qat.AdaRoundLayer) { ls = append(ls, l) }}
	require.NoError(t, qat.AdaRound(context.Background(), p, d, qat.DataOptions{State: s, Samples: 512, Batch: 64}, a))
	return ls
}

// TestAdaRound compares chosen with nearest roundings to 4 bits, on the
// samples looked at layer by layer, and end to end on others.
func TestAdaRound(t *testing.T) {
	ctx := context.Background()
	g, set, val := learned(t)
	p, s := calibrated(t, g, qat.Bits(4, 8), set)
	exact := float(t)
	_, want := layerResults(t, p, exact, val, graph.EvalFloat)
	_, near := layerResults(t, p, s, val, quantizeFloat)
	before := accuracy(t, p, s, val, graph.Eval)

	ls := adaRound(t, p, s, set)
	require.Len(t, ls, 5)
	better := 0
	for _, l := range ls {
		require.Equal(t, 512, l.Samples)
		require.Positive(t, l.Nearest)
		require.LessOrEqual(t, l.Rounded, l.Nearest, l.Name)
		require.Equal(t, l.Rounded < l.Nearest, l.Changed > 0, l.Name)
		if l.Rounded < 0.9*l.Nearest {
			better++
		}
	}
	require.GreaterOrEqual(t, better, 3, "%+v", ls)

	_, have := layerResults(t, p, s, val, quantizeFloat)
	last := len(want) - 1
	require.Less(t, squaredError(want[last].F32(), have[last].F32()), 0.7*squaredError(want[last].F32(), near[last].F32()))
	require.GreaterOrEqual(t, accuracy(t, p, s, val, graph.Eval), before)

	for _, n := range p.Nodes() {
		q, ok := n.Op.(backend.FakeQuant)
		if !ok || n.In[0].Kind() != graph.Param {
			continue
		}
		requireCodes(ctx, t, n, q, exact, s)
	}
}

// requireCodes fails unless every weight is a code, next to the float weight
// or at the end of the range on its side.
func requireCodes(ctx context.Context, t *testing.T, n *graph.Node, q backend.FakeQuant, exact, s *program.State) {
	name := n.In[0].Name()
	w, err := s.Read(ctx, name)
	require.NoError(t, err)
	float, err := exact.Read(ctx, name)
	require.NoError(t, err)
	scale, err := s.Read(ctx, name+".scale")
	require.NoError(t, err)
	lo, hi := q.Scheme.Range()
	l, err := q.Scheme.Layout(w.Shape())
	require.NoError(t, err)
	again := make([]float32, w.Numel())
	quant.FakeQuantize(q.Rule, again, nil, w.F32(), scale.F32(), make([]int32, scale.Numel()), lo, hi, l, 0, len(again))
	for i, v := range w.F32() {
		sc := scale.F32()[i/l.Inner%l.Channels]
		code := math.RoundToEven(float64(v / sc))
		if v != float.F32()[i] {
			require.Equal(t, v, float32(code)*sc, "%s[%d] is no code", name, i)
			require.Equal(t, v, again[i], "%s[%d] is rounded again", name, i)
		}
		x := float64(float.F32()[i]) / float64(sc)
		x = min(max(x, float64(lo)), float64(hi))
		require.Less(t, math.Abs(x-code), 1.0001, "%s[%d] %v became %v", name, i, x, code)
	}
}

// TestAdaRoundIsDeterministic runs it twice, once with a reference of its
// own making and once with the given one.
func TestAdaRoundIsDeterministic(t *testing.T) {
	ctx := context.Background()
	g, set, _ := learned(t)
	var results []map[string]*tensor.Tensor
	for _, reference := range []*program.State{nil, float(t)} {
		p, s := calibrated(t, g, qat.Bits(4, 4), set)
		a := qat.AdaRoundOptions{Steps: 40, LR: 0.1, Seed: 5}
		require.NoError(t, qat.AdaRound(ctx, p, set, qat.DataOptions{State: s, Reference: reference, Samples: 128, Batch: 50}, a))
		values, err := s.Snapshot(ctx)
		require.NoError(t, err)
		results = append(results, values)
	}
	require.Equal(t, len(results[0]), len(results[1]))
	for name, v := range results[0] {
		require.Equal(t, v.Bytes(), results[1][name].Bytes(), name)
	}
}

// correlated is a data set whose inputs nearly are one number: errors of
// single weights can make up for each other.
type correlated struct{ noise }

func (d correlated) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(3, uint64(i)))
	common := r.NormFloat64()
	for j := range x {
		x[j] = float32(common + 0.15*r.NormFloat64())
	}
	return 0, nil
}

// TestAdaRoundAgainstEveryRounding tries all 256 roundings of layers of eight
// weights: the chosen one must be among the best, also where rounding to
// nearest is not.
func TestAdaRoundAgainstEveryRounding(t *testing.T) {
	better := func(losses []float64, than float64) (n int) {
		for _, l := range losses {
			if l < than {
				n++
			}
		}
		return n
	}
	hard := 0
	for seed := range uint64(10) {
		chosen, nearest, losses := everyRounding(t, seed)
		require.LessOrEqual(t, better(losses, chosen), 5, "seed %d", seed)
		if better(losses, nearest) > 20 {
			hard++
		}
	}
	require.GreaterOrEqual(t, hard, 3, "rounding to nearest does too well for a test")
}

// everyRounding returns the squared errors of a random layer with weights
// rounded by AdaRound, to nearest, and in every way.
func everyRounding(t testing.TB, seed uint64) (chosen, nearest float64, losses []float64) {
	ctx := context.Background()
	d := correlated{noise{tensor.Shape{8}, 256, 1}}
	b := nn.NewBuilder(seed)
	b.Output(train.OutputName, nn.Linear{Out: 1}.Forward(b, b.Input(train.InputName, 8)))
	g, err := b.Graph()
	require.NoError(t, err)
	c := qat.Bits(3, 8)
	c.Weights.Observer, c.Weights.Learn, c.FloatOutput = "minmax", false, true
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	o := qat.DataOptions{Backend: cpu(t), Samples: 256, Batch: 128}
	s, err := qat.Calibrate(ctx, p, d, o)
	require.NoError(t, err)
	w, err := s.Read(ctx, "linear.weight")
	require.NoError(t, err)
	scale, err := s.Read(ctx, "linear.weight.scale")
	require.NoError(t, err)

	x := tensor.New(tensor.Of(tensor.F32, 256, 8))
	for i := range 256 {
		_, err := d.Sample(i, x.F32()[i*8:(i+1)*8])
		require.NoError(t, err)
	}
	run := func(s *program.State, m graph.Mode) func() []float32 {
		p, err := program.Compile(ctx, p, program.Options{State: s, Mode: m, Batch: 256})
		require.NoError(t, err)
		require.NoError(t, p.SetInput(ctx, train.InputName, x))
		return func() []float32 {
			require.NoError(t, p.Run(ctx))
			y, err := p.OutputTensor(ctx, train.OutputName)
			require.NoError(t, err)
			return y.F32()
		}
	}
	want, coded := run(float(t), graph.EvalFloat)(), run(s, quantizeFloat)
	for choice := range 256 {
		v := tensor.New(w.Spec())
		for i := range v.F32() {
			code := math.Floor(float64(w.F32()[i])/float64(scale.F32()[0])) + float64(choice>>i&1)
			v.F32()[i] = float32(min(max(code, -3), 3)) * scale.F32()[0]
		}
		require.NoError(t, s.Write(ctx, "linear.weight", v))
		losses = append(losses, squaredError(want, coded()))
	}
	require.NoError(t, s.Write(ctx, "linear.weight", w))
	nearest = squaredError(want, coded())
	o.State, o.Backend = s, nil
	require.NoError(t, qat.AdaRound(ctx, p, d, o, qat.AdaRoundOptions{}))
	return squaredError(want, coded()), nearest, losses
}

func TestAdaRoundRefusals(t *testing.T) {
	ctx := context.Background()
	g, set, _ := learned(t)
	p, s := calibrated(t, g, qat.Default(), set)
	o := qat.DataOptions{State: s, Samples: 64, Batch: 32}
	require.ErrorContains(t, qat.AdaRound(ctx, p, set, qat.DataOptions{}, qat.AdaRoundOptions{}), "State")
	require.ErrorContains(t, qat.AdaRound(ctx, p, set, o, qat.AdaRoundOptions{Steps: -1}), "steps -1")
	require.ErrorContains(t, qat.AdaRound(ctx, p, set, o, qat.AdaRoundOptions{LR: math.NaN()}), "rate NaN")
	require.ErrorContains(t, qat.AdaRound(ctx, g, set, qat.DataOptions{State: float(t)}, qat.AdaRoundOptions{}), "no layer has quantized weights")
	empty := set
	empty.n = 0
	require.ErrorContains(t, qat.AdaRound(ctx, p, empty, o, qat.AdaRoundOptions{}), "no samples")
	done, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, qat.AdaRound(done, p, set, o, qat.AdaRoundOptions{}), context.Canceled)
}

// TestAdaRoundKeepsToItsMemory gives it room for a few samples only.
func TestAdaRoundKeepsToItsMemory(t *testing.T) {
	g, set, _ := learned(t)
	p, s := calibrated(t, g, qat.Bits(4, 8), set)
	var n []int
	a := qat.AdaRoundOptions{Steps: 3, Bytes: 4 * (200 + 1200) * 10, Report: func(l qat.AdaRoundLayer) { n = append(n, l.Samples) }}
	require.NoError(t, qat.AdaRound(context.Background(), p, set, qat.DataOptions{State: s, Samples: 100, Batch: 50}, a))
	require.Equal(t, []int{10, 5, 8, 100, 100}, n)
}
