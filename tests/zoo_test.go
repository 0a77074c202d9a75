package tests

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
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

// gauss is a data set of random samples without labels.
type gauss struct {
	shape tensor.Shape
	n     int
}

func (d gauss) Len() int             { return d.n }
func (d gauss) Shape() tensor.Shape  { return d.shape }
func (d gauss) Classes() int         { return 0 }
func (d gauss) ClassNames() []string { return nil }
func (d gauss) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(31, uint64(i)))
	for j := range x {
		x[j] = float32(r.NormFloat64())
	}
	return -1, nil
}

// zooSamples are small inputs for the models of the zoo.
var zooSamples = map[string]struct {
	sample  tensor.Shape
	classes int
}{
	"autoencoder":      {tensor.Shape{640}, 0},
	"cnn":              {tensor.Shape{12, 12, 1}, 10},
	"ds-cnn":           {tensor.Shape{13, 10, 1}, 12},
	"gpt-tiny":         {tensor.Shape{12}, 40},
	"lenet":            {tensor.Shape{16, 16, 1}, 10},
	"mlp":              {tensor.Shape{7, 7, 1}, 10},
	"mobilenetv1-0.25": {tensor.Shape{24, 24, 3}, 2},
	"mobilenetv2":      {tensor.Shape{32, 32, 3}, 10},
	"resnet18":         {tensor.Shape{32, 32, 3}, 10},
	"resnet8":          {tensor.Shape{16, 16, 3}, 10},
}

// TestZooOnIntegers prepares, calibrates and converts every model of the zoo
// under several rules: all layers must run on integers, and the prepared model
// must give the bits of the converted one.
func TestZooOnIntegers(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	tflite := qat.Default()
	tflite.Rule, tflite.Activations.Scheme.Signed = "tflite", true
	perTensor := qat.Default()
	perTensor.Weights.Scheme.Grain.Kind = quant.PerTensor
	for _, m := range nn.Models() {
		for rule, c := range map[string]*qat.Config{"onnx": qat.Default(), "tflite": tflite, "per_tensor": perTensor} {
			t.Run(m.Name+"/"+rule, func(t *testing.T) { requireIntegers(t, b, m.Name, c) })
		}
	}
}

func requireIntegers(t *testing.T, b backend.Backend, name string, c *qat.Config) {
	ctx := context.Background()
	const batch = 4
	z, ok := zooSamples[name]
	require.True(t, ok, "no sample shape for the test")
	g, err := nn.Build(name, z.sample, z.classes, 3)
	require.NoError(t, err)
	shakeBatchNorms(t, g)
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	d := gauss{z.sample, 2 * batch}
	s, err := qat.Calibrate(ctx, p, d, qat.DataOptions{Backend: b, Batch: batch})
	require.NoError(t, err)
	require.NoError(t, s.StoreTo(ctx, p))
	q, err := qat.Convert(ctx, p, c, b)
	require.NoError(t, err)
	for _, n := range q.Graph.Nodes() {
		require.NotContains(t, []string{"conv", "gemm", "conv_dequant", "gemm_dequant", "fake_quant", "batch_norm", "batch_norm_eval"}, n.Op.OpName(), "%s is not on integers", n.Name)
	}
	x := tensor.New(tensor.Of(tensor.F32, append([]int{batch}, z.sample...)...))
	size := z.sample.Numel()
	for i := range batch {
		_, err := d.Sample(100+i, x.F32()[i*size:(i+1)*size])
		require.NoError(t, err)
	}
	converted, err := graph.Rebatch(q.Graph, batch)
	require.NoError(t, err)
	var bits [2][]byte
	for i, o := range []struct {
		g *graph.Graph
		o program.Options
	}{
		{p, program.Options{State: s, Mode: graph.Eval, Batch: batch}},
		{converted, program.Options{Backend: b, Lowered: true}},
	} {
		run, err := program.Compile(ctx, o.g, o.o)
		require.NoError(t, err)
		require.NoError(t, run.SetInput(ctx, train.InputName, x))
		require.NoError(t, run.Run(ctx))
		y, err := run.OutputTensor(ctx, train.OutputName)
		require.NoError(t, err)
		bits[i] = y.Bytes()
		requireVaried(t, y.F32())
	}
	require.True(t, bytes.Equal(bits[0], bits[1]), "prepared and converted logits differ")
}

// shakeBatchNorms gives batch normalizations statistics and factors as
// training does, some of them negative.
func shakeBatchNorms(t *testing.T, g *graph.Graph) {
	r := rand.New(rand.NewPCG(8, 8))
	for _, v := range append(g.Values(graph.Param), g.Values(graph.State)...) {
		kind := v.Name()[strings.LastIndex(v.Name(), ".")+1:]
		x := tensor.New(v.Spec())
		for i := range x.Numel() {
			switch kind {
			case "gamma":
				x.F32()[i] = float32(0.8 + 0.4*r.NormFloat64())
			case "beta", "mean":
				x.F32()[i] = float32(0.3 * r.NormFloat64())
			case "variance":
				x.F32()[i] = float32(0.5 + r.Float64())
			}
		}
		switch kind {
		case "gamma", "beta", "mean", "variance":
			require.NoError(t, v.SetInit(x))
		}
	}
}

// requireVaried fails on a model that is dead: equal numbers would agree in
// any case.
func requireVaried(t *testing.T, y []float32) {
	seen := map[float32]bool{}
	for _, v := range y {
		seen[v] = true
	}
	require.Greater(t, len(seen), 1)
}
