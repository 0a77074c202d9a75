// Package peers runs trained and converted models in the runtimes that their
// files are for. GOQAT_PEERS names a python with onnxruntime, ai-edge-litert
// and numpy; scripts/test-peers.sh makes one.
package peers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/npu/onnxqdq"
	_ "github.com/goqat/goqat/npu/tflite"
	"github.com/goqat/goqat/npy"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// samples is how many validation samples the runtimes compute.
const samples = 256

// peer is where a python with the runtimes is, the data set, and the float
// model that is quantized for each target.
type peer struct {
	python string
	set    *data.Splits
	b      backend.Backend
	float  *graph.Graph
	config train.Config
}

func start(t *testing.T) *peer {
	python := os.Getenv("GOQAT_PEERS")
	if python == "" {
		t.Skip("GOQAT_PEERS names no python with the runtimes: make test-peers makes one")
	}
	ctx := context.Background()
	set, err := data.Open(ctx, "digits", data.Options{Normalize: true, MaxSamples: 1500})
	require.NoError(t, err)
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), 1)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Epochs, c.Batch = 2, 50
	r, err := train.Fit(ctx, g, c, train.Options{Backend: b, Train: set.Train})
	require.NoError(t, err)
	require.NoError(t, r.State.StoreTo(ctx, g))
	c.Epochs, c.LR = 1, 0.02
	return &peer{python, set, b, g, c}
}

// converted trains the model on the integers of a config and converts it.
func (p *peer) converted(t *testing.T, c *qat.Config) *qat.Model {
	ctx := context.Background()
	prepared, err := qat.Prepare(p.float, c)
	require.NoError(t, err)
	state, err := qat.Calibrate(ctx, prepared, p.set.Train, qat.DataOptions{Backend: p.b})
	require.NoError(t, err)
	steps := int64(p.config.Epochs * (p.set.Train.Len() / p.config.Batch))
	_, err = train.Fit(ctx, prepared, p.config, train.Options{State: state, Train: p.set.Train, Phases: c.Phases(steps), EvalMode: graph.Eval})
	require.NoError(t, err)
	require.NoError(t, state.StoreTo(ctx, prepared))
	m, err := qat.Convert(ctx, prepared, c, p.b)
	require.NoError(t, err)
	return m
}

// lowered writes the artifact of a target and returns the inputs and what its
// own simulation makes of them: [samples, ...] each.
func (p *peer) lowered(t *testing.T, name string, m *qat.Model, path string) (in, out *tensor.Tensor) {
	ctx := context.Background()
	tg, err := target.Lookup(name)
	require.NoError(t, err)
	a, err := tg.Lower(ctx, m)
	require.NoError(t, err)
	f, err := os.Create(path)
	require.NoError(t, err)
	_, err = a.WriteTo(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	s, err := a.Open(ctx, p.b, samples)
	require.NoError(t, err)
	defer s.Close()
	require.Len(t, s.Inputs(), 1)
	require.Len(t, s.Outputs(), 1)
	in, out = tensor.New(s.Inputs()[0].Spec), tensor.New(s.Outputs()[0].Spec)
	n := p.set.Val.Shape().Numel()
	require.Equal(t, samples*n, in.Numel())
	for i := range samples {
		_, err := p.set.Val.Sample(i, in.F32()[i*n:(i+1)*n])
		require.NoError(t, err)
	}
	require.NoError(t, s.Run(ctx, []*tensor.Tensor{in}, []*tensor.Tensor{out}))
	return in, out
}

// check runs a script on a folder.
func (p *peer) check(t *testing.T, script string, args ...string) {
	out, err := exec.Command(p.python, append([]string{script}, args...)...).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

func save(t *testing.T, dir, name string, x *tensor.Tensor) {
	require.NoError(t, npy.WriteFile(filepath.Join(dir, name+".npy"), x))
}

// ends returns the scale and zero point of the codes of input and output.
func ends(t *testing.T, m *qat.Model) (first, last qat.Tensor) {
	outputs := m.Graph.Outputs()
	require.Len(t, outputs, 1)
	n, _ := outputs[0].Value.Producer()
	require.IsType(t, backend.DequantizeLinear{}, n.Op)
	for _, q := range m.Tensors() {
		if p, _ := q.Value.Producer(); p != nil && len(p.In) > 0 && p.In[0].Kind() == graph.Input {
			first = q
		}
		if q.Value == n.In[0] {
			last = q
		}
	}
	require.NotEmpty(t, first.Scale)
	require.NotEmpty(t, last.Scale)
	return first, last
}

// TestONNXRuntime runs both forms of ONNX files in ONNX Runtime. A result may
// be one code off where the runtime fuses a pool or an activation into
// arithmetic of its own.
func TestONNXRuntime(t *testing.T) {
	p := start(t)
	for _, name := range []string{"onnx-qdq", "onnx-qoperator"} {
		t.Run(name, func(t *testing.T) {
			tg, err := target.Lookup(name)
			require.NoError(t, err)
			m := p.converted(t, tg.Config())
			dir := t.TempDir()
			in, out := p.lowered(t, name, m, filepath.Join(dir, "model.onnx"))
			// Images of one channel: the bytes are the same channels first.
			s := in.Shape()
			require.Equal(t, 1, s.Last())
			in, err = in.Reshape(s[0], 1, s[1], s[2])
			require.NoError(t, err)
			save(t, dir, "input0", in)
			save(t, dir, "expected0", out)
			_, last := ends(t, m)
			save(t, dir, "scales", tensor.FromF32(last.Scale, 1))
			p.check(t, "ort_check.py", "--tolerance", "1", "--fraction", "0.002", dir)
		})
	}
}

// TestLiteRT runs the TFLite file in LiteRT's reference kernels, whose codes
// must be the same, all of them.
func TestLiteRT(t *testing.T) {
	p := start(t)
	tg, err := target.Lookup("tflite")
	require.NoError(t, err)
	m := p.converted(t, tg.Config())
	dir := t.TempDir()
	in, out := p.lowered(t, "tflite", m, filepath.Join(dir, "model.tflite"))
	first, last := ends(t, m)
	save(t, dir, "input", codes(t, m.Rule, first, in))
	save(t, dir, "expected", codes(t, m.Rule, last, out))
	p.check(t, "litert_check.py", dir)
}

// codes returns the int8 codes of x. For values that are codes already it
// gives these back.
func codes(t *testing.T, r quant.Rule, q qat.Tensor, x *tensor.Tensor) *tensor.Tensor {
	c := tensor.New(tensor.Of(tensor.I8, x.Shape()...))
	l, err := q.Scheme.Layout(x.Shape())
	require.NoError(t, err)
	lo, hi := q.Scheme.Range()
	require.Zero(t, quant.QuantizeCodes(r, c.I8(), nil, x.F32(), q.Scale, q.Zero, lo, hi, l, 0, x.Numel()))
	return c
}
