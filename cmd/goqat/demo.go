package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/bench"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/train"
)

func newDemo(a *app) *cobra.Command {
	var out, spec string
	var quick bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "The whole job at once: train, quantize, convert, measure, report",
		Long: `Trains a small convolutional network in float, quantizes it after training and
by training on integers, at several bit widths, converts it to every target,
measures accuracy and latency, and writes an HTML report. Needs no file and no
internet; under 2 minutes on 2 cores.`,
		Example: `  goqat demo
  goqat demo --quick --out demo
  goqat demo --data fashion-mnist:data/fashion`,
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), out, spec, quick) },
	}
	p := c.Flags()
	p.StringVar(&out, "out", "goqat-demo", "folder for the results")
	p.StringVar(&spec, "data", "digits", "DATASET")
	p.BoolVar(&quick, "quick", false, "less data and fewer bit widths: under 20 seconds")
	return c
}

// demo is a run of the verb.
type demo struct {
	*app
	ctx    context.Context
	out    string
	quick  bool
	b      backend.Backend
	set    *data.Splits
	model  *graph.Graph
	cfg    train.Config
	report bench.Report
	files  []string
}

func (a *app) demo(ctx context.Context, out, spec string, quick bool) error {
	limit := 0
	if quick {
		limit = 2000
	}
	start := time.Now()
	set, err := a.openData(ctx, spec, 1, limit)
	if err != nil {
		return err
	}
	if set.Train.Classes() == 0 {
		return usagef("demo: --data %s has no labels: the demo trains a classifier", spec)
	}
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	d := &demo{app: a, ctx: ctx, out: out, quick: quick, b: b, set: set, cfg: train.DefaultConfig()}
	d.cfg.Epochs, d.cfg.Batch = 10, 64
	if quick {
		d.cfg.Epochs, d.cfg.Batch = 5, 32
	}
	d.report = bench.Report{Title: "cnn on " + set.Name, Command: "goqat demo", Created: time.Now(), Machine: bench.ThisMachine(), Data: set.Name}
	a.note("demo: %d training and %d validation samples of %v, %d classes", set.Train.Len(), set.Val.Len(), set.Train.Shape(), set.Train.Classes())
	for _, step := range []func() error{d.float, d.bits, d.targets} {
		if err := step(); err != nil {
			return err
		}
	}
	d.report.Notes = append(d.report.Notes, fmt.Sprintf("Whole run: %.0f s.", time.Since(start).Seconds()))
	page := filepath.Join(out, "report.html")
	if err := d.report.WriteFiles(page, filepath.Join(out, "report.json")); err != nil {
		return err
	}
	return a.print(&d.report, func(w io.Writer) {
		d.report.WriteTable(w)
		fmt.Fprintf(w, "\nreport: %s\nfiles:  %s\n", page, strings.Join(d.files, " "))
	})
}

// float trains the float model and measures it.
func (d *demo) float() error {
	g, err := nn.Build("cnn", d.set.Train.Shape(), d.set.Train.Classes(), d.cfg.Seed)
	if err != nil {
		return err
	}
	p := newProgress(d.app, "float")
	res, err := train.Fit(d.ctx, g, d.cfg, train.Options{Backend: d.b, Train: d.set.Train, Val: d.set.Val, Callbacks: []train.Callback{p}})
	if err != nil {
		return err
	}
	d.report.Curves = append(d.report.Curves, bench.Curve{Name: "float", Losses: p.losses, Rates: p.rate, Epochs: res.History})
	if err := res.State.StoreTo(d.ctx, g); err != nil {
		return err
	}
	d.model = g
	path := filepath.Join(d.out, fileFloat)
	if err := onnx.WriteFile(path, g, onnx.WriteOptions{}); err != nil {
		return err
	}
	d.files = append(d.files, fileFloat)
	s, err := target.OpenGraph(d.ctx, g, d.b, 1)
	if err != nil {
		return err
	}
	row, err := d.measure("float", "cpu float32", s, path)
	if err != nil {
		return err
	}
	acc := *row.Accuracy
	d.report.Rows = append(d.report.Rows, row)
	d.report.Bits = append(d.report.Bits, bench.BitsPoint{Weights: 32, Activations: 32, Method: "float", Accuracy: acc})
	return nil
}

// bits quantizes at several widths, after training and by training.
func (d *demo) bits() error {
	widths := [][2]int{{8, 8}, {4, 8}, {4, 4}, {2, 4}}
	if d.quick {
		widths = widths[:1]
	}
	for _, w := range widths {
		qc := qat.Bits(w[0], w[1])
		prepared, state, err := d.calibrated(qc)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("W%dA%d", w[0], w[1])
		acc, err := accuracy(d.ctx, prepared, d.set.Val, train.EvalOptions{State: state, Mode: graph.Eval})
		if err != nil {
			return err
		}
		d.note("ptq %s: accuracy %.2f %%", name, 100*acc)
		d.report.Bits = append(d.report.Bits, bench.BitsPoint{Weights: w[0], Activations: w[1], Method: "ptq", Accuracy: acc})
		if w[0] == 8 {
			continue // Trained for each target below.
		}
		if acc, err = d.tune("qat "+name, prepared, state, qc, 3); err != nil {
			return err
		}
		d.report.Bits = append(d.report.Bits, bench.BitsPoint{Weights: w[0], Activations: w[1], Method: "qat", Accuracy: acc})
	}
	return nil
}

