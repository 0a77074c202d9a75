package onnxqdq

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"

	_ "github.com/goqat/goqat/backend/cpu"
	_ "github.com/goqat/goqat/op"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cpu(t testing.TB) backend.Backend {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	return b
}

// noise is a data set of random samples, the same at every look.
type noise struct{ shape tensor.Shape }

func (n noise) Len() int             { return 32 }
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

func converted(t testing.TB, name string, sample tensor.Shape, c *qat.Config) *qat.Model {
	t.Helper()
	ctx := context.Background()
	g, err := nn.Build(name, sample, 10, 1)
	require.NoError(t, err)
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	state, err := qat.Calibrate(ctx, p, noise{g.Inputs()[0].Shape()[1:]}, qat.DataOptions{Backend: cpu(t), Samples: 16, Batch: 16})
	require.NoError(t, err)
	require.NoError(t, state.StoreTo(ctx, p))
	m, err := qat.Convert(ctx, p, c, cpu(t))
	require.NoError(t, err)
	return m
}

// targets are both forms, as they are registered.
func targets(t testing.TB) []target.Target {
	var ts []target.Target
	for _, name := range []string{"onnx-qdq", "onnx-qoperator"} {
		x, err := target.Lookup(name)
		require.NoError(t, err)
		require.Equal(t, name, x.Name())
		require.NoError(t, x.Runnable())
		require.NotEmpty(t, x.About())
		require.NotEmpty(t, x.Constraints())
		ts = append(ts, x)
	}
	return ts
}

func run(t testing.TB, s target.Session, x *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	defer s.Close()
	in, err := x.Reshape(s.Inputs()[0].Spec.Shape...)
	require.NoError(t, err)
	y := tensor.New(s.Outputs()[0].Spec)
	require.NoError(t, s.Run(context.Background(), []*tensor.Tensor{in}, []*tensor.Tensor{y}))
	return y
}

func samples(n noise, count int) *tensor.Tensor {
	x := tensor.New(tensor.Spec{DType: tensor.F32, Shape: append(tensor.Shape{count}, n.shape...)})
	size := n.shape.Numel()
	for i := range count {
		_, _ = n.Sample(100+i, x.F32()[i*size:][:size])
	}
	return x
}

// step is the scale of the codes of the model's only output.
func step(t testing.TB, g *graph.Graph) float32 {
	n, _ := g.Outputs()[0].Value.Producer()
	s, _, err := target.Params(n, 1, 2)
	require.NoError(t, err)
	return s
}

var models = []string{"cnn", "mlp", "resnet8", "ds-cnn"}

// The file can be read back and computes what the model does.
func TestFilesComputeWhatTheModelDoes(t *testing.T) {
	ctx := context.Background()
	for _, name := range models {
		m := converted(t, name, nil, qat.Default())
		shape := m.Graph.Inputs()[0].Shape()[1:]
		x := samples(noise{shape}, 4)
		for _, to := range targets(t) {
			for _, v := range to.Check(m) {
				assert.False(t, v.Fatal, v.String())
			}
			a, err := to.Lower(ctx, m)
			require.NoError(t, err)
			require.Equal(t, ".onnx", a.Ext())
			s, err := a.Open(ctx, cpu(t), 4)
			require.NoError(t, err)
			want := run(t, s, x)
			var file bytes.Buffer
			n, err := a.WriteTo(&file)
			require.NoError(t, err)
			require.EqualValues(t, file.Len(), n)
			g, info, err := onnx.Read(file.Bytes(), onnx.ReadOptions{})
			require.NoError(t, err)
			require.NotNil(t, info)
			s, err = target.OpenGraph(ctx, g, cpu(t), 4)
			require.NoError(t, err)
			got := run(t, s, x)
			// The QDQ form read back computes in float between the codes.
			most := 0.01
			if to.Name() == "onnx-qdq" {
				most = 1.01
			}
			most *= float64(step(t, m.Graph))
			for i, w := range want.F32() {
				require.LessOrEqual(t, math.Abs(float64(w-got.F32()[i])), most, "%s %s output %d", name, to.Name(), i)
			}
		}
	}
}

