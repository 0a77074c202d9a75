package tflite

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"

	"github.com/stretchr/testify/require"
)

// noise is a data set of random samples, the same at every look.
type noise struct{ shape tensor.Shape }

func (n noise) Len() int             { return 64 }
func (n noise) Shape() tensor.Shape  { return n.shape }
func (n noise) Classes() int         { return 10 }
func (n noise) ClassNames() []string { return nil }
func (n noise) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for k := range x {
		x[k] = float32(r.NormFloat64())
	}
	return int32(i % 10), nil
}

// converted builds a model of the zoo with random weights and statistics,
// calibrates it and converts it for the target.
func converted(t testing.TB, name string, sample tensor.Shape, c *qat.Config) *qat.Model {
	t.Helper()
	ctx := context.Background()
	g, err := nn.Build(name, sample, 10, 1)
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(9, 9))
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			switch {
			case filepath.Ext(v.Name()) == ".gamma":
				fillWith(v, func() float32 { return 0.7 + 0.6*r.Float32() - 2*float32(r.IntN(8)/7) })
			case filepath.Ext(v.Name()) == ".variance":
				fillWith(v, func() float32 { return 0.5 + r.Float32() })
			case len(v.Shape()) == 1 && v.DType() == tensor.F32:
				fillWith(v, func() float32 { return float32(r.NormFloat64()) * 0.1 })
			}
		}
	}
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	state, err := qat.Calibrate(ctx, p, noise{g.Inputs()[0].Shape()[1:]}, qat.DataOptions{Backend: cpu(t), Samples: 16, Batch: 16})
	require.NoError(t, err)
	require.NoError(t, state.StoreTo(ctx, p))
	m, err := qat.Convert(ctx, p, c, cpu(t))
	require.NoError(t, err)
	return m
}

func fillWith(v graph.Value, f func() float32) {
	x := v.Init().F32()
	for i := range x {
		x[i] = f()
	}
}

// zoo are the models that are lowered whole.
var zoo = []struct {
	name   string
	sample tensor.Shape
}{
	{"cnn", nil},
	{"mlp", nil},
	{"lenet", nil},
	{"resnet8", nil},
	{"ds-cnn", nil},
	{"mobilenetv1-0.25", tensor.Shape{32, 32, 3}},
	{"mobilenetv2", tensor.Shape{32, 32, 3}},
	{"resnet18", tensor.Shape{32, 32, 3}},
}

// The file of a whole model gives the codes of the converted model.
func TestWholeModels(t *testing.T) {
	for _, c := range zoo {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.name != "cnn" {
				t.Skip("one model is enough for -short")
			}
			m := converted(t, c.name, c.sample, Target{}.Config())
			require.Empty(t, fatal(Target{}.Check(m)))
			a := lowered(t, m)
			ins, _ := ports(t, m.Graph)
			r := rand.New(rand.NewPCG(2, 2))
			for range 2 {
				in, _ := randomCodes(r, ins[0])
				want, got := runGraph(t, m.Graph, []*tensor.Tensor{in}), runGraph(t, a.graph, []*tensor.Tensor{in})
				require.Equal(t, want[0].I8(), got[0].I8())
			}
		})
	}
}

func TestLiteRTWholeModels(t *testing.T) {
	python := os.Getenv(peerPython)
	if python == "" {
		t.Skip("set " + peerPython + " to a Python with ai-edge-litert, tflite-micro and numpy")
	}
	root := t.TempDir()
	var folders []string
	for _, c := range zoo {
		m := converted(t, c.name, c.sample, Target{}.Config())
		dir := filepath.Join(root, c.name)
		writePeerCase(t, dir, Target{}, m, 20)
		folders = append(folders, dir)
	}
	runPeer(t, python, "both", folders...)
}