func (d *demo) calibrated(qc *qat.Config) (*graph.Graph, *program.State, error) {
	prepared, err := qat.Prepare(d.model, qc)
	if err != nil {
		return nil, nil, err
	}
	state, err := qat.Calibrate(d.ctx, prepared, d.set.Train, qat.DataOptions{Backend: d.b})
	return prepared, state, err
}

// tune trains a prepared model for some epochs and returns its accuracy.
func (d *demo) tune(name string, g *graph.Graph, state *program.State, qc *qat.Config, epochs int) (float64, error) {
	c := d.cfg
	c.Epochs, c.LR = epochs, d.cfg.LR/10
	steps := int64(c.Epochs) * int64(d.set.Train.Len()/c.Batch)
	p := newProgress(d.app, name)
	res, err := train.Fit(d.ctx, g, c, train.Options{State: state, Train: d.set.Train, Val: d.set.Val, Phases: qc.Phases(steps), EvalMode: graph.Eval, Callbacks: []train.Callback{p}})
	if err != nil {
		return 0, err
	}
	d.report.Curves = append(d.report.Curves, bench.Curve{Name: name, Losses: p.losses, Rates: p.rate, Epochs: res.History})
	return res.History[len(res.History)-1].Accuracy, nil
}

// targets trains for the rule of each target, converts, checks that the
// converted model is the trained one, and measures the artifact.
func (d *demo) targets() error {
	type trained struct {
		m        *qat.Model
		prepared float64
	}
	byRule := map[string]trained{}
	for _, name := range target.Names() {
		t, err := target.Lookup(name)
		if err != nil {
			return err
		}
		qc := t.Config()
		key := qc.Rule + qc.Activations.Scheme.String() + qc.Weights.Scheme.String()
		tr, ok := byRule[key]
		if !ok {
			prepared, state, err := d.calibrated(qc)
			if err != nil {
				return err
			}
			if tr.prepared, err = d.tune("qat "+name, prepared, state, qc, 3); err != nil {
				return err
			}
			if err := state.StoreTo(d.ctx, prepared); err != nil {
				return err
			}
			if tr.m, err = qat.Convert(d.ctx, prepared, qc, d.b); err != nil {
				return err
			}
			if len(byRule) == 0 {
				d.report.Bits = append(d.report.Bits, bench.BitsPoint{Weights: 8, Activations: 8, Method: "qat", Accuracy: tr.prepared})
				if d.report.Tensors, err = qat.Analyze(d.ctx, prepared, d.set.Val, qat.DataOptions{State: state, Samples: 512}); err != nil {
					return err
				}
			}
			byRule[key] = tr
		}
		if err := d.artifact(t, tr.m, tr.prepared); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) artifact(t target.Target, m *qat.Model, prepared float64) error {
	art, err := t.Lower(d.ctx, m)
	if err != nil {
		return err
	}
	file := "model." + t.Name() + art.Ext()
	path := filepath.Join(d.out, file)
	if _, err := writeArtifact(path, art); err != nil {
		return err
	}
	d.files = append(d.files, file)
	s, err := art.Open(d.ctx, d.b, 1)
	if err != nil {
		return err
	}
	row, err := d.measure("qat W8A8", t.Name(), s, path)
	if err != nil {
		return err
	}
	if *row.Accuracy != prepared {
		return fmt.Errorf("demo: target %s: converted accuracy %v is not the prepared %v: this is a bug of goqat", t.Name(), *row.Accuracy, prepared)
	}
	row.Note = "converted = trained"
	d.report.Rows = append(d.report.Rows, row)
	return nil
}

// measure takes latency at batch 1 and accuracy of a session.
func (d *demo) measure(model, tgt string, s target.Session, path string) (bench.Row, error) {
	defer s.Close()
	o := bench.Options{}
	if d.quick {
		o.MinTime = 100 * time.Millisecond
	}
	row, err := bench.Measure(d.ctx, s, d.set.Val, o)
	if err != nil {
		return row, err
	}
	row.Model, row.Target = model, tgt
	if st, err := os.Stat(path); err == nil {
		row.FileBytes = st.Size()
	}
	d.note("%s on %s: accuracy %.2f %%, %.3f ms, %d bytes", model, tgt, 100**row.Accuracy, row.Latency.P50, row.FileBytes)
	return row, nil
}
