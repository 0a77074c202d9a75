// Fashion measures the accuracy of float training, post-training quantization
// and quantization-aware training on Fashion-MNIST, by the recipe that
// docs/benchmarks.md compares with PyTorch: the cnn of the zoo, 6 float epochs
// at 0.2, then 3 epochs at 0.02, SGD with momentum, one-cycle rates.
//
//	go run ./tests/fashion -data FOLDER -seeds 1,2,3
//	go run ./tests/fashion -data FOLDER -seeds 1,2,3 -backward fp32,bf16x2,bf16
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/train"
)

// result is one line of the output.
type result struct {
	Seed      uint64  `json:"seed"`
	What      string  `json:"what"`
	Accuracy  float64 `json:"accuracy"`
	Converted float64 `json:"converted,omitempty"`
	Seconds   float64 `json:"seconds"`
}

// cache is where float models are kept, empty for nowhere.
var cache string

func main() {
	dir := flag.String("data", "", "folder with Fashion-MNIST")
	seeds := flag.String("seeds", "1,2,3", "seeds")
	widths := flag.String("bits", "8:8,4:8,4:4,2:4", "weights:activations, ...")
	lr := flag.Float64("lr", 0.02, "learning rate of quantization-aware training")
	flag.StringVar(&cache, "cache", "", "folder that keeps the float models between runs")
	config := flag.String("config", "", "JSON file with a quantization config instead of -bits")
	precisions := flag.String("backward", "", "precisions of the backward pass to compare from the first step on, fp32,bf16x2,bf16, and nothing else")
	epochs := flag.Int("epochs", 2, "epochs of each precision")
	flag.Parse()
	if *precisions != "" {
		if err := compare(context.Background(), *dir, *seeds, *precisions, *epochs); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := run(context.Background(), *dir, *seeds, *widths, *config, *lr); err != nil {
		log.Fatal(err)
	}
}

func compare(ctx context.Context, dir, seeds, precisions string, epochs int) error {
	set, b, err := open(ctx, dir)
	if err != nil {
		return err
	}
	for _, s := range strings.Split(seeds, ",") {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return err
		}
		if err := backwards(ctx, set, b, seed, precisions, epochs); err != nil {
			return err
		}
	}
	return nil
}

func open(ctx context.Context, dir string) (*data.Splits, backend.Backend, error) {
	set, err := data.Open(ctx, "fashion-mnist:"+dir, data.Options{Normalize: true})
	if err != nil {
		return nil, nil, err
	}
	b, err := backend.Open("cpu")
	return set, b, err
}

func run(ctx context.Context, dir, seeds, widths, config string, lr float64) error {
	set, b, err := open(ctx, dir)
	if err != nil {
		return err
	}
	for _, s := range strings.Split(seeds, ",") {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return err
		}
		g, err := float(ctx, set, b, seed)
		if err != nil {
			return err
		}
		configs, err := readConfigs(widths, config)
		if err != nil {
			return err
		}
		for name, c := range configs {
			if err := quantized(ctx, g, set, b, seed, widthNames(widths, config)[name], c, lr); err != nil {
				return err
			}
		}
	}
	return nil
}

func widthNames(widths, config string) []string {
	if config != "" {
		return []string{config}
	}
	return strings.Split(widths, ",")
}

func readConfigs(widths, config string) ([]*qat.Config, error) {
	if config != "" {
		f, err := os.Open(config)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		c, err := qat.ReadConfig(f)
		return []*qat.Config{c}, err
	}
	var cs []*qat.Config
	for _, w := range strings.Split(widths, ",") {
		var x, y int
		if _, err := fmt.Sscanf(w, "%d:%d", &x, &y); err != nil {
			return nil, fmt.Errorf("-bits %q: %w", w, err)
		}
		cs = append(cs, qat.Bits(x, y))
	}
	return cs, nil
}

func float(ctx context.Context, set *data.Splits, b backend.Backend, seed uint64) (*graph.Graph, error) {
	g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), seed)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(cache, fmt.Sprintf("float%d.safetensors", seed))
	if cache != "" {
		if f, err := safetensors.ReadFile(path); err == nil {
			return g, restore(g, f)
		}
	}
	c := train.DefaultConfig()
	c.Seed = seed
	start := time.Now()
	res, err := train.Fit(ctx, g, c, train.Options{Backend: b, Train: set.Train})
	if err != nil {
		return nil, err
	}
	took := time.Since(start)
	if err := res.State.StoreTo(ctx, g); err != nil {
		return nil, err
	}
	m, err := train.Evaluate(ctx, g, set.Val, train.EvalOptions{Backend: b, Mode: graph.EvalFloat})
	if err != nil {
		return nil, err
	}
	if cache != "" {
		if err := safetensors.WriteFile(ctx, path, stored(g), nil); err != nil {
			return nil, err
		}
	}
	return g, show(result{seed, "float", m.Accuracy, 0, took.Seconds()})
}

// stored returns the params and states of g.
func stored(g *graph.Graph) []safetensors.Named {
	var n []safetensors.Named
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range g.Values(k) {
			n = append(n, safetensors.Named{Name: v.Name(), Tensor: v.Init()})
		}
	}
	return n
}

func restore(g *graph.Graph, f *safetensors.File) error {
	for _, n := range stored(g) {
		v, _ := g.Lookup(n.Name)
		t := f.Tensors[n.Name]
		if t == nil {
			return fmt.Errorf("the cache has no %s", n.Name)
		}
		if err := v.SetInit(t); err != nil {
			return err
		}
	}
	return nil
}

func quantized(ctx context.Context, g *graph.Graph, set *data.Splits, b backend.Backend, seed uint64, name string, qc *qat.Config, lr float64) error {
	p, err := qat.Prepare(g, qc)
	if err != nil {
		return err
	}
	start := time.Now()
	state, err := qat.Calibrate(ctx, p, set.Train, qat.DataOptions{Backend: b, Samples: 2048})
	if err != nil {
		return err
	}
	m, err := train.Evaluate(ctx, p, set.Val, train.EvalOptions{State: state, Mode: graph.Eval})
	if err != nil {
		return err
	}
	if err := show(result{seed, "ptq " + name, m.Accuracy, 0, time.Since(start).Seconds()}); err != nil {
		return err
	}
	c := train.DefaultConfig()
	c.Seed, c.Epochs, c.LR = seed, 3, lr
	steps := int64(c.Epochs * (set.Train.Len() / c.Batch))
	start = time.Now()
	if _, err := train.Fit(ctx, p, c, train.Options{State: state, Train: set.Train, Phases: qc.Phases(steps), EvalMode: graph.Eval}); err != nil {
		return err
	}
	took := time.Since(start)
	if m, err = train.Evaluate(ctx, p, set.Val, train.EvalOptions{State: state, Mode: graph.Eval}); err != nil {
		return err
	}
	if err := state.StoreTo(ctx, p); err != nil {
		return err
	}
	conv, err := qat.Convert(ctx, p, qc, b)
	if err != nil {
		return err
	}
	n, err := train.Evaluate(ctx, conv.Graph, set.Val, train.EvalOptions{Backend: b, Mode: graph.Eval})
	if err != nil {
		return err
	}
	return show(result{seed, "qat " + name, m.Accuracy, n.Accuracy, took.Seconds()})
}

// out is where results go, a line each.
var out io.Writer = os.Stdout

func show(r result) error { return json.NewEncoder(out).Encode(r) }
