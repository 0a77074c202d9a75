package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// measurements is the JSON of gpubench measure.
type measurements struct {
	Device  []string  `json:"device"`
	Tiny    bool      `json:"tiny,omitempty"`
	Figures []figure  `json:"figures"`
	Missing []missing `json:"missing,omitempty"`
}

// figure is one thing measured; Bytes and Ops are of one run.
type figure struct {
	Group string  `json:"group"`
	Name  string  `json:"name"`
	Bytes float64 `json:"bytes,omitempty"`
	Ops   float64 `json:"ops,omitempty"`
	Cold  series  `json:"cold"`
	Batch series  `json:"batch"`
}

// missing is a thing that was not measured.
type missing struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// part is one part of the check, a line of parts.tsv: its name, its outcome
// (ok, failed, missing), seconds and a remark.
type part struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Seconds string `json:"seconds"`
	Remark  string `json:"remark,omitempty"`
}

// rival is one figure of PyTorch.
type rival struct {
	Name    string    `json:"name"`
	Median  float64   `json:"median_ns"`
	Samples []float64 `json:"samples_ns"`
}

// prediction is what was expected on an H200 before anything was measured.
type prediction struct {
	What     string `json:"what"`
	Expected string `json:"expected"`
	Figure   string `json:"figure,omitempty"` // The name of goqat's figure,
	Rival    string `json:"rival,omitempty"`  // and of PyTorch's.
	Measured string `json:"measured"`
}

var predictions = []prediction{
	{What: "copy", Expected: "4.3 TB/s", Figure: "copy"},
	{What: "bf16 product 8192^3", Expected: "about 790 TFLOPS", Rival: "bf16 product 8192"},
	{What: "cuBLASLt int8 to int32 8192^3", Expected: "1250 to 1450 TOPS, 1.6 to 1.8 times bf16", Rival: "int8 product 8192"},
	{What: "fake_quant in one pass, 2^30 float32", Expected: "2.1 to 2.3 ms", Figure: "fake_quant 2^30 float32"},
	{What: "PyTorch's fused fake_quant, 2^30 float32", Expected: "4.5 to 5 ms", Rival: "fake_quant 2^30"},
	{What: "quantize of bf16, 2^30", Expected: "0.8 to 0.9 ms"},
	{What: "LSQ backward, 2^30 float32", Expected: "3.1 to 3.4 ms", Figure: "lsq_grad 2^30 float32"},
	{What: "PyTorch's LSQ backward, 2^30 float32", Expected: "7 ms or more", Rival: "lsq backward 2^30"},
	{What: "own int8 product with bf16 epilogue", Expected: "at least 85 % of cuBLASLt, 1.5 times bf16"},
	{What: "own int8 product to float32, 8192^3", Expected: "none was made; beside the two above", Figure: "int8 to float32 8192"},
	{What: "QAT linear step 16384x4096x4096, graph", Expected: "at most 0.9 times torch.compile's bf16 step", Figure: "QAT linear step, graph", Rival: "compiled bf16 linear step"},
	{What: "QAT linear step, launches", Expected: "more than the graph", Figure: "QAT linear step, launches"},
	{What: "torch.compile's QAT step", Expected: "at least 1.67 times goqat's", Rival: "compiled QAT linear step"},
}

// result is all of a check.
type result struct {
	Name        string            `json:"name"` // The folder's name, which has the date.
	About       map[string]string `json:"about"`
	Parts       []part            `json:"parts"`
	Goqat       *measurements     `json:"goqat,omitempty"`
	Rivals      []rival           `json:"rivals,omitempty"`
	Predictions []prediction      `json:"predictions"`
	Missing     []missing         `json:"missing,omitempty"`
}

// report puts what the parts of a check left in a folder into result.json
// and result.md. A part that left nothing is in the list of what is missing.
func report(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	r := result{Name: filepath.Base(abs), About: map[string]string{}}
	if err := lines(filepath.Join(dir, "about.tsv"), 2, func(f []string) { r.About[f[0]] = f[1] }); err != nil {
		return err
	}
	if err := lines(filepath.Join(dir, "parts.tsv"), 4, func(f []string) {
		r.Parts = append(r.Parts, part{f[0], f[1], f[2], f[3]})
		if f[1] != "ok" {
			r.Missing = append(r.Missing, missing{f[0], f[1] + ": " + f[3]})
		}
	}); err != nil {
		return err
	}
	var m measurements
	switch err := readJSON(filepath.Join(dir, "goqat.json"), &m); {
	case err == nil:
		r.Goqat = &m
		r.Missing = append(r.Missing, m.Missing...)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	var peers struct {
		Rivals  []rival   `json:"rivals"`
		Missing []missing `json:"missing"`
	}
	if err := readJSON(filepath.Join(dir, "torch.json"), &peers); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	r.Rivals = peers.Rivals
	r.Missing = append(r.Missing, peers.Missing...)
	r.predict()
	if err := writeJSON(filepath.Join(dir, "result.json"), r); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "result.md"), []byte(r.markdown()), 0o644)
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// lines reads a file of n columns separated by tabs.
func lines(path string, n int, f func([]string)) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		c := strings.SplitN(s.Text(), "\t", n)
		if len(c) != n {
			return fmt.Errorf("%s: not %d columns: %q", path, n, s.Text())
		}
		f(c)
	}
	return nil
}

