// Command goqat trains, quantizes, converts and measures neural networks.
//
// Run "goqat help" for the verbs and "goqat demo" for all of them at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	_ "github.com/goqat/goqat/npu/onnxqdq"
	_ "github.com/goqat/goqat/npu/tflite"
	_ "github.com/goqat/goqat/tensorcore"
)

// Exit codes of the command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(Main(os.Args[1:])) }

// Main runs the command with the given arguments and returns the exit code.
func Main(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second Ctrl-C ends the process at once.
	context.AfterFunc(ctx, stop)
	a := &app{out: os.Stdout, err: os.Stderr}
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var w *workerError
	if errors.As(err, &w) {
		return w.code
	}
	fmt.Fprintln(os.Stderr, "goqat:", strings.TrimSpace(err.Error()))
	if worker() && errors.Is(err, backend.ErrLost) {
		return exitLost
	}
	var u *usageError
	if errors.As(err, &u) {
		return exitUsage
	}
	return exitFailed
}
