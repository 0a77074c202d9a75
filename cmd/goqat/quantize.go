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
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/train"
)

// methods maps --method of ptq to observers.
var methods = map[string]string{"minmax": "minmax", "histogram": "histogram", "percentile": "percentile", "mse": "histogram_mse", "entropy": "entropy"}

func newPTQ(a *app) *cobra.Command {
	var model, spec, tgt, out, method, config string
	var cle, correct, adaround bool
	var samples, limit, steps int
	var seed uint64
	c := &cobra.Command{
		Use:   "ptq --model F.onnx|DIR --data DATASET --target T --out DIR",
		Short: "Post-training quantization",
		Long: `Quantizes a trained float model without training it: the ranges come from
samples of the data. Writes what goqat qat writes.`,
		Example: `  goqat ptq --model run/model.onnx --data digits --target tflite --out ptq
  goqat ptq --model run --data digits --target onnx-qdq --out ptq --method entropy --cle`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "model", "target", "out"); err != nil {
				return err
			}
			if steps < 1 {
				return usagef("ptq: --adaround-steps is %d: want at least 1", steps)
			}
			if err := oneOf("method", method, "minmax", "histogram", "percentile", "mse", "entropy"); err != nil {
				return err
			}
			cfg, err := readQuantization(config, tgt, 0, 0)
			if err != nil {
				return err
			}
			if config == "" {
				cfg.Activations.Observer = methods[method]
			}
			return a.ptq(c.Context(), ptqOptions{model, spec, out, cfg, cle, correct, adaround, steps, samples, limit, seed})
		},
	}
	p := c.Flags()
	p.StringVar(&model, "model", "", "trained float model: ONNX file or folder of a training")
	p.StringVar(&spec, "data", "digits", "DATASET to calibrate and evaluate on")
	p.StringVar(&tgt, "target", "", "target whose rules to obey (see goqat targets)")
	p.StringVar(&out, "out", "", "folder for the results")
	p.StringVar(&method, "method", "histogram", "minmax, histogram, percentile, mse or entropy")
	p.StringVar(&config, "config", "", "JSON file with the whole quantization config instead")
	p.BoolVar(&cle, "cle", false, "equalize the weights of neighboring layers first")
	p.BoolVar(&correct, "bias-correct", false, "correct biases for the mean error of quantized weights")
	p.BoolVar(&adaround, "adaround", false, "choose for each weight whether it is rounded down or up")
	p.IntVar(&steps, "adaround-steps", 1000, "optimizer steps a layer of --adaround")
	p.IntVar(&samples, "calibration", 1024, "samples to calibrate on")
	p.IntVar(&limit, "samples", 0, "use at most so many samples of the data, 0 for all")
	p.Uint64Var(&seed, "seed", 1, "seed of the choice of samples")
	return c
}

type ptqOptions struct {
	model, data, out string
	cfg              *qat.Config
	cle, correct     bool
	adaround         bool
	adaroundSteps    int
	calibration      int
	limit            int
	seed             uint64
}

// ptqResult is the JSON of ptq.
type ptqResult struct {
	Out       string             `json:"out"`
	Float     float64            `json:"float_accuracy"`
	Accuracy  float64            `json:"accuracy"`
	Converted float64            `json:"converted_accuracy"`
	Tensors   []qat.TensorReport `json:"tensors"`
	Files     []string           `json:"files"`
}

