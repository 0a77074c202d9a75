package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/gpu"
	"github.com/goqat/goqat/train"
	"github.com/goqat/goqat/train/checkpoint"
)

// A fault of the GPU such as an illegal address ends the use of the device
// for the whole process. So a training on the GPU runs in a worker: this
// program again, with workerEnv set. When a worker loses the device, a fresh
// one goes on from the newest checkpoint, bit for bit.
const (
	workerEnv = "GOQAT_WORKER"
	// exitLost is how a worker says that it lost the device; users see it
	// never.
	exitLost = 75
	// maxLosses is how often a device may be lost without a new checkpoint.
	maxLosses = 3
)

// worker reports whether this process is a worker.
func worker() bool { return os.Getenv(workerEnv) != "" }

// onGPU reports whether --backend takes a GPU.
func (a *app) onGPU() bool {
	if a.backend == "auto" || a.backend == "" {
		return gpu.Available() == nil
	}
	name, _, _ := strings.Cut(a.backend, ":")
	return name == "gpu" && !errors.Is(gpu.Available(), backend.ErrNotBuilt)
}

// trained runs a training whose results go to out: here, or on a GPU in
// workers.
func (a *app) trained(ctx context.Context, out string, run func() error) error {
	if worker() || !a.onGPU() {
		return run()
	}
	s := supervisor{start: startWorker, newest: func() int64 { return newestStep(out) }, note: a.note, out: out}
	return s.run(ctx)
}

// supervisor runs workers until one does not lose the device.
type supervisor struct {
	// start runs a worker to its end and returns its exit code; resume makes
	// it go on from the newest checkpoint.
	start  func(ctx context.Context, resume bool) (int, error)
	newest func() int64 // Step of the newest checkpoint, 0 for none.
	note   func(format string, v ...any)
	out    string
}

func (s *supervisor) run(ctx context.Context) error {
	losses, at := 0, s.newest()
	resume := false
	for {
		code, err := s.start(ctx, resume)
		if err != nil {
			return fmt.Errorf("training: worker: %w", err)
		}
		switch code {
		case exitDone:
			return nil
		case exitLost:
		default:
			return &workerError{code} // It has said why.
		}
		if n := s.newest(); n > at {
			losses, at = 0, n
		}
		if losses++; losses > maxLosses {
			return fmt.Errorf("training: the device was lost %d times without a new checkpoint; the work up to step %d is in %s: --resume goes on from there, --save-every makes the steps between checkpoints fewer", losses, at, s.out)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("training: stopped after the device was lost; the work up to step %d is in %s", at, s.out)
		}
		if at > 0 {
			s.note("the device was lost: a fresh process goes on from the checkpoint of step %d", at)
		} else {
			s.note("the device was lost before the first checkpoint: a fresh process starts again")
		}
		resume = true
	}
}

// workerError is the end of a worker that has printed its own error.
type workerError struct{ code int }

func (w *workerError) Error() string { return "worker ended with code " + strconv.Itoa(w.code) }

// startWorker runs this program again with the same arguments.
func startWorker(ctx context.Context, resume bool) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := slices.Clone(os.Args)
	if resume && !slices.Contains(args, "--resume") && !slices.Contains(args, "--resume=true") {
		args = append(args, "--resume")
	}
	c := exec.Command(self)
	c.Args = args
	c.Env = append(os.Environ(), workerEnv+"=1")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The worker dies with this process: the signal for that is bound to the
	// thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	dieTogether(c)
	// Ctrl-C reaches the worker from the terminal, too; other signals are
	// passed on. This process waits for the worker to save its work.
	sig := make(chan os.Signal, 4)
	signal.Notify(sig, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(sig)
	if err := c.Start(); err != nil {
		return 0, err
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-sig:
				_ = c.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	if ctx.Err() != nil { // The signal came before there was a worker.
		_ = c.Process.Signal(syscall.SIGTERM)
	}
	err = c.Wait()
	close(ended)
	var e *exec.ExitError
	if errors.As(err, &e) {
		if e.ExitCode() < 0 {
			return 0, fmt.Errorf("%v", e) // Killed by a signal.
		}
		return e.ExitCode(), nil
	}
	return 0, err
}

// newestStep returns the step of the newest checkpoint, 0 when there is none.
func newestStep(out string) int64 {
	gs, err := checkpoint.List(train.CheckpointDir(out))
	if err != nil {
		return 0
	}
	var step int64
	for _, g := range gs {
		step = max(step, g.Step)
	}
	return step
}
