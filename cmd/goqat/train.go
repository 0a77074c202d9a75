package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// trainFlags are the flags that describe a training.
type trainFlags struct {
	model, data, out, optimizer, schedule, loss, config  string
	epochs, batch, samples, patience, saveEvery, devices int
	lr, decay, momentum, clip, ema, smooth               float64
	seed                                                 uint64
	resume, augment                                      bool
}

func (f *trainFlags) add(c *cobra.Command, d train.Config) {
	p := c.Flags()
	p.StringVar(&f.data, "data", "digits", "DATASET")
	p.StringVar(&f.out, "out", "", "folder for the results")
	p.IntVar(&f.epochs, "epochs", d.Epochs, "passes over the data")
	p.IntVar(&f.batch, "batch", d.Batch, "samples a step")
	p.Float64Var(&f.lr, "lr", d.LR, "learning rate")
	p.StringVar(&f.optimizer, "optimizer", d.Optimizer.Name, "sgd, adam or adamw")
	p.StringVar(&f.schedule, "schedule", d.Schedule.Name, "constant, step, cosine or onecycle")
	p.Float64Var(&f.momentum, "momentum", d.Optimizer.Momentum, "momentum of sgd")
	p.Float64Var(&f.decay, "weight-decay", d.Optimizer.WeightDecay, "weight decay")
	p.Float64Var(&f.clip, "clip-norm", 0, "bound of the gradients' norm, 0 for none")
	p.Float64Var(&f.ema, "ema", 0, "decay of averaged weights, 0 for none")
	p.Float64Var(&f.smooth, "label-smoothing", 0, "label smoothing")
	p.IntVar(&f.patience, "patience", 0, "stop after so many epochs without progress, 0 for never")
	p.IntVar(&f.saveEvery, "save-every", 0, "steps between checkpoints, 0 for one an epoch")
	p.IntVar(&f.devices, "devices", 1, "devices that share each batch: those of --backend from the first on")
	p.IntVar(&f.samples, "samples", 0, "use at most so many samples, 0 for all")
	p.Uint64Var(&f.seed, "seed", 1, "seed of weights, order and augmentation")
	p.StringVar(&f.loss, "loss", "", "cross_entropy or reconstruction; chosen by the data when empty")
	p.BoolVar(&f.augment, "augment", false, "shift and flip images at random")
	p.BoolVar(&f.resume, "resume", false, "go on from the newest checkpoint in --out")
	p.StringVar(&f.config, "train-config", "", "JSON file with the whole training config instead of these flags")
}

// read returns the training config that the flags describe.
func (f *trainFlags) read(d data.Dataset) (train.Config, error) {
	if f.config != "" {
		file, err := os.Open(f.config)
		if err != nil {
			return train.Config{}, err
		}
		defer file.Close()
		c, err := train.ReadConfig(file)
		if err == nil && f.devices != 1 {
			c.Ranks = f.devices
			err = c.Validate()
		}
		return c, err
	}
	c := train.Config{Epochs: f.epochs, Batch: f.batch, LR: f.lr, Seed: f.seed, ClipNorm: f.clip, EMA: f.ema, LabelSmoothing: f.smooth,
		Patience: f.patience, SaveEvery: f.saveEvery, Loss: f.loss, Schedule: train.Schedule{Name: f.schedule},
		Optimizer: train.Optimizer{Name: f.optimizer, WeightDecay: f.decay}}
	if f.optimizer == "sgd" {
		c.Optimizer.Momentum = f.momentum
		c.Schedule.CycleMomentum = f.schedule == "onecycle" && f.momentum >= 0.05 && f.momentum <= 0.95
	}
	if c.Loss == "" && d.Classes() == 0 {
		c.Loss = "reconstruction"
	}
	if f.devices != 1 {
		c.Ranks = f.devices
	}
	if err := c.Validate(); err != nil {
		return c, &usageError{err}
	}
	return c, nil
}

// augments returns the augmentation of images.
func (f *trainFlags) augments(s tensor.Shape) []data.Augment {
	if !f.augment || len(s) != 3 {
		return nil
	}
	a := []data.Augment{data.Shift{Max: max(s[0]/14, 1)}}
	if s[2] == 3 {
		a = append(a, data.FlipH{})
	}
	return a
}

