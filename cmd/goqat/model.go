package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/durable"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/train"
)

// Files in the folder of a training.
const (
	fileFloat  = "model.onnx"           // The float model.
	fileQDQ    = "model.qdq.onnx"       // The converted model.
	fileConfig = "quantization.json"    // What it was prepared with.
	fileValues = "prepared.safetensors" // Params, scales and ranges of the prepared model.
)

// loadFloat reads a float model from an ONNX file or the folder of a
// training.
func loadFloat(path string) (*graph.Graph, error) {
	st, err := os.Stat(path)
	if err != nil {
		if _, ok := modelNamed(path); ok {
			return nil, usagef("--model %s is an architecture: train it first, then give its folder or file", path)
		}
		return nil, fmt.Errorf("--model: %w", err)
	}
	if st.IsDir() {
		path = filepath.Join(path, fileFloat)
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("--model: the folder has no %s: %w", fileFloat, err)
		}
	}
	g, _, err := onnx.ReadFile(path, onnx.ReadOptions{})
	if err != nil {
		return nil, err
	}
	return canonical(g)
}

func modelNamed(name string) (nn.Model, bool) {
	for _, m := range nn.Models() {
		if m.Name == name {
			return m, true
		}
	}
	return nn.Model{}, false
}

// canonical gives a model with one input and one output the names that
// training uses.
func canonical(g *graph.Graph) (*graph.Graph, error) {
	if len(g.Inputs()) != 1 || len(g.Outputs()) != 1 {
		return nil, fmt.Errorf("the model has %d inputs and %d outputs: training takes models with one of each", len(g.Inputs()), len(g.Outputs()))
	}
	return graph.Rename(g, map[string]string{g.Inputs()[0].Name(): train.InputName, g.Outputs()[0].Name: train.OutputName})
}

// loadPrepared reads the prepared model of a quantization-aware training or
// of post-training quantization, or a QDQ file, with its values stored in
// the graph.
func loadPrepared(ctx context.Context, path string, b backend.Backend) (*graph.Graph, *qat.Config, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("--model: %w", err)
	}
	if !st.IsDir() {
		g, _, err := onnx.ReadFile(path, onnx.ReadOptions{})
		if err != nil {
			return nil, nil, err
		}
		return qat.FromQDQ(ctx, g, b)
	}
	f, err := os.Open(filepath.Join(path, fileConfig))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s has no %s: it is a float model: run goqat ptq or goqat qat on it first", path, fileConfig)
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	c, err := qat.ReadConfig(f)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	g, err := loadFloat(path)
	if err != nil {
		return nil, nil, err
	}
	p, err := qat.Prepare(g, c)
	if err != nil {
		return nil, nil, err
	}
	values, err := safetensors.ReadFile(filepath.Join(path, fileValues))
	if err != nil {
		return nil, nil, err
	}
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range p.Values(k) {
			t := values.Tensors[v.Name()]
			if t == nil {
				return nil, nil, fmt.Errorf("%s has no tensor %s: the folder was not written whole, or by another version", fileValues, v.Name())
			}
			if err := v.SetInit(t); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", fileValues, err)
			}
		}
	}
	return p, c, nil
}

// savePrepared writes the folder that loadPrepared reads, and the converted
// model as a QDQ file.
func savePrepared(ctx context.Context, dir string, float, prepared *graph.Graph, state *program.State, c *qat.Config) (*qat.Model, error) {
	if err := state.StoreTo(ctx, prepared); err != nil {
		return nil, err
	}
	m, err := qat.Convert(ctx, prepared, c, state.Backend())
	if err != nil {
		return nil, err
	}
	if err := storeParams(float, prepared); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var named []safetensors.Named
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range prepared.Values(k) {
			named = append(named, safetensors.Named{Name: v.Name(), Tensor: v.Init()})
		}
	}
	err = onnx.WriteFile(filepath.Join(dir, fileFloat), float, onnx.WriteOptions{})
	if err == nil {
		err = durable.WriteOS(filepath.Join(dir, fileConfig), c.Write)
	}
	if err == nil {
		err = safetensors.WriteFile(ctx, filepath.Join(dir, fileValues), named, nil)
	}
	if err == nil {
		err = onnx.WriteFile(filepath.Join(dir, fileQDQ), m.Graph, onnx.WriteOptions{})
	}
	return m, err
}

// storeParams copies the values that float and prepared have in common.
func storeParams(float, prepared *graph.Graph) error {
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range float.Values(k) {
			w, ok := prepared.Lookup(v.Name())
			if !ok || w.Init() == nil {
				continue
			}
			if err := v.SetInit(w.Init()); err != nil {
				return err
			}
		}
	}
	return nil
}

// openData opens a data set with the customary normalization.
func (a *app) openData(ctx context.Context, spec string, seed uint64, limit int) (*data.Splits, error) {
	s, err := data.Open(ctx, spec, data.Options{Seed: seed, Normalize: true, MaxSamples: limit, Progress: func(s string) { a.note("%s", s) }})
	if errors.Is(err, data.ErrSpec) {
		return nil, &usageError{err}
	}
	return s, err
}

// isONNX reports whether a path names an ONNX file.
func isONNX(path string) bool { return strings.EqualFold(filepath.Ext(path), ".onnx") }
