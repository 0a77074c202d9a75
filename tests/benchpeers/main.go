// Command benchpeers measures goqat and its peers, PyTorch, ONNX Runtime and
// OpenVINO, in turns, and writes the table of docs/benchmarks.md. A python
// that has the peers is named by -python; make bench-peers makes one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
)

// options are the flags.
type options struct {
	python, scripts, models, doc, raw, only, name, from string
	rounds                                              int
	window                                              time.Duration
	fastest                                             bool
}

func main() {
	var o options
	flag.StringVar(&o.python, "python", "", "python with the peers")
	flag.StringVar(&o.scripts, "scripts", "tests/benchpeers", "folder of the peers' scripts")
	flag.StringVar(&o.models, "models", ".cache/bench-peers-models", "folder for the peers' models, made when it is not there")
	flag.StringVar(&o.doc, "doc", "", "document to write the table into; without it the table is printed")
	flag.StringVar(&o.raw, "raw", "", "file for everything measured, as JSON")
	flag.StringVar(&o.only, "only", "", "only comparisons that match this regular expression; the document stays as it is")
	flag.StringVar(&o.name, "name", "", "name of the machine in the document")
	flag.StringVar(&o.from, "from", "", "write the table of this JSON file instead of measuring")
	flag.IntVar(&o.rounds, "rounds", 7, "rounds of each comparison")
	flag.DurationVar(&o.window, "time", 300*time.Millisecond, "time of a figure in a round")
	flag.BoolVar(&o.fastest, "fastest", false, "take the fastest run of a round, for machines that others use, instead of the median")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "benchpeers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, out, progress io.Writer) error {
	r := &report{}
	if o.from != "" {
		b, err := os.ReadFile(o.from)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, r); err != nil {
			return fmt.Errorf("%s: %w", o.from, err)
		}
	} else {
		err := measureAll(ctx, o, r, progress)
		// What was measured before an error is kept, too.
		if err := errors.Join(err, r.keep(o.raw)); err != nil {
			return err
		}
	}
	if o.doc == "" || o.only != "" {
		_, err := io.WriteString(out, r.block())
		return err
	}
	doc, err := os.ReadFile(o.doc)
	if err != nil {
		return err
	}
	text, err := withBlock(string(doc), r.Name, r.block())
	if err != nil {
		return fmt.Errorf("%s: %w", o.doc, err)
	}
	return os.WriteFile(o.doc, []byte(text), 0o644)
}

// keep writes the report as JSON; "" is nowhere.
func (r *report) keep(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

// measureAll fills the report.
func measureAll(ctx context.Context, o options, r *report, progress io.Writer) error {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return err
	}
	b, err := backend.Open("cpu")
	if err != nil {
		return err
	}
	defer b.Close()
	ps := &peers{command: o.command}
	defer ps.close()
	describe(r, o)
	w := window{warmup: 1, time: o.window, minRuns: 3, maxRuns: 10_000, fastest: o.fastest}
	r.Raw = map[string]map[string]measured{}
	amx := strings.HasPrefix(cpu.ISA(), "amx")
	for _, g := range groups(amx) {
		if !only.MatchString(g.name) {
			continue
		}
		if err := o.export(ctx, g, progress); err != nil {
			return err
		}
		ss := make([]series, len(g.series))
		for i, s := range g.series {
			ss[i] = s.series(b, ps)
		}
		ms, err := measure(ctx, ss, o.rounds, w)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		byID := map[string]measured{}
		for i, s := range g.series {
			byID[s.id] = ms[i]
		}
		r.Raw[g.name] = byID
		for _, l := range g.lines {
			x := compare(l, byID)
			r.Results = append(r.Results, x)
			fmt.Fprintf(progress, "%s: %s; %s: %s, %s\n", x.Work, x.Goqat, x.Peer, x.spread(), x.verdict())
		}
	}
	counted, err := counts(ctx, only)
	r.Results = append(r.Results, counted...)
	r.Versions = ps.versions()
	return err
}

// series sets nothing up yet.
func (s spec) series(b backend.Backend, ps *peers) series {
	switch {
	case s.peak > 0:
		return &peak{isa: s.isa, operations: s.peak}
	case s.process == "":
		return &own{b: b, figure: s.figure, isa: s.isa, threads: s.threads}
	}
	return &theirs{peers: ps, process: s.process, figure: s.figure, threads: s.threads}
}

// command returns how a process of a peer is started.
func (o *options) command(process string) (command, env []string) {
	script := func(name string, args ...string) []string {
		return append([]string{o.python, filepath.Join(o.scripts, name)}, args...)
	}
	switch process {
	case runtimes:
		return script("runtimes_peer.py", o.models), nil
	case torchMasked:
		return script("torch_peer.py"), []string{"ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI"}
	}
	return script("torch_peer.py"), nil
}

// export makes the models of the runtimes when a group needs them and they
// are not there.
func (o *options) export(ctx context.Context, g group, progress io.Writer) error {
	needs := slices.ContainsFunc(g.series, func(s spec) bool { return s.process == runtimes })
	done := filepath.Join(o.models, "complete")
	if _, err := os.Stat(done); err == nil || !needs {
		return nil
	}
	fmt.Fprintln(progress, "exporting the models of the runtimes")
	c := exec.CommandContext(ctx, o.python, filepath.Join(o.scripts, "export_models.py"), o.models)
	c.Env = peerEnv(os.Environ(), 1)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("export the models of the runtimes: %w\n%s", err, out)
	}
	return os.WriteFile(done, nil, 0o644)
}
