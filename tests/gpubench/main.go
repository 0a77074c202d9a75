// Command gpubench measures the GPU backend by nvbench's protocol and writes
// results; scripts/gpu-check.sh calls it on the machine with the GPU.
//
//	gpubench measure -out FILE     the backend's kernels, as JSON
//	gpubench report -dir FOLDER    result.json and result.md of what is there
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gpubench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("say measure or report")
	}
	fs := flag.NewFlagSet(args[0], flag.ContinueOnError)
	switch args[0] {
	case "measure":
		out := fs.String("out", "", "JSON to write")
		tiny := fs.Bool("tiny", false, "sizes of a simulated GPU, to test this program")
		limit := fs.Duration("limit", 150*time.Second, "time for all groups")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		m, err := measure(ctx, *tiny, *limit)
		if err != nil {
			return err
		}
		return writeJSON(*out, m)
	case "report":
		dir := fs.String("dir", "", "folder of the result")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		return report(*dir)
	}
	return fmt.Errorf("unknown mode %q: say measure or report", args[0])
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
