package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/durable"
	"github.com/goqat/goqat/npu/tflite"
	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/tensorcore"
	"github.com/goqat/goqat/train"
)

// artifactExt is the ending of files of tensorcore.
const artifactExt = ".goqat"

// maxModelFile bounds what is read into memory as a model.
const maxModelFile = 4 << 30

// loadRunnable reads any model file that can be run, by its ending: ONNX,
// TFLite, or an artifact of tensorcore. keep leaves the inputs of ONNX files
// in the layout they declare.
func loadRunnable(path string, keep bool) (*graph.Graph, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("--model: %w", err)
	}
	if st.IsDir() {
		for _, f := range []string{fileQDQ, fileFloat} {
			if _, err := os.Stat(filepath.Join(path, f)); err == nil {
				return loadRunnable(filepath.Join(path, f), keep)
			}
		}
		return nil, fmt.Errorf("--model: %s has neither %s nor %s", path, fileQDQ, fileFloat)
	}
	if st.Size() > maxModelFile {
		return nil, fmt.Errorf("--model: %s is over %d bytes", path, int64(maxModelFile))
	}
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".onnx":
		g, _, err := onnx.ReadFile(path, onnx.ReadOptions{KeepInputLayout: keep})
		return g, err
	case ".tflite":
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		g, err := tflite.Read(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return g, nil
	case artifactExt:
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		art, err := tensorcore.Load(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return art.Model().Graph, nil
	default:
		return nil, fmt.Errorf("--model: %s: unknown kind of file %q: want .onnx, .tflite or %s", path, ext, artifactExt)
	}
}

func newRun(a *app) *cobra.Command {
	var model, out string
	var inputs []string
	c := &cobra.Command{
		Use:   "run --model FILE --input NAME=a.npy ... --out DIR",
		Short: "Runs a model on arrays",
		Long: `Runs an ONNX model (float, QDQ or QOperator), a TFLite model or an artifact on
.npy arrays and writes DIR/NAME.npy for every output. The arrays have the
shapes that the file declares.`,
		Example: `  goqat run --model model.onnx --input input=x.npy --out result`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "model", "out"); err != nil {
				return err
			}
			return a.run(c.Context(), model, inputs, out)
		},
	}
	p := c.Flags()
	p.StringVar(&model, "model", "", "model file")
	p.StringArrayVar(&inputs, "input", nil, "NAME=FILE.npy, once for each input")
	p.StringVar(&out, "out", "", "folder for the outputs")
	return c
}

// runResult is the JSON of run.
type runResult struct {
	Outputs []runOutput `json:"outputs"`
}

type runOutput struct {
	Name string `json:"name"`
	Type string `json:"type"`
	File string `json:"file"`
}

