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
)

// A training on the GPU runs in a worker: this program again, with workerEnv
// set. See train.Supervisor for why.
const (
	workerEnv = "GOQAT_WORKER"
	// exitLost is how a worker says that it lost the device; users never see
	// it.
	exitLost = 75
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
	s := train.Supervisor{Dir: out, Worker: runWorker, Note: func(n string) { a.note("%s", n) }}
	return s.Run(ctx)
}

// workerError is the end of a worker that has printed its own error.
type workerError struct{ code int }

func (w *workerError) Error() string { return "worker ended with code " + strconv.Itoa(w.code) }

// runWorker runs this program again with the same arguments.
func runWorker(ctx context.Context, resume bool) error {
	code, err := startWorker(ctx, resume)
	switch {
	case err != nil:
		return fmt.Errorf("training: worker: %w", err)
	case code == exitLost:
		return fmt.Errorf("training: worker: %w", backend.ErrLost)
	case code != exitDone:
		return &workerError{code} // It has said why.
	}
	return nil
}

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
			return 0, e // Killed by a signal.
		}
		return e.ExitCode(), nil
	}
	return 0, err
}
