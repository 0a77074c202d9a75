package qat_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// noise is a data set of random images with random labels: conversion must be
// exact whatever the model has learned.
type noise struct {
	shape   tensor.Shape
	n       int
	classes int
}

func (d noise) Len() int             { return d.n }
func (d noise) Shape() tensor.Shape  { return d.shape }
func (d noise) Classes() int         { return d.classes }
func (d noise) ClassNames() []string { return nil }
func (d noise) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(11, uint64(i)))
	for j := range x {
		x[j] = float32(r.NormFloat64())
	}
	return int32(r.IntN(d.classes)), nil
}

func cpu(t testing.TB) backend.Backend {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	return b
}

// residual is a network with every kind of unit: convolutions with and
// without batch norm, depthwise, residual addition, pools, flatten.
func residual(b *nn.Builder, x graph.Value) graph.Value {
	conv := func(c nn.Conv2D, act nn.Layer) nn.Layer {
		c.NoBias = true
		s := nn.Sequential{c, nn.BatchNorm{}}
		if act != nil {
			s = append(s, act)
		}
		return s
	}
	return nn.Sequential{
		conv(nn.Conv2D{Out: 8, Kernel: 3, Pad: 1}, nn.ReLU6{}),
		nn.Residual{Body: nn.Sequential{
			conv(nn.Conv2D{Depthwise: true, Kernel: 3, Pad: 1}, nn.ReLU{}),
			conv(nn.Conv2D{Out: 8, Kernel: 1}, nil),
		}, After: nn.ReLU{}},
		nn.MaxPool{Kernel: 2},
		nn.Conv2D{Out: 12, Kernel: 3, Stride: 2, Pad: 1}, nn.ReLU{},
		nn.AvgPool{Kernel: 2}, nn.Flatten{}, nn.Linear{Out: 16}, nn.ReLU{}, nn.Linear{Out: 5},
	}.Forward(b, x)
}

func model(t testing.TB) *graph.Graph {
	b := nn.NewBuilder(5)
	b.Output(train.OutputName, residual(b, b.Input(train.InputName, 12, 12, 3)))
	g, err := b.Graph()
	require.NoError(t, err)
	return g
}

func configs() map[string]*qat.Config {
	tfl := qat.Default()
	tfl.Rule = "tflite"
	tfl.Activations.Scheme.Signed = true
	torch := qat.Default()
	torch.Rule = "pytorch"
	perTensor := qat.Default()
	perTensor.Weights.Scheme.Grain.Kind = 0
	delayed := qat.Default()
	delayed.Activations.Delayed = true
	return map[string]*qat.Config{"delayed": delayed, "onnx": qat.Default(), "tflite": tfl, "pytorch": torch, "w4a8": qat.Bits(4, 8), "w4a4": qat.Bits(4, 4), "w2a4": qat.Bits(2, 4), "per_tensor": perTensor}
}

// trained prepares, calibrates and trains a few steps through all phases.
func trained(t testing.TB, g *graph.Graph, c *qat.Config, d noise) (*graph.Graph, *program.State) {
	ctx := context.Background()
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	s, err := qat.Calibrate(ctx, p, d, qat.DataOptions{Backend: cpu(t), Samples: 64, Batch: 32})
	require.NoError(t, err)
	tc := train.DefaultConfig()
	tc.Epochs, tc.Batch, tc.LR = 2, 16, 0.02
	steps := int64(2 * (d.Len() / 16))
	_, err = train.Fit(ctx, p, tc, train.Options{State: s, Train: d, Phases: c.Phases(steps), EvalMode: graph.Eval})
	require.NoError(t, err)
	require.NoError(t, s.StoreTo(ctx, p))
	return p, s
}

// TestPreparedIsConverted compares the codes of every quantized tensor of the
// prepared model in evaluation with those of the converted model: none may
// differ.
func TestPreparedIsConverted(t *testing.T) {
	ctx := context.Background()
	d := noise{tensor.Shape{12, 12, 3}, 96, 5}
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			p, s := trained(t, model(t), c, d)
			m, err := qat.Convert(ctx, p, c, cpu(t))
			require.NoError(t, err)
			for _, n := range m.Graph.Nodes() {
				require.NotContains(t, []string{"conv", "gemm", "fake_quant", "conv_dequant", "gemm_dequant"}, n.Op.OpName(), "%s is not on integers", n.Name)
			}
			a := codesOf(t, p, s, d)
			b := codesOf(t, m.Graph, nil, d)
			require.GreaterOrEqual(t, len(b), 9)
			require.Equal(t, keys(a), keys(b))
			for k := range a {
				require.True(t, bytes.Equal(a[k].Bytes(), b[k].Bytes()), "codes of %s differ", k)
			}
		})
	}
}

