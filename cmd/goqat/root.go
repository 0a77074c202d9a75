package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/goqat/goqat/backend"
)

// app is what all verbs share.
type app struct {
	out, err io.Writer
	json     bool
	backend  string
	noted    bool // That there is no GPU.
	chosen   bool // The GPU, by "auto".
}

// usageError is wrong usage: exit code 2.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// usagef returns a usage error.
func usagef(format string, a ...any) error { return &usageError{fmt.Errorf(format, a...)} }

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "goqat",
		Short: "Quantization-aware training: train on the integers you deploy",
		Long: `goqat trains networks in float and on integers, converts them without losing a
bit, and measures them on every target.

  goqat demo            does all of it on data that comes with the program
  goqat help VERB       explains a verb, with examples

DATASET is one of: digits (built in), fashion-mnist:DIR, mnist:DIR,
idx:IMAGES,LABELS, npz:FILE, csv:FILE, images:DIR, wav:DIR, text:FILE.

Exit codes: 0 done, 1 failed, 2 wrong usage. Ctrl-C saves the work and stops.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown verb %q: see goqat help", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%s: %w (see goqat help %s)", c.Name(), err, c.Name())
	})
	p := root.PersistentFlags()
	p.BoolVar(&a.json, "json", false, "print one JSON object on standard output; progress goes to standard error")
	p.StringVar(&a.backend, "backend", "auto", "where to compute: auto, cpu, gpu, gpu:N")
	root.AddCommand(newDemo(a), newTrain(a), newPTQ(a), newQAT(a), newConvert(a), newRun(a), newEval(a), newBench(a), newInspect(a), newTargets(a), newDoctor(a))
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = cobra.NoArgs
		}
		args := c.Args
		c.Args = func(c *cobra.Command, a []string) error {
			if err := args(c, a); err != nil {
				return usagef("%s: %w (see goqat help %s)", c.Name(), err, c.Name())
			}
			return nil
		}
		if run := c.RunE; run != nil {
			c.RunE = func(c *cobra.Command, args []string) error { return a.elsewhere(func() error { return run(c, args) }) }
		}
	}
	return root
}

// elsewhere runs a verb, and once more on the CPU when "auto" has chosen a GPU
// that has no kernel for an operation.
func (a *app) elsewhere(run func() error) error {
	err := run()
	if !a.chosen || !errors.Is(err, backend.ErrUnsupported) {
		return err
	}
	a.note("computing on the CPU: %v", err)
	a.backend, a.chosen = "cpu", false
	return run()
}

// open opens the backend that the flags name; "auto" says once why it does not
// take the GPU, in a binary that could.
func (a *app) open() (backend.Backend, error) {
	if a.backend != "auto" && a.backend != "" {
		return backend.Open(a.backend)
	}
	b, err := backend.Open("gpu")
	if err == nil {
		a.chosen = true
		return b, nil
	}
	if !errors.Is(err, backend.ErrNotBuilt) && !a.noted {
		a.noted = true
		a.note("computing on the CPU: %v", err)
	}
	return backend.Open("cpu")
}

// print shows the result: v as JSON, or what text writes.
func (a *app) print(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.out)
		return nil
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// note tells of progress.
func (a *app) note(format string, v ...any) { fmt.Fprintf(a.err, format+"\n", v...) }

// terminal reports whether progress goes to a person.
func (a *app) terminal() bool {
	f, ok := a.err.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// required returns a usage error naming the flags that are missing.
func required(c *cobra.Command, names ...string) error {
	var missing []string
	for _, n := range names {
		if f := c.Flag(n); f != nil && f.Value.String() == "" {
			missing = append(missing, "--"+n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return usagef("%s: missing %s (see goqat help %s)", c.Name(), strings.Join(missing, ", "), c.Name())
}

// oneOf returns a usage error unless v is in the list.
func oneOf(flag, v string, list ...string) error {
	for _, s := range list {
		if v == s {
			return nil
		}
	}
	return usagef("--%s %q: want one of %s", flag, v, strings.Join(list, ", "))
}

var errNoResult = errors.New("nothing was computed")