func newTrain(a *app) *cobra.Command {
	var f trainFlags
	c := &cobra.Command{
		Use:   "train --model ARCH|F.onnx --data DATASET --out DIR",
		Short: "Float training",
		Long: `Trains a model in float. Writes DIR/model.onnx, DIR/checkpoint/ and
DIR/metrics.jsonl. ARCH is a model of the zoo: ` + zooNames() + `.`,
		Example: `  goqat train --model cnn --data digits --out run
  goqat train --model resnet8 --data fashion-mnist:data --out run --epochs 10 --schedule cosine
  goqat train --model gpt-tiny --data text:book.txt --out run --optimizer adamw --lr 0.003
  goqat train --model cnn --data digits --out run --resume`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "model", "out"); err != nil {
				return err
			}
			return a.trained(c.Context(), f.out, func() error { return a.train(c.Context(), &f) })
		},
	}
	c.Flags().StringVar(&f.model, "model", "", "architecture or ONNX file")
	f.add(c, train.DefaultConfig())
	return c
}

func zooNames() string {
	s := ""
	for i, m := range nn.Models() {
		if i > 0 {
			s += ", "
		}
		s += m.Name
	}
	return s
}

// trainResult is the JSON of train and qat.
type trainResult struct {
	Model     string            `json:"model"`
	Out       string            `json:"out"`
	Steps     int64             `json:"steps"`
	Params    int               `json:"params"`
	Loss      float64           `json:"loss"`
	Accuracy  float64           `json:"accuracy"`
	Prepared  *float64          `json:"prepared_accuracy,omitempty"`
	Converted *float64          `json:"converted_accuracy,omitempty"`
	History   []train.EpochInfo `json:"history"`
	Warnings  []string          `json:"warnings,omitempty"`
	Files     []string          `json:"files"`
}

func (a *app) train(ctx context.Context, f *trainFlags) error {
	set, err := a.openData(ctx, f.data, f.seed, f.samples)
	if err != nil {
		return err
	}
	cfg, err := f.read(set.Train)
	if err != nil {
		return err
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	g, err := a.newModel(f, set.Train, cfg.Loss)
	if err != nil {
		return err
	}
	res, err := a.fit(ctx, g, cfg, f, set, b, "train")
	if err != nil {
		return err
	}
	if err := res.State.StoreTo(ctx, g); err != nil {
		return err
	}
	path := filepath.Join(f.out, fileFloat)
	if err := onnx.WriteFile(path, g, onnx.WriteOptions{}); err != nil {
		return err
	}
	r := trainResult{Model: f.model, Out: f.out, Steps: res.Steps, Params: nn.ParamCount(g), History: res.History, Warnings: res.Warnings, Files: []string{path}}
	if n := len(res.History); n > 0 {
		r.Loss, r.Accuracy = res.History[n-1].ValLoss, res.History[n-1].Accuracy
	}
	return a.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d parameters, %d steps, accuracy %.2f %%\nwrote %s\n", f.model, r.Params, r.Steps, 100*r.Accuracy, path)
	})
}

func (a *app) fit(ctx context.Context, g *graph.Graph, cfg train.Config, f *trainFlags, set *data.Splits, b backend.Backend, name string) (*train.Result, error) {
	peers, done, err := a.peers(b, cfg.Ranks)
	if err != nil {
		return nil, err
	}
	defer done()
	res, err := train.Fit(ctx, g, cfg, train.Options{Backend: b, Peers: peers, Train: set.Train, Val: set.Val, Augment: f.augments(set.Train.Shape()),
		Dir: f.out, Resume: f.resume, Callbacks: []train.Callback{newProgress(a, name)}})
	if res != nil {
		for _, w := range res.Warnings {
			a.note("warning: %s", w)
		}
	}
	return res, err
}

// newModel builds an architecture for the data or reads an ONNX file.
func (a *app) newModel(f *trainFlags, d data.Dataset, loss string) (*graph.Graph, error) {
	m, ok := modelNamed(f.model)
	if !ok && !isONNX(f.model) {
		return nil, usagef("--model %q is neither an ONNX file nor one of %s", f.model, zooNames())
	}
	if !ok {
		return loadFloat(f.model)
	}
	classes := max(d.Classes(), 0)
	if loss == "reconstruction" {
		classes = 0 // Labels do not count: the output is as large as the input.
	}
	return nn.Build(m.Name, d.Shape(), classes, f.seed)
}
