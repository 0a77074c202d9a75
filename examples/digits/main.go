// Digits trains a small network in float, calibrates it, trains it on
// integers, converts it, and measures each step.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

func main() {
	epochs := flag.Int("epochs", 3, "epochs of float training")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *epochs); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, epochs int) error {
	set, err := data.Open(ctx, "digits", data.Options{Normalize: true})
	if err != nil {
		return err
	}
	b, err := backend.Open("auto")
	if err != nil {
		return err
	}
	defer b.Close()

	// Float training.
	model, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), 1)
	if err != nil {
		return err
	}
	c := train.DefaultConfig()
	c.Epochs = epochs
	float, err := train.Fit(ctx, model, c, train.Options{Backend: b, Train: set.Train, Val: set.Val})
	if err != nil {
		return err
	}
	show("float", float.History[len(float.History)-1].Accuracy)
	if err := float.State.StoreTo(ctx, model); err != nil {
		return err
	}

	// Quantizers, calibration (this is PTQ), then training on integers.
	config := qat.Default()
	prepared, err := qat.Prepare(model, config)
	if err != nil {
		return err
	}
	state, err := qat.Calibrate(ctx, prepared, set.Train, qat.DataOptions{Backend: b})
	if err != nil {
		return err
	}
	ptq, err := train.Evaluate(ctx, prepared, set.Val, train.EvalOptions{State: state, Mode: graph.Eval})
	if err != nil {
		return err
	}
	show("post-training quantization", ptq.Accuracy)
	c.Epochs, c.LR = max(epochs/2, 1), c.LR/10
	steps := int64(c.Epochs * (set.Train.Len() / c.Batch))
	tuned, err := train.Fit(ctx, prepared, c, train.Options{State: state, Train: set.Train, Val: set.Val, Phases: config.Phases(steps), EvalMode: graph.Eval})
	if err != nil {
		return err
	}
	show("quantization-aware training", tuned.History[len(tuned.History)-1].Accuracy)

	// Conversion reads the trained scales; accuracy cannot change.
	if err := tuned.State.StoreTo(ctx, prepared); err != nil {
		return err
	}
	converted, err := qat.Convert(ctx, prepared, config, b)
	if err != nil {
		return err
	}
	m, err := train.Evaluate(ctx, converted.Graph, set.Val, train.EvalOptions{Backend: b, Mode: graph.Eval})
	if err != nil {
		return err
	}
	show("converted to integers", m.Accuracy)
	return nil
}

func show(what string, accuracy float64) { fmt.Printf("%-28s %6.2f %%\n", what, 100*accuracy) }
