package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

func Example_readme() {
	ctx := context.Background()
	set, _ := data.Open(ctx, "digits", data.Options{Normalize: true, MaxSamples: 1000})
	cpu, _ := backend.Open("cpu")
	model, _ := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), 1)

	config := qat.Default()                   // uint8 activations, int8 weights per channel
	prepared, _ := qat.Prepare(model, config) // a quantizer on every tensor that the deployed model holds as codes
	state, _ := qat.Calibrate(ctx, prepared, set.Train, qat.DataOptions{Backend: cpu})

	c := train.DefaultConfig()
	c.Epochs, c.Batch = 2, 50
	phases := config.Phases(int64(c.Epochs * set.Train.Len() / c.Batch))
	options := train.Options{State: state, Train: set.Train, Val: set.Val, Phases: phases, EvalMode: graph.Eval}
	trained, _ := train.Fit(ctx, prepared, c, options) // steps on integers
	_ = state.StoreTo(ctx, prepared)

	converted, _ := qat.Convert(ctx, prepared, config, cpu) // reads the trained scales, computes nothing anew
	m, _ := train.Evaluate(ctx, converted.Graph, set.Val, train.EvalOptions{Backend: cpu, Mode: graph.Eval})
	fmt.Println("lost by conversion:", trained.History[1].Accuracy-m.Accuracy)
	// Output: lost by conversion: 0
}

// how says what the test does with a line of the README.
type how struct {
	// more are arguments that make the line quick; it runs in a folder that
	// all lines share, in order.
	more []string
	// check tests what the line says where it cannot be run.
	check func(t *testing.T, line string)
	// makes are files that the line leaves behind.
	makes []string
}

// quick is a training of seconds.
var quick = []string{"--epochs", "1", "--samples", "300", "--batch", "50"}

// readme has every shell line of the README, in order.
var readme = []struct {
	line string
	how
}{
	{"go run ./cmd/goqat demo", how{more: []string{"--quick"}, makes: []string{"goqat-demo/report.html", "goqat-demo/report.json"}}},
	{"make test", how{check: makes}},
	{"go install ./cmd/goqat", how{check: installs}},
	{"goqat train --model cnn --data digits --out run", how{more: quick, makes: []string{"run/model.onnx", "run/metrics.jsonl"}}},
	{"goqat ptq --model run --data digits --target tflite --out ptq", how{more: []string{"--samples", "300"}, makes: []string{"ptq/model.qdq.onnx"}}},
	{"goqat qat --model run --data digits --target tflite --out qat", how{more: quick, makes: []string{"qat/model.qdq.onnx"}}},
	{"goqat convert --model qat --target tflite --out model.tflite", how{makes: []string{"model.tflite"}}},
	{"goqat eval --model model.tflite --data digits", how{more: []string{"--samples", "300"}}},
	{"goqat bench --model run/model.onnx --model qat --targets tflite,tensorcore-cpu --data digits --html bench.html", how{more: []string{"--time", "50ms", "--samples", "300"}, makes: []string{"bench.html"}}},
	{"goqat inspect qat --data digits", how{}},
	{"goqat targets", how{}},
	{"goqat doctor", how{}},
	{"goqat help qat", how{}},
}

// TestReadme runs every shell line of the README.
func TestReadme(t *testing.T) {
	var lines []string
	for _, b := range blocks(t, "README.md", "sh") {
		for _, l := range strings.Split(strings.TrimSpace(b.text), "\n") {
			if l, _, _ = strings.Cut(l, " #"); strings.TrimSpace(l) != "" {
				lines = append(lines, strings.TrimSpace(l))
			}
		}
	}
	var tested []string
	for _, r := range readme {
		tested = append(tested, r.line)
	}
	require.Equal(t, tested, lines, "the lines of README.md and those of this test")
	if testing.Short() {
		t.Skip("runs trainings")
	}
	dir := t.TempDir()
	goqat := filepath.Join(dir, "goqat")
	if runtime.GOOS == "windows" {
		goqat += ".exe"
	}
	out, err := exec.Command("go", "build", "-o", goqat, "../cmd/goqat").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, r := range readme {
		if r.check != nil {
			r.check(t, r.line)
			continue
		}
		args := strings.Fields(strings.TrimPrefix(strings.Replace(r.line, "go run ./cmd/goqat", "goqat", 1), "goqat "))
		c := exec.Command(goqat, append(args, r.more...)...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "%s\n%s", r.line, out)
		for _, f := range r.makes {
			assert.FileExists(t, filepath.Join(dir, filepath.FromSlash(f)), r.line)
		}
	}
}

// installs runs the line at the root of the module, for a folder of its own.
func installs(t *testing.T, line string) {
	dir := t.TempDir()
	c := exec.Command("go", strings.Fields(line)[1:]...)
	c.Dir, c.Env = root, append(os.Environ(), "GOBIN="+dir)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "%s", out)
	made, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, made, 1)
	require.Equal(t, "goqat", strings.TrimSuffix(made[0].Name(), ".exe"))
}

// makes checks that the Makefile has the target.
func makes(t *testing.T, line string) {
	require.Contains(t, makeTargets(t), strings.TrimPrefix(line, "make "), line)
}

func makeTargets(t *testing.T) []string {
	b, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`).FindAllStringSubmatch(string(b), -1) {
		names = append(names, m[1])
	}
	return names
}