func keys(m map[string]*tensor.Tensor) map[string]tensor.Shape {
	k := map[string]tensor.Shape{}
	for n, t := range m {
		k[n] = t.Shape()
	}
	return k
}

// codesOf runs g in evaluation and returns all code tensors by name.
func codesOf(t testing.TB, g *graph.Graph, s *program.State, d noise) map[string]*tensor.Tensor {
	ctx := context.Background()
	o := program.Options{State: s, Mode: graph.Eval, Batch: 32, Extend: func(low *graph.Graph) error {
		for _, n := range low.Nodes() {
			for _, v := range n.Out {
				// Weights are constants of a converted model.
				if _, ok := low.CodesOf(v); ok && !strings.Contains(v.Name(), ".weight") {
					low.Output("codes."+v.Name(), v)
				}
			}
		}
		return low.Err()
	}}
	if s == nil {
		// A converted graph is lowered already: its codes are known to it.
		o.Backend, o.Lowered, o.Batch = cpu(t), true, 0
		r, err := graph.Rebatch(g, 32)
		require.NoError(t, err)
		g = r
	}
	p, err := program.Compile(ctx, g, o)
	require.NoError(t, err)
	x := tensor.New(tensor.Of(tensor.F32, append([]int{32}, d.shape...)...))
	size := d.shape.Numel()
	for i := range 32 {
		_, err := d.Sample(1000+i, x.F32()[i*size:(i+1)*size])
		require.NoError(t, err)
	}
	require.NoError(t, p.SetInput(ctx, train.InputName, x))
	require.NoError(t, p.Run(ctx))
	out := map[string]*tensor.Tensor{}
	for _, o := range p.Graph().Outputs() {
		if strings.HasPrefix(o.Name, "codes.") {
			v, err := p.OutputTensor(ctx, o.Name)
			require.NoError(t, err)
			out[o.Name] = v
		}
	}
	return out
}

// TestIntegersFollowTheFloatPath compares the integer model with float
// fake quantization: logits within a few steps of the output scale.
func TestIntegersFollowTheFloatPath(t *testing.T) {
	ctx := context.Background()
	d := noise{tensor.Shape{12, 12, 3}, 96, 5}
	p, s := trained(t, model(t), qat.Default(), d)
	scale := outputScale(t, p)
	var ys [2]*tensor.Tensor
	for i, m := range []graph.Mode{{Quantize: graph.QuantizeFloat}, graph.Eval} {
		prog, err := program.Compile(ctx, p, program.Options{State: s, Mode: m, Batch: 32})
		require.NoError(t, err)
		x := tensor.New(tensor.Of(tensor.F32, 32, 12, 12, 3))
		for j := range 32 {
			_, err := d.Sample(j, x.F32()[j*432:(j+1)*432])
			require.NoError(t, err)
		}
		require.NoError(t, prog.SetInput(ctx, train.InputName, x))
		require.NoError(t, prog.Run(ctx))
		ys[i], err = prog.OutputTensor(ctx, train.OutputName)
		require.NoError(t, err)
	}
	equal := 0
	for i := range ys[0].F32() {
		diff := ys[0].F32()[i] - ys[1].F32()[i]
		require.LessOrEqual(t, max(diff, -diff), 4*scale)
		if diff == 0 {
			equal++
		}
	}
	require.Greater(t, equal, ys[0].Numel()/2)
}

func outputScale(t testing.TB, p *graph.Graph) float32 {
	v, ok := p.Lookup("9.linear.out.scale")
	if !ok {
		for _, v := range p.Values(graph.State) {
			t.Log(v.Name())
		}
	}
	require.True(t, ok)
	return v.Init().F32()[0]
}

func TestConfigFaultsComeTogether(t *testing.T) {
	_, err := qat.ReadConfig(strings.NewReader(`{"rule":"tensorflow","weights":{"scheme":{"bits":9,"signed":true,"symmetric":true},"observer":"magic"},
		"activations":{"scheme":{"bits":8},"observer":"minmax","momentum":3},"overrides":[{"match":""},{"match":"first","skip":true,"weights":{"scheme":{"bits":8,"signed":true},"observer":"minmax"}}],
		"schedule":{"start":0.5,"freeze_ranges":0.2,"freeze_bn":7}}`))
	require.ErrorIs(t, err, qat.ErrConfig)
	for _, s := range []string{"tensorflow", "magic", "momentum", "overrides[0]", "overrides[1]", "freeze_ranges 0.2", "freeze_bn", "symmetric"} {
		require.ErrorContains(t, err, s)
	}
	_, err = qat.ReadConfig(strings.NewReader(`{"rule":"onnx","weight":{}}`))
	require.ErrorContains(t, err, "unknown field")
}