func (a *app) ptq(ctx context.Context, o ptqOptions) error {
	set, err := a.openData(ctx, o.data, o.seed, o.limit)
	if err != nil {
		return err
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	g, err := loadFloat(o.model)
	if err != nil {
		return err
	}
	if o.cle {
		if g, err = qat.Equalize(ctx, g, b); err != nil {
			return err
		}
	}
	prepared, err := qat.Prepare(g, o.cfg)
	if err != nil {
		return err
	}
	a.note("ptq: calibrating on %d samples", min(o.calibration, set.Train.Len()))
	state, err := qat.Calibrate(ctx, prepared, set.Train, qat.DataOptions{Backend: b, Samples: o.calibration})
	if err != nil {
		return err
	}
	r := ptqResult{Out: o.out, Files: resultFiles(o.out)}
	// The float model before its weights and biases change.
	float := program.NewState(b)
	if r.Float, err = accuracy(ctx, prepared, set.Val, train.EvalOptions{State: float, Mode: graph.EvalFloat}); err != nil {
		return err
	}
	if o.adaround {
		err := qat.AdaRound(ctx, prepared, set.Train, qat.DataOptions{State: state, Reference: float, Samples: o.calibration},
			qat.AdaRoundOptions{Steps: o.adaroundSteps, Seed: o.seed, Report: func(l qat.AdaRoundLayer) {
				a.note("adaround: %s: error %.3g instead of %.3g, %d weights changed", l.Name, l.Rounded, l.Nearest, l.Changed)
			}})
		if err != nil {
			return err
		}
	}
	if o.correct {
		if err := qat.CorrectBias(ctx, prepared, set.Train, qat.DataOptions{State: state, Reference: float, Samples: o.calibration}); err != nil {
			return err
		}
	}
	m, err := savePrepared(ctx, o.out, g, prepared, state, o.cfg)
	if err != nil {
		return err
	}
	if r.Accuracy, err = accuracy(ctx, prepared, set.Val, train.EvalOptions{State: state, Mode: graph.Eval}); err != nil {
		return err
	}
	if r.Converted, err = accuracy(ctx, m.Graph, set.Val, train.EvalOptions{Backend: b, Mode: graph.Eval}); err != nil {
		return err
	}
	if r.Tensors, err = qat.Analyze(ctx, prepared, set.Val, qat.DataOptions{State: state, Reference: float, Samples: 256}); err != nil {
		return err
	}
	return a.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "float %.2f %%, quantized %.2f %%, converted %.2f %%\n", 100*r.Float, 100*r.Accuracy, 100*r.Converted)
		writeTensors(w, r.Tensors)
		fmt.Fprintf(w, "wrote %s\n", filepath.Join(o.out, fileQDQ))
	})
}

// accuracy is top-1, or minus the squared error for data without labels.
func accuracy(ctx context.Context, g *graph.Graph, d data.Dataset, o train.EvalOptions) (float64, error) {
	if d.Classes() == 0 {
		o.Loss = "reconstruction"
	}
	m, err := train.Evaluate(ctx, g, d, o)
	if o.Loss == "reconstruction" {
		return -m.Loss, err
	}
	return m.Accuracy, err
}

func resultFiles(dir string) []string {
	var f []string
	for _, n := range []string{fileFloat, fileQDQ, fileConfig, fileValues} {
		f = append(f, filepath.Join(dir, n))
	}
	return f
}

// readQuantization returns the config of a file, or of a target with the bit
// widths replaced when they are given.
func readQuantization(file, tgt string, w, act int) (*qat.Config, error) {
	t, err := target.Lookup(tgt)
	if err != nil {
		return nil, &usageError{err}
	}
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		c, err := qat.ReadConfig(f)
		if err != nil {
			return nil, &usageError{fmt.Errorf("%s: %w", file, err)}
		}
		return c, nil
	}
	c := t.Config()
	if w != 0 || act != 0 {
		c = c.WithBits(w, act)
	}
	if err := c.Validate(); err != nil {
		return nil, &usageError{err}
	}
	return c, nil
}

func newQAT(a *app) *cobra.Command {
	var f trainFlags
	var tgt, config, teacher, backward string
	var wBits, aBits, calibration int
	var distill, temperature float64
	c := &cobra.Command{
		Use:   "qat --model F.onnx|DIR --data DATASET --target T --out DIR",
		Short: "Quantization-aware training",
		Long: `Trains a float model further on the integers of a target. Writes
DIR/model.qdq.onnx, the float model with the trained weights, the quantization
config, the trained scales, checkpoints and metrics.`,
		Example: `  goqat qat --model run --data digits --target onnx-qdq --out qat
  goqat qat --model run/model.onnx --data digits --target tflite --out qat --epochs 3 --lr 0.02
  goqat qat --model run --data digits --target onnx-qdq --out w4a4 --w-bits 4 --a-bits 4`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := required(c, "model", "target", "out"); err != nil {
				return err
			}
			if (teacher != "") != (distill > 0) {
				return usagef("qat: --teacher and --distill go together")
			}
			cfg, err := readQuantization(config, tgt, wBits, aBits)
			if err != nil {
				return err
			}
			if backward != "" {
				if _, err := backend.ParseGradPrecision(backward); err != nil {
					return usagef("--backward: %v", err)
				}
				cfg.Backward = backward
			}
			return a.trained(c.Context(), f.out, func() error {
				return a.qat(c.Context(), &f, cfg, qatOptions{teacher, distill, temperature, calibration})
			})
		},
	}
	d := train.DefaultConfig()
	d.Epochs, d.LR = 3, 0.02
	f.add(c, d)
	p := c.Flags()
	p.StringVar(&f.model, "model", "", "trained float model: ONNX file or folder of a training")
	p.StringVar(&tgt, "target", "", "target whose rules to obey (see goqat targets)")
	p.IntVar(&wBits, "w-bits", 0, "bits of weights, 0 for the target's")
	p.IntVar(&aBits, "a-bits", 0, "bits of activations, 0 for the target's")
	p.StringVar(&config, "config", "", "JSON file with the whole quantization config instead")
	p.StringVar(&backward, "backward", "", "precision of gradients in products: fp32, bf16x2 or bf16 (default the config's, else "+qat.DefaultBackward.String()+")")
	p.StringVar(&teacher, "teacher", "", "ONNX model whose answers to learn from")
	p.Float64Var(&distill, "distill", 0, "weight of the teacher against the labels, 0 to 1")
	p.Float64Var(&temperature, "temperature", 1, "temperature of distillation")
	p.IntVar(&calibration, "calibration", 1024, "samples to set the first ranges from")
	return c
}

