package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"
)

// peer is a process that answers requests, as protocol.py describes them.
type peer struct {
	name   string
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	errors *tail
	// facts are what the peer says of itself: versions, instruction sets.
	facts map[string]any
}

// request is a line to a peer.
type request struct {
	Do      string  `json:"do"`
	Figure  string  `json:"figure,omitempty"`
	Threads int     `json:"threads,omitempty"`
	Warmup  int     `json:"warmup"`
	MinMS   float64 `json:"min_ms"`
	MinRuns int     `json:"min_runs"`
	MaxRuns int     `json:"max_runs"`
}

// answer is a line from a peer.
type answer struct {
	Error string         `json:"error"`
	Note  string         `json:"note"`
	MS    []float64      `json:"ms"`
	Facts map[string]any `json:"facts"`
}

// errPeer is the cause when a peer cannot do what it is asked, but goes on.
var errPeer = errors.New("the peer cannot")

// limiting are the beginnings of variables that would make a peer slower than
// it is, or choose its kernels.
var limiting = []string{"OPENBLAS_", "MKL_", "OMP_", "KMP_", "GOMP_", "ONEDNN_", "DNNL_", "ATEN_CPU_", "TORCH_"}

// peerEnv returns the environment of a peer with a number of threads: that of
// this process without what limits peers, and more.
func peerEnv(env []string, threads int, more ...string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return slices.ContainsFunc(limiting, func(p string) bool { return strings.HasPrefix(v, p) })
	})
	return append(append(env, fmt.Sprintf("OMP_NUM_THREADS=%d", threads), "PYTHONDONTWRITEBYTECODE=1"), more...)
}

// startPeer starts a program as a peer and greets it. The process ends with
// ctx or with close.
func startPeer(ctx context.Context, name string, env []string, command ...string) (*peer, error) {
	p := &peer{name: name, cmd: exec.CommandContext(ctx, command[0], command[1:]...), errors: &tail{}}
	p.cmd.Env, p.cmd.Stderr, p.cmd.WaitDelay = env, p.errors, 10*time.Second
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.in, p.out = in, bufio.NewReaderSize(out, 1<<16)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	a, err := p.ask(request{Do: "hello"})
	if err != nil {
		p.close()
		return nil, err
	}
	p.facts = a.Facts
	return p, nil
}

// ask sends a request and waits for its answer.
func (p *peer) ask(r request) (answer, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w", p.name, err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return answer{}, p.gone(err)
	}
	line, err = p.out.ReadBytes('\n')
	if err != nil {
		return answer{}, p.gone(err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return answer{}, fmt.Errorf("%s: answer %.80q: %w", p.name, line, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %w: %s", p.name, errPeer, a.Error)
	}
	return a, nil
}

// gone describes the end of a peer that was not asked for. It waits for the
// process, as what it said last may still be on its way.
func (p *peer) gone(err error) error {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	return fmt.Errorf("%s: ended: %w\n%s", p.name, err, p.errors)
}

// open sets up a figure and returns what the peer says of how it does it.
func (p *peer) open(figure string, threads int) (string, error) {
	a, err := p.ask(request{Do: "open", Figure: figure, Threads: threads})
	return a.Note, err
}

// times returns the milliseconds of runs of a figure that is open.
func (p *peer) times(figure string, w window) ([]float64, error) {
	a, err := p.ask(request{Do: "time", Figure: figure, Warmup: w.warmup, MinMS: float64(w.time) / float64(time.Millisecond), MinRuns: w.minRuns, MaxRuns: w.maxRuns})
	if err == nil && len(a.MS) == 0 {
		err = fmt.Errorf("%s: %w: an answer without times", p.name, errPeer)
	}
	return a.MS, err
}

// free lets the peer forget its figures.
func (p *peer) free() error {
	_, err := p.ask(request{Do: "close"})
	return err
}

// close ends the process.
func (p *peer) close() {
	p.in.Close()
	_ = p.cmd.Wait() // How it ends is of no interest any more.
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const most = 2000
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if extra := len(t.b) - most; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