func TestConfigRoundTrip(t *testing.T) {
	for name, c := range configs() {
		var b bytes.Buffer
		require.NoError(t, c.Write(&b))
		d, err := qat.ReadConfig(&b)
		require.NoError(t, err, name)
		require.Equal(t, c, d, name)
	}
}

func FuzzReadConfig(f *testing.F) {
	for _, c := range configs() {
		var b bytes.Buffer
		require.NoError(f, c.Write(&b))
		f.Add(b.String())
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := qat.ReadConfig(strings.NewReader(s))
		if err == nil {
			require.NoError(t, c.Validate())
			require.NotEmpty(t, c.Phases(100))
		}
	})
}

func TestPhases(t *testing.T) {
	c := qat.Default()
	c.Schedule = qat.Schedule{Start: 0.1, FreezeRanges: 0.5, FreezeBN: 0.8}
	ps := c.Phases(100)
	require.Len(t, ps, 4)
	require.Equal(t, []int64{0, 10, 50, 80}, []int64{ps[0].From, ps[1].From, ps[2].From, ps[3].From})
	require.Equal(t, graph.QuantizeOff, ps[0].Mode.Quantize)
	require.Equal(t, graph.RangesObserve, ps[1].Mode.Ranges)
	require.Equal(t, graph.RangesFrozen, ps[2].Mode.Ranges)
	require.True(t, ps[3].Mode.Deployed())
}

func TestOverrides(t *testing.T) {
	c := qat.Bits(4, 4)
	eight := qat.Default()
	c.Overrides = []qat.Override{{Match: "first", Weights: &eight.Weights, Activations: &eight.Activations}, {Match: "*.linear", Skip: true}}
	p, err := qat.Prepare(model(t), c)
	require.NoError(t, err)
	bits := map[string]int{}
	for _, n := range p.Nodes() {
		if q, ok := n.Op.(backend.FakeQuant); ok {
			bits[n.In[0].Name()] = q.Scheme.Bits
		}
	}
	require.Equal(t, 8, bits["input"])
	require.Equal(t, 8, bits["0.0.conv.weight"])
	require.Equal(t, 4, bits["1.body.0.0.conv.weight"])
	for name := range bits {
		require.NotContains(t, name, "linear", "skipped layers stay float")
	}
}

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	p, err := qat.Prepare(model(t), qat.Default())
	require.NoError(t, err)
	_, err = qat.Prepare(p, qat.Default())
	require.ErrorContains(t, err, "prepared already")
	_, err = qat.Convert(ctx, model(t), qat.Default(), cpu(t))
	require.ErrorContains(t, err, "no quantizers")
}

func TestAnalyze(t *testing.T) {
	ctx := context.Background()
	d := noise{tensor.Shape{12, 12, 3}, 64, 5}
	p, s := trained(t, model(t), qat.Default(), d)
	r8, err := qat.Analyze(ctx, p, d, qat.DataOptions{State: s, Samples: 64, Batch: 32})
	require.NoError(t, err)
	p4, s4 := trained(t, model(t), qat.Bits(4, 4), d)
	r4, err := qat.Analyze(ctx, p4, d, qat.DataOptions{State: s4, Samples: 64, Batch: 32})
	require.NoError(t, err)
	require.Equal(t, len(r8), len(r4))
	for i, r := range r8 {
		require.Greater(t, r.SQNR, 15.0, r.Name)
		require.Less(t, r4[i].SQNR, r.SQNR, r.Name)
		require.LessOrEqual(t, r.Lo, 0.0)
		require.Greater(t, r.Hi, 0.0)
		n := 0
		for _, c := range r.Counts {
			n += c
		}
		require.Positive(t, n)
	}
}

func ExamplePrepare() {
	g, err := nn.Build("cnn", tensor.Shape{28, 28, 1}, 10, 1)
	if err != nil {
		panic(err)
	}
	p, err := qat.Prepare(g, qat.Default())
	if err != nil {
		panic(err)
	}
	for _, n := range p.Nodes() {
		if q, ok := n.Op.(backend.FakeQuant); ok {
			fmt.Println(n.In[0].Name(), q.Scheme)
		}
	}
}