type qatOptions struct {
	teacher              string
	distill, temperature float64
	calibration          int
}

func (a *app) qat(ctx context.Context, f *trainFlags, qc *qat.Config, o qatOptions) error {
	set, err := a.openData(ctx, f.data, f.seed, f.samples)
	if err != nil {
		return err
	}
	cfg, err := f.read(set.Train)
	if err != nil {
		return err
	}
	cfg.Distill, cfg.Temperature = o.distill, o.temperature
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	g, err := loadFloat(f.model)
	if err != nil {
		return err
	}
	var teacher *graph.Graph
	if o.teacher != "" {
		if teacher, err = loadFloat(o.teacher); err != nil {
			return fmt.Errorf("--teacher: %w", err)
		}
	}
	state, prepared, res, err := a.quantizedFit(ctx, g, qc, cfg, f, set, teacher, o.calibration, program.NewState(b))
	if err != nil {
		return err
	}
	m, err := savePrepared(ctx, f.out, g, prepared, state, qc)
	if err != nil {
		return err
	}
	before, err := accuracy(ctx, prepared, set.Val, train.EvalOptions{State: state, Mode: graph.Eval})
	if err != nil {
		return err
	}
	after, err := accuracy(ctx, m.Graph, set.Val, train.EvalOptions{Backend: b, Mode: graph.Eval})
	if err != nil {
		return err
	}
	r := trainResult{Model: f.model, Out: f.out, Steps: res.Steps, History: res.History, Warnings: res.Warnings, Accuracy: after, Prepared: &before, Converted: &after, Files: resultFiles(f.out)}
	return a.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "prepared %.2f %%, converted %.2f %%\nwrote %s\n", 100*before, 100*after, filepath.Join(f.out, fileQDQ))
	})
}

// quantizedFit prepares, calibrates and trains g.
func (a *app) quantizedFit(ctx context.Context, g *graph.Graph, qc *qat.Config, cfg train.Config, f *trainFlags, set *data.Splits, teacher *graph.Graph, calibration int, state *program.State) (*program.State, *graph.Graph, *train.Result, error) {
	prepared, err := qat.Prepare(g, qc)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := qat.Calibrate(ctx, prepared, set.Train, qat.DataOptions{State: state, Samples: calibration}); err != nil {
		return nil, nil, nil, err
	}
	steps := int64(cfg.Epochs) * int64(set.Train.Len()/cfg.Batch)
	peers, done, err := a.peers(state.Backend(), cfg.Ranks)
	if err != nil {
		return nil, nil, nil, err
	}
	defer done()
	res, err := train.Fit(ctx, prepared, cfg, train.Options{State: state, Peers: peers, Train: set.Train, Val: set.Val, Augment: f.augments(set.Train.Shape()),
		Phases: qc.Phases(steps), EvalMode: qc.EvalMode(), Teacher: teacher, Dir: f.out, Resume: f.resume, Callbacks: []train.Callback{newProgress(a, "qat")}})
	if res != nil {
		for _, w := range res.Warnings {
			a.note("warning: %s", w)
		}
	}
	return state, prepared, res, err
}
