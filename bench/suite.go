package bench

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
)

// Result is one figure of the built-in benchmark.
type Result struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// ISA is the instruction set of the matrix kernels.
	ISA string `json:"isa"`
}

// SuiteOptions of [RunSuite].
type SuiteOptions struct {
	// Threads bounds the threads that compute, 0 for all.
	Threads int
	// Filter is a regular expression; only names that match are measured.
	Filter string
	// Progress, when not nil, is told of each figure and of what is left out.
	Progress func(string)

	// time replaces the time of each measurement, in tests.
	time *Options
}

// ErrSuite is the cause when a suite or a filter is wrong.
var ErrSuite = errors.New("wrong benchmark")

// errNotHere is the cause when this build cannot measure a figure.
var errNotHere = errors.New("not in this build")

// figure is one measurement of a suite: of time, or of something that is
// counted.
type figure struct {
	name, unit string
	// prepare sets up what run does once.
	prepare func(ctx context.Context, b backend.Backend) (run func(i int) error, err error)
	// value turns the milliseconds of one run into the unit.
	value func(ms float64) float64
	// count, when not nil, is the figure, instead of a time.
	count func(ctx context.Context, b backend.Backend) (float64, error)
}

// Suites returns the names of the suites.
func Suites() []string { return []string{"kernels", "steps", "inference"} }

func figures(suite string) ([]figure, error) {
	switch suite {
	case "kernels":
		return kernelFigures(), nil
	case "steps":
		return stepFigures(), nil
	case "inference":
		return inferenceFigures(), nil
	}
	return nil, fmt.Errorf("bench: %w: no suite %q: have %v", ErrSuite, suite, Suites())
}

// SuiteNames returns the names of the figures of a suite in order, nil for a
// suite that does not exist.
func SuiteNames(suite string) []string {
	fs, err := figures(suite)
	if err != nil {
		return nil
	}
	var names []string
	for _, f := range fs {
		names = append(names, f.name)
	}
	return names
}

// suiteMu keeps suites apart: each sets the number of threads of the process.
var suiteMu sync.Mutex

// RunSuite measures a suite on the CPU. A figure is that of the fastest of
// many runs, which on a shared machine is the one with the least of others in
// it; compare only what was measured in one run. Figures that this build does
// not have are left out and told to Progress.
func RunSuite(ctx context.Context, suite string, o SuiteOptions) ([]Result, error) {
	fs, err := figures(suite)
	if err != nil {
		return nil, err
	}
	match, err := regexp.Compile(o.Filter)
	if err != nil {
		return nil, fmt.Errorf("bench: %w: filter: %w", ErrSuite, err)
	}
	if o.Threads < 0 {
		return nil, fmt.Errorf("bench: %w: %d threads", ErrSuite, o.Threads)
	}
	suiteMu.Lock()
	defer suiteMu.Unlock()
	if o.Threads > 0 {
		before := runtime.GOMAXPROCS(o.Threads)
		defer runtime.GOMAXPROCS(before)
	}
	b, err := backend.Open("cpu")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer b.Close()
	t := Options{Warmup: 3, MinTime: time.Second, MinRuns: 10}
	if o.time != nil {
		t = *o.time
	}
	t.defaults()
	results := []Result{}
	tell := func(format string, a ...any) {
		if o.Progress != nil {
			o.Progress(fmt.Sprintf(format, a...))
		}
	}
	for _, f := range fs {
		if !match.MatchString(f.name) {
			continue
		}
		r, err := f.measure(ctx, b, t)
		if errors.Is(err, errNotHere) {
			tell("%s: left out: %v", f.name, err)
			continue
		}
		if err != nil {
			return results, fmt.Errorf("bench: %s: %w", f.name, err)
		}
		tell("%s: %.4g %s", r.Name, r.Value, r.Unit)
		results = append(results, r)
	}
	return results, nil
}

func (f *figure) measure(ctx context.Context, b backend.Backend, t Options) (Result, error) {
	if f.count != nil {
		v, err := f.count(ctx, b)
		return Result{Name: f.name, Value: v, Unit: f.unit, ISA: cpu.ISA()}, err
	}
	run, err := f.prepare(ctx, b)
	if err != nil {
		return Result{}, err
	}
	times, err := timeRuns(ctx, wallClock(), t, run)
	if err != nil {
		return Result{}, err
	}
	return Result{Name: f.name, Value: f.value(slices.Min(times)), Unit: f.unit, ISA: cpu.ISA()}, nil
}

// Figure is a figure of a suite that was set up, to be measured again and
// again, as in turns with the same work of another program.
type Figure struct {
	f   figure
	run func(i int) error
}

// OpenFigure sets up the figure of a name in [SuiteNames] on b, for as many
// threads as the process has. What it holds is freed with it.
func OpenFigure(ctx context.Context, b backend.Backend, name string) (*Figure, error) {
	for _, s := range Suites() {
		fs, err := figures(s)
		if err != nil {
			return nil, err
		}
		for _, f := range fs {
			if f.name != name {
				continue
			}
			if f.count != nil {
				return nil, fmt.Errorf("bench: %w: %s takes no time", ErrSuite, name)
			}
			run, err := f.prepare(ctx, b)
			if err != nil {
				return nil, fmt.Errorf("bench: %s: %w", name, err)
			}
			return &Figure{f, run}, nil
		}
	}
	return nil, fmt.Errorf("bench: %w: no figure %q", ErrSuite, name)
}

// Unit returns the unit of [Figure.Value].
func (f *Figure) Unit() string { return f.f.unit }

// Value turns the milliseconds of a run into the unit of the figure.
func (f *Figure) Value(ms float64) float64 { return f.f.value(ms) }

// Times runs the figure as o says and returns the milliseconds of each run.
func (f *Figure) Times(ctx context.Context, o Options) ([]float64, error) {
	o.defaults()
	times, err := timeRuns(ctx, wallClock(), o, f.run)
	if err != nil {
		return nil, fmt.Errorf("bench: %s: %w", f.f.name, err)
	}
	return times, nil
}

// milliseconds is the value of a figure whose unit is the time itself.
func milliseconds(ms float64) float64 { return ms }

// perSecond returns the value of a figure of amount billions a run.
func perSecond(amount float64) func(float64) float64 {
	return func(ms float64) float64 {
		if ms <= 0 {
			return 0
		}
		return amount / 1e9 / (ms / 1000)
	}
}