// predict writes what was measured beside what was expected. Figures of tiny
// sizes are no answer to a prediction.
func (r *result) predict() {
	for _, p := range predictions {
		var found []string
		if r.Goqat != nil && !r.Goqat.Tiny {
			var last *figure
			for i, f := range r.Goqat.Figures {
				if p.Figure != "" && f.Name == p.Figure {
					last = &r.Goqat.Figures[i] // The greatest size is last.
				}
			}
			if last != nil {
				found = append(found, "goqat "+last.text())
			}
		}
		for _, v := range r.Rivals {
			if p.Rival != "" && v.Name == p.Rival {
				found = append(found, "PyTorch "+milliseconds(v.Median))
			}
		}
		p.Measured = strings.Join(found, "; ")
		if p.Measured == "" {
			p.Measured = "not measured"
		}
		r.Predictions = append(r.Predictions, p)
	}
}

func milliseconds(ns float64) string { return fmt.Sprintf("%.4g ms", ns/1e6) }

// text is the cold median with the rate it means.
func (f figure) text() string {
	s := milliseconds(f.Cold.Median)
	if r := f.rate(); r != "" {
		s += ", " + r
	}
	return s
}

func (f figure) rate() string {
	switch {
	case f.Cold.Median <= 0:
		return ""
	case f.Ops > 0:
		return fmt.Sprintf("%.4g TOPS", f.Ops/f.Cold.Median/1e3)
	case f.Bytes > 0:
		return fmt.Sprintf("%.4g GB/s", f.Bytes/f.Cold.Median)
	}
	return ""
}

// markdown is the section of docs/benchmarks.md.
func (r *result) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "### GPU check %s\n\n", r.Name)
	for _, k := range []string{"date", "commit", "gpu", "driver"} {
		if v := r.About[k]; v != "" {
			fmt.Fprintf(&b, "- %s: %s\n", k, v)
		}
	}
	if r.Goqat != nil {
		fmt.Fprintf(&b, "- device: %s\n", strings.Join(r.Goqat.Device, "; "))
		if r.Goqat.Tiny {
			b.WriteString("- tiny sizes: a test of the check, no measurement\n")
		}
	}
	table := func(title string, columns ...string) {
		fmt.Fprintf(&b, "\n%s\n\n| %s |\n|%s\n", title, strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	}
	row := func(cells ...string) {
		for i, c := range cells {
			cells[i] = strings.NewReplacer("|", "\\|", "\n", " ").Replace(c)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	table("Parts", "part", "outcome", "seconds", "remark")
	for _, p := range r.Parts {
		row(p.Name, p.Outcome, p.Seconds, p.Remark)
	}
	table("Predictions for an H200, and what was measured (cold median)", "what", "predicted", "measured")
	for _, p := range r.Predictions {
		row(p.What, p.Expected, p.Measured)
	}
	if r.Goqat != nil {
		table("goqat (medians; cold: L2 flushed before each sample)", "group", "what", "cold", "rate", "noise", "batch", "samples", "ended")
		for _, f := range r.Goqat.Figures {
			row(f.Group, f.Name, milliseconds(f.Cold.Median), f.rate(), fmt.Sprintf("%.2f %%", 100*f.Cold.Noise), milliseconds(f.Batch.Median),
				fmt.Sprint(len(f.Cold.Samples)), f.Cold.Ended)
		}
	}
	if len(r.Rivals) > 0 {
		table("PyTorch (medians)", "what", "time", "samples")
		for _, v := range r.Rivals {
			row(v.Name, milliseconds(v.Median), fmt.Sprint(len(v.Samples)))
		}
	}
	if len(r.Missing) > 0 {
		table("Not measured", "what", "why")
		for _, m := range r.Missing {
			row(m.Name, m.Why)
		}
	}
	return b.String()
}
