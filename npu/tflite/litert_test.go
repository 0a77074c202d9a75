package tflite

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"

	"github.com/stretchr/testify/require"
)

// peerPython names the environment variable with a Python that has
// ai-edge-litert, numpy and tflite-micro.
const peerPython = "GOQAT_LITERT_PYTHON"

// TestLiteRT runs files on LiteRT's reference kernels and TFLite Micro, whose
// codes must be the model's.
func TestLiteRT(t *testing.T) {
	python := os.Getenv(peerPython)
	if python == "" {
		t.Skip("set " + peerPython + " to a Python with ai-edge-litert, tflite-micro and numpy")
	}
	root := t.TempDir()
	var folders []string
	for _, c := range cases {
		for seed := range uint64(4) {
			n := newNet(100 + seed)
			c.build(n)
			dir := filepath.Join(root, c.name+"-"+strconv.FormatUint(seed, 10))
			writePeerCase(t, dir, Target{}, n.model(t), 8)
			folders = append(folders, dir)
		}
	}
	runPeer(t, python, "both", folders...)
}

// runPeer compares the folders with a runtime: litert, tflm or both.
func runPeer(t *testing.T, python, which string, folders ...string) {
	t.Helper()
	script := filepath.Join("..", "..", "tests", "peers", "litert_check.py")
	out, err := exec.Command(python, append([]string{script, "--runtime", which}, folders...)...).CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err)
}

// writePeerCase writes the file of a model, random input codes and the codes
// that the model gives.
func writePeerCase(t *testing.T, dir string, to Target, m *qat.Model, samples int) {
	t.Helper()
	made, err := to.Lower(context.Background(), m)
	require.NoError(t, err)
	a := made.(*Artifact)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.tflite"), a.file, 0o644))
	ins, outs := ports(t, m.Graph)
	r := rand.New(rand.NewPCG(uint64(len(a.file)), 3))
	stack := func(p port) *tensor.Tensor {
		return tensor.New(tensor.Spec{DType: tensor.I8, Shape: append(tensor.Shape{samples}, p.shape...)})
	}
	var inputs, expected []*tensor.Tensor
	for _, p := range ins {
		inputs = append(inputs, stack(p))
	}
	for _, p := range outs {
		expected = append(expected, stack(p))
	}
	for row := range samples {
		var reals []*tensor.Tensor
		for i, p := range ins {
			x, c := randomCodes(r, p)
			reals = append(reals, x)
			copy(inputs[i].I8()[row*c.Numel():], c.I8())
		}
		for i, c := range runGraph(t, m.Graph, reals) {
			copy(expected[i].I8()[row*c.Numel():], c.I8())
		}
	}
	save := func(name string, x *tensor.Tensor) {
		f, err := os.Create(filepath.Join(dir, name+".npy"))
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, npy.Write(f, x))
	}
	for i, x := range inputs {
		save("input"+strconv.Itoa(i), x)
	}
	for i, x := range expected {
		save("expected"+strconv.Itoa(i), x)
	}
}

// tableFile is a file with one operator on all 256 codes, and what it must
// give.
func tableFile(code int, x, y params, alpha float32) ([]byte, codeTable) {
	var m model
	side := func(name string, p params) int {
		m.tensors = append(m.tensors, tensorInfo{name: name, dtype: typeInt8, shape: []int{1, 256}, scale: []float32{p.scale}, zero: []int64{int64(p.zero)}})
		return len(m.tensors) - 1
	}
	in, out := side("x", x), side("y", y)
	o := operator{code: code, version: operatorDefs[code].version, in: []int{in}, out: []int{out}}
	o.alpha = alpha
	m.operators, m.inputs, m.outputs = []operator{o}, []int{in}, []int{out}
	var t codeTable
	switch code {
	case opLogistic:
		t = logisticTable(x)
	case opTanh:
		t = tanhTable(x)
	case opHardSwish:
		t = hardSwishTable(x, y)
	case opLeakyRelu:
		t = leakyReluTable(x, y, alpha)
	case opRelu:
		lo, hi := activationCodes(actRelu, y.scale, y.zero)
		t = clampTable(x, y, lo, hi)
	case opRelu6:
		lo, hi := activationCodes(actRelu6, y.scale, y.zero)
		t = clampTable(x, y, lo, hi)
	}
	return encode(&m), t
}

func TestLiteRTTables(t *testing.T) {
	python := os.Getenv(peerPython)
	if python == "" {
		t.Skip("set " + peerPython + " to a Python with ai-edge-litert, tflite-micro and numpy")
	}
	root := t.TempDir()
	var folders []string
	for code, name := range map[int]string{opLogistic: "logistic", opTanh: "tanh", opHardSwish: "hard_swish", opLeakyRelu: "leaky_relu", opRelu: "relu", opRelu6: "relu6"} {
		for seed := range uint64(8) {
			n := newNet(seed)
			x, y := params{n.between(0.01 * float64(1+seed)), n.zero()}, params{n.between(0.02), n.zero()}
			switch code {
			case opLogistic:
				y = params{1.0 / 256, -128}
			case opTanh:
				y = params{1.0 / 128, 0}
			case opRelu6:
				y = x // TFLite Micro's only clamps.
			}
			file, table := tableFile(code, x, y, n.between(0.05))
			dir := filepath.Join(root, name+"-"+strconv.FormatUint(seed, 10))
			require.NoError(t, os.MkdirAll(dir, 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "model.tflite"), file, 0o644))
			in := make([]int8, 256)
			out := make([]int8, 256)
			for i := range in {
				in[i], out[i] = int8(i), table[i]
			}
			require.NoError(t, npy.WriteFile(filepath.Join(dir, "input.npy"), tensor.FromI8(in, 1, 1, 256)))
			require.NoError(t, npy.WriteFile(filepath.Join(dir, "expected.npy"), tensor.FromI8(out, 1, 1, 256)))
			folders = append(folders, dir)
		}
	}
	runPeer(t, python, "both", folders...)
}

// FULLY_CONNECTED gives the model's codes on TFLite Micro.
func TestMicroFullyConnected(t *testing.T) {
	python := os.Getenv(peerPython)
	if python == "" {
		t.Skip("set " + peerPython + " to a Python with ai-edge-litert, tflite-micro and numpy")
	}
	root := t.TempDir()
	var folders []string
	for seed := range uint64(6) {
		n := newNet(300 + seed)
		n.output("y", n.gemm(n.gemm(n.input("x", 16, 37), 0, inf, 20), -inf, inf, 10))
		dir := filepath.Join(root, "gemm-"+strconv.FormatUint(seed, 10))
		writePeerCase(t, dir, Target{FullyConnected: true}, n.model(t), 20)
		folders = append(folders, dir)
	}
	runPeer(t, python, "tflm", folders...)
}
