package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/bench"
)

// window is how long a figure is measured in one round.
type window struct {
	warmup           int
	time             time.Duration
	minRuns, maxRuns int
	// fastest takes the fastest run of a round as its figure instead of the
	// median.
	fastest bool
}

// figure is that of a round.
func (w window) figure(runs []float64) float64 {
	if w.fastest && len(runs) > 0 {
		return slices.Min(runs)
	}
	return median(runs)
}

// series is something that is measured in every round.
type series interface {
	// prepare sets it up and returns what is known of it before it runs.
	prepare(ctx context.Context) (measured, error)
	// times are the milliseconds of the runs of one round.
	times(ctx context.Context, w window) ([]float64, error)
	release()
}

// measured are the rounds of a series: the figure of each, in milliseconds.
type measured struct {
	Note   string    `json:"note,omitempty"`
	Rounds []float64 `json:"rounds_ms,omitempty"`
	// Rate, divided by milliseconds, is the figure in Unit, where that is
	// not the time.
	Rate float64 `json:"rate,omitempty"`
	Unit string  `json:"unit,omitempty"`
	// Error says why there are none.
	Error string `json:"error,omitempty"`
}

// measure sets up all series and runs them in turn, each round in the other
// direction than the one before, so that what changes on the machine hits all
// alike. A series that its peer cannot do is left out and says why.
func measure(ctx context.Context, all []series, rounds int, w window) ([]measured, error) {
	ms := make([]measured, len(all))
	defer func() {
		for _, s := range all {
			s.release()
		}
		debug.FreeOSMemory()
	}()
	each := func(backwards bool, do func(s series, m *measured) error) error {
		for k := range all {
			i := k
			if backwards {
				i = len(all) - 1 - k
			}
			if ms[i].Error != "" {
				continue
			}
			err := do(all[i], &ms[i])
			if errors.Is(err, errPeer) {
				ms[i] = measured{Error: err.Error()}
				continue
			}
			if err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	err := each(false, func(s series, m *measured) (err error) {
		*m, err = s.prepare(ctx)
		return err
	})
	for r := 0; r < rounds && err == nil; r++ {
		err = each(r%2 == 1, func(s series, m *measured) error {
			ts, err := s.times(ctx, w)
			if err == nil {
				m.Rounds = append(m.Rounds, w.figure(ts))
			}
			return err
		})
	}
	return ms, err
}

// median returns the middle of v, the mean of the two in the middle of an
// even number; v is not changed.
func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	if len(s) == 0 {
		return 0
	}
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// own is a figure of this process.
type own struct {
	b       backend.Backend
	figure  string
	isa     string // the best that may be used, "" for all
	threads int
	f       *bench.Figure
}

// bounded calls do with the threads and instruction set of the series.
func (o *own) bounded(do func() error) error {
	before := runtime.GOMAXPROCS(o.threads)
	defer runtime.GOMAXPROCS(before)
	if o.isa != "" {
		was := cpu.MaxISA()
		if err := cpu.SetMaxISA(o.isa); err != nil {
			return err
		}
		defer func() { _ = cpu.SetMaxISA(was) }() // It was right before.
	}
	return do()
}

func (o *own) prepare(ctx context.Context) (m measured, err error) {
	err = o.bounded(func() error {
		m.Note = cpu.ISA()
		if o.f, err = bench.OpenFigure(ctx, o.b, o.figure); err != nil {
			return err
		}
		if u := o.f.Unit(); u != "ms" {
			m.Unit, m.Rate = u, o.f.Value(1)
		}
		return nil
	})
	return m, err
}

func (o *own) times(ctx context.Context, w window) (ts []float64, err error) {
	err = o.bounded(func() error {
		ts, err = o.f.Times(ctx, bench.Options{Warmup: w.warmup, MinTime: w.time, MinRuns: w.minRuns, MaxRuns: w.maxRuns})
		return err
	})
	return ts, err
}

func (o *own) release() { o.f = nil }

// theirs is a figure of a peer, which is started when it is first needed.
type theirs struct {
	peers   *peers
	process string
	figure  string
	threads int
	p       *peer
}

func (t *theirs) prepare(ctx context.Context) (measured, error) {
	p, err := t.peers.get(ctx, t.process, t.threads)
	if err != nil {
		return measured{}, err
	}
	note, err := p.open(t.figure, t.threads)
	if err == nil {
		t.p = p
	}
	return measured{Note: note}, err
}

func (t *theirs) times(_ context.Context, w window) ([]float64, error) { return t.p.times(t.figure, w) }

func (t *theirs) release() {
	if t.p != nil {
		_ = t.p.free() // A peer that is gone has nothing to free.
		t.p = nil
	}
}

// peers are the processes that were started, by name and threads.
type peers struct {
	// command returns what runs a process, and more of its environment.
	command func(process string) (command, env []string)
	running map[string]*peer
}

func (ps *peers) get(ctx context.Context, process string, threads int) (*peer, error) {
	key := fmt.Sprintf("%s, threads=%d", process, threads)
	if p := ps.running[key]; p != nil {
		return p, nil
	}
	command, env := ps.command(process)
	p, err := startPeer(ctx, process, peerEnv(os.Environ(), threads, env...), command...)
	if err != nil {
		return nil, err
	}
	if ps.running == nil {
		ps.running = map[string]*peer{}
	}
	ps.running[key] = p
	return p, nil
}

// versions returns what each process says of itself, in the order of their
// names.
func (ps *peers) versions() []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(ps.running)) {
		facts := ps.running[key].facts
		var said []string
		for _, f := range slices.Sorted(maps.Keys(facts)) {
			said = append(said, fmt.Sprintf("%s %v", f, facts[f]))
		}
		all = append(all, key+": "+strings.Join(said, ", "))
	}
	return all
}

// close ends all processes.
func (ps *peers) close() {
	for _, p := range ps.running {
		p.close()
	}
	ps.running = nil
}
