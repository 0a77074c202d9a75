package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/bench"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/target"
)

// benchFlags are the flags of bench.
type benchFlags struct {
	models, targets                 []string
	data, json, html, suite, filter string
	batch, threads, samples         int
	minTime                         time.Duration
}

// stdoutJSON is --json without a file.
const stdoutJSON = "-"

func newBench(a *app) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench --model FILE ... [--targets a,b] [--data DATASET]",
		Short: "Latency, throughput, size, memory and accuracy on targets",
		Long: `Measures model files as they are, and quantized models (folders of goqat qat
or ptq, QDQ files) on the targets named. With --suite it runs the built-in
benchmark of this machine instead.`,
		Example: `  goqat bench --model run/model.onnx --model qat --targets onnx-qdq,tensorcore-cpu --data digits
  goqat bench --suite kernels --threads 1 --json`,
		// "--json FILE" is a flag without a value and an argument.
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && f.json != stdoutJSON {
				return fmt.Errorf("unexpected argument %q", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.json = args[0]
			}
			if f.json == stdoutJSON {
				a.json, f.json = true, ""
			}
			if f.suite != "" {
				if err := oneOf("suite", f.suite, bench.Suites()...); err != nil {
					return err
				}
				return a.suite(c.Context(), &f)
			}
			if len(f.models) == 0 {
				return usagef("bench: missing --model or --suite (see goqat help bench)")
			}
			if f.batch < 1 {
				return usagef("--batch %d: want at least 1", f.batch)
			}
			return a.bench(c.Context(), &f)
		},
	}
	p := c.Flags()
	p.StringArrayVar(&f.models, "model", nil, "model file or folder, any number of times")
	p.StringSliceVar(&f.targets, "targets", nil, "targets to lower quantized models to")
	p.StringVar(&f.data, "data", "", "DATASET to measure accuracy on")
	p.StringVar(&f.json, "json", "", "print the report as JSON, or write it to a file: --json FILE")
	p.Lookup("json").NoOptDefVal = stdoutJSON
	p.StringVar(&f.html, "html", "", "also write an HTML report to this file")
	p.IntVar(&f.batch, "batch", 1, "samples a run")
	p.IntVar(&f.samples, "samples", 0, "use at most so many samples, 0 for all")
	p.DurationVar(&f.minTime, "time", time.Second, "time to measure each for")
	p.StringVar(&f.suite, "suite", "", "built-in benchmark: kernels, steps or inference")
	p.IntVar(&f.threads, "threads", 0, "threads of the suite, 0 for all")
	p.StringVar(&f.filter, "filter", "", "only names of the suite that match this regular expression")
	return c
}

func (a *app) suite(ctx context.Context, f *benchFlags) error {
	rs, err := bench.RunSuite(ctx, f.suite, bench.SuiteOptions{Threads: f.threads, Filter: f.filter, Progress: func(s string) { a.note("%s", s) }})
	if err != nil {
		return err
	}
	return a.print(rs, func(w io.Writer) {
		for _, r := range rs {
			fmt.Fprintf(w, "%-40s %14.3f %-6s %s\n", r.Name, r.Value, r.Unit, r.ISA)
		}
	})
}

func (a *app) bench(ctx context.Context, f *benchFlags) error {
	b, err := a.open()
	if err != nil {
		return err
	}
	defer b.Close()
	var val data.Dataset
	r := bench.Report{Title: "goqat bench", Command: "goqat bench", Created: time.Now(), Machine: bench.ThisMachine()}
	if f.data != "" {
		set, err := a.openData(ctx, f.data, 1, f.samples)
		if err != nil {
			return err
		}
		val, r.Data = set.Val, set.Name
	}
	o := bench.Options{Batch: f.batch, MinTime: f.minTime}
	for _, m := range f.models {
		rows, err := a.benchModel(ctx, m, f.targets, val, o, b)
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		r.Rows = append(r.Rows, rows...)
	}
	if f.html != "" || f.json != "" {
		if err := r.WriteFiles(f.html, f.json); err != nil {
			return err
		}
	}
	return a.print(&r, func(w io.Writer) { r.WriteTable(w) })
}

// benchModel measures a model as it is and, when it is quantized, on each
// target.
func (a *app) benchModel(ctx context.Context, path string, targets []string, val data.Dataset, o bench.Options, b backend.Backend) ([]bench.Row, error) {
	g, err := loadRunnable(path, false)
	if err != nil {
		return nil, err
	}
	s, err := target.OpenGraph(ctx, g, b, o.Batch)
	if err != nil {
		return nil, err
	}
	row, err := bench.Measure(ctx, s, val, o)
	if err != nil {
		return nil, err
	}
	row.Model, row.Target = filepath.Base(path), "as it is"
	if st, err := os.Stat(path); err == nil && !st.IsDir() {
		row.FileBytes = st.Size()
	}
	rows := []bench.Row{row}
	if len(targets) == 0 {
		return rows, nil
	}
	pg, c, err := loadPrepared(ctx, path, b)
	if err != nil {
		row.Note = "float: not for targets"
		rows[0] = row
		return rows, nil //nolint:nilerr // A float model has no targets; its row says so.
	}
	m, err := qat.Convert(ctx, pg, c, b)
	if err != nil {
		return nil, err
	}
	for _, name := range targets {
		t, err := target.Lookup(name)
		if err != nil {
			return nil, &usageError{err}
		}
		row, err := benchTarget(ctx, t, m, val, o, b)
		if err != nil {
			return nil, err
		}
		row.Model = filepath.Base(path)
		rows = append(rows, row)
	}
	return rows, nil
}

func benchTarget(ctx context.Context, t target.Target, m *qat.Model, val data.Dataset, o bench.Options, b backend.Backend) (bench.Row, error) {
	art, err := t.Lower(ctx, m)
	if err != nil {
		return bench.Row{Target: t.Name(), Note: err.Error()}, nil // A refused model is a result: the row says why.
	}
	s, err := art.Open(ctx, b, o.Batch)
	if err != nil {
		return bench.Row{}, err
	}
	defer s.Close()
	row, err := bench.Measure(ctx, s, val, o)
	row.Target = t.Name()
	if err != nil {
		return row, err
	}
	row.FileBytes, err = art.WriteTo(io.Discard)
	return row, err
}