func (a *app) run(ctx context.Context, model string, inputs []string, out string) error {
	g, err := loadRunnable(model, true)
	if err != nil {
		return err
	}
	arrays, err := readInputs(g, inputs)
	if err != nil {
		return err
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	p, err := compileFor(ctx, g, arrays, b)
	if err != nil {
		return err
	}
	if err := p.Run(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var r runResult
	for _, o := range g.Outputs() {
		t, err := p.OutputTensor(ctx, o.Name)
		if err != nil {
			return err
		}
		path := filepath.Join(out, fileName(o.Name)+".npy")
		if err := durable.WriteOS(path, func(w io.Writer) error { return npy.Write(w, t) }); err != nil {
			return err
		}
		r.Outputs = append(r.Outputs, runOutput{o.Name, t.Spec().String(), path})
	}
	return a.print(r, func(w io.Writer) {
		for _, o := range r.Outputs {
			fmt.Fprintf(w, "%s %s -> %s\n", o.Name, o.Type, o.File)
		}
	})
}

// fileName makes a tensor's name fit for a file.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, s)
}

// readInputs reads the arrays for the inputs of g.
func readInputs(g *graph.Graph, inputs []string) (map[string]*tensor.Tensor, error) {
	m := map[string]*tensor.Tensor{}
	var names []string
	for _, v := range g.Inputs() {
		names = append(names, v.Name())
	}
	for _, in := range inputs {
		name, file, ok := strings.Cut(in, "=")
		if !ok && len(names) == 1 {
			name, file = names[0], in
		} else if !ok {
			return nil, usagef("--input %q: want NAME=FILE.npy", in)
		}
		v, ok := g.Lookup(name)
		if !ok || v.Kind() != graph.Input {
			return nil, usagef("--input: the model has no input %q: it has %s", name, strings.Join(names, ", "))
		}
		t, err := readNpy(file)
		if err != nil {
			return nil, err
		}
		if t.DType() != v.DType() {
			return nil, fmt.Errorf("--input %s: the array is %v, the model takes %v", name, t.Spec(), v.Spec())
		}
		m[name] = t
	}
	for _, n := range names {
		if m[n] == nil {
			return nil, usagef("--input: no array for %q: give --input %s=FILE.npy", n, n)
		}
	}
	return m, nil
}

func readNpy(path string) (*tensor.Tensor, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := npy.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// compileFor compiles g for the batch of the arrays and sets its inputs.
func compileFor(ctx context.Context, g *graph.Graph, arrays map[string]*tensor.Tensor, b backend.Backend) (*program.Program, error) {
	batch := 0
	for _, v := range g.Inputs() {
		t := arrays[v.Name()]
		if len(v.Shape()) != len(t.Shape()) {
			return nil, fmt.Errorf("--input %s: the array is %v, the model takes %v", v.Name(), t.Spec(), v.Spec())
		}
		if len(t.Shape()) > 0 && t.Shape()[0] != v.Shape()[0] {
			batch = t.Shape()[0]
		}
	}
	p, err := program.Compile(ctx, g, program.Options{Backend: b, Mode: graph.Eval, Batch: batch})
	if err != nil {
		return nil, err
	}
	for name, t := range arrays {
		if err := p.SetInput(ctx, name, t); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newEval(a *app) *cobra.Command {
	var model, spec string
	var limit, batch int
	c := &cobra.Command{
		Use:     "eval --model FILE --data DATASET",
		Short:   "Accuracy, loss, and figures for each class",
		Example: `  goqat eval --model qat/model.qdq.onnx --data digits`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "model"); err != nil {
				return err
			}
			return a.eval(c.Context(), model, spec, limit, batch)
		},
	}
	p := c.Flags()
	p.StringVar(&model, "model", "", "ONNX file, TFLite file, artifact, or folder of a training")
	p.StringVar(&spec, "data", "digits", "DATASET")
	p.IntVar(&limit, "samples", 0, "use at most so many samples, 0 for all")
	p.IntVar(&batch, "batch", 256, "samples at a time")
	return c
}

func (a *app) eval(ctx context.Context, model, spec string, limit, batch int) error {
	if batch < 1 {
		return usagef("--batch %d: want at least 1", batch)
	}
	set, err := a.openData(ctx, spec, 1, limit)
	if err != nil {
		return err
	}
	g, err := loadRunnable(model, false)
	if err != nil {
		return err
	}
	if g, err = canonical(g); err != nil {
		return err
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	o := train.EvalOptions{Backend: b, Mode: graph.Eval, Batch: batch}
	if set.Val.Classes() == 0 {
		o.Loss = "reconstruction"
	}
	m, err := train.Evaluate(ctx, g, set.Val, o)
	if err != nil {
		return err
	}
	if m.Samples == 0 {
		return errors.Join(errNoResult, fmt.Errorf("the data has no validation samples"))
	}
	return a.print(m, func(w io.Writer) {
		fmt.Fprintf(w, "%d samples, accuracy %.2f %%, loss %.4f\n", m.Samples, 100*m.Accuracy, m.Loss)
		for _, c := range m.PerClass {
			fmt.Fprintf(w, "  %-16s %6.2f %% of %d\n", c.Name, 100*c.Recall, c.Samples)
		}
	})
}