func TestFilesAreDeterministicAndDifferByForm(t *testing.T) {
	m := converted(t, "mlp", tensor.Shape{6, 6, 1}, qat.Default())
	var files []string
	for _, to := range targets(t) {
		var two [2]bytes.Buffer
		for i := range two {
			a, err := to.Lower(context.Background(), m)
			require.NoError(t, err)
			_, err = a.WriteTo(&two[i])
			require.NoError(t, err)
		}
		require.Equal(t, two[0].Bytes(), two[1].Bytes())
		require.Contains(t, two[0].String(), ConfigKey)
		files = append(files, two[0].String())
	}
	require.NotEqual(t, files[0], files[1])
	require.Contains(t, files[1], "QGemm")
	require.NotContains(t, files[0], "QGemm")
}

func TestCheckRefuses(t *testing.T) {
	c := qat.Default()
	c.Rule = quant.TFLite.Name
	m := converted(t, "mlp", tensor.Shape{6, 6, 1}, c)
	for _, to := range targets(t) {
		_, err := to.Lower(context.Background(), m)
		var refused *target.ViolationError
		require.ErrorAs(t, err, &refused)
		require.Contains(t, err.Error(), "converted for tflite")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := targets(t)[0].Lower(ctx, m)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFloatLayersAreReported(t *testing.T) {
	c := qat.Default()
	c.Overrides = []qat.Override{{Match: "last", Skip: true}}
	m := converted(t, "cnn", nil, c)
	found := false
	for _, v := range (Target{}).Check(m) {
		require.False(t, v.Fatal, v.String())
		found = found || v.Reason == "gemm runs in float"
	}
	require.True(t, found)
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteErrors(t *testing.T) {
	m := converted(t, "mlp", tensor.Shape{6, 6, 1}, qat.Default())
	a, err := Target{}.Lower(context.Background(), m)
	require.NoError(t, err)
	_, err = a.WriteTo(closedWriter{})
	require.ErrorIs(t, err, os.ErrClosed)
}

// peerPython names the environment variable with a Python that has
// onnxruntime and numpy.
const peerPython = "GOQAT_ORT_PYTHON"

// TestONNXRuntime runs files on ONNX Runtime.
func TestONNXRuntime(t *testing.T) {
	python := os.Getenv(peerPython)
	if python == "" {
		t.Skip("set " + peerPython + " to a Python with onnxruntime and numpy")
	}
	ctx := context.Background()
	root := t.TempDir()
	var folders []string
	for _, name := range models {
		m := converted(t, name, nil, qat.Default())
		shape := m.Graph.Inputs()[0].Shape()[1:]
		x := samples(noise{shape}, 20)
		for _, to := range targets(t) {
			a, err := to.Lower(ctx, m)
			require.NoError(t, err)
			s, err := a.Open(ctx, cpu(t), 20)
			require.NoError(t, err)
			y := run(t, s, x)
			dir := filepath.Join(root, name+"-"+to.Name())
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "model.onnx"), a.(*Artifact).file, 0o644))
			require.NoError(t, npy.WriteFile(filepath.Join(dir, "input0.npy"), channelsFirst(t, a.(*Artifact).file, x)))
			require.NoError(t, npy.WriteFile(filepath.Join(dir, "expected0.npy"), y))
			require.NoError(t, npy.WriteFile(filepath.Join(dir, "scales.npy"), tensor.FromF32([]float32{step(t, m.Graph)}, 1)))
			folders = append(folders, dir)
		}
	}
	script := filepath.Join("..", "..", "tests", "peers", "ort_check.py")
	out, err := exec.Command(python, append([]string{script}, folders...)...).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// channelsFirst returns images as the file wants them.
func channelsFirst(t testing.TB, file []byte, x *tensor.Tensor) *tensor.Tensor {
	_, info, err := onnx.Read(file, onnx.ReadOptions{})
	require.NoError(t, err)
	s := x.Shape()
	if len(s) != 4 || !info.Inputs[0].ChannelsLast {
		return x
	}
	y := tensor.New(tensor.Of(tensor.F32, s[0], s[3], s[1], s[2]))
	for n := range s[0] {
		for p := range s[1] * s[2] {
			for c := range s[3] {
				y.F32()[(n*s[3]+c)*s[1]*s[2]+p] = x.F32()[(n*s[1]*s[2]+p)*s[3]+c]
			}
		}
	}
	return y
}
