// Finetune trains a float ONNX model, of input "input" and output "logits", on
// integers and writes it in QDQ form. Without a file it makes one first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

func main() {
	model := flag.String("model", "", "float ONNX model; made when empty")
	out := flag.String("out", ".", "folder for the results")
	epochs := flag.Int("epochs", 3, "epochs of quantization-aware training")
	flag.Parse()
	if err := run(context.Background(), *model, *out, *epochs, 0); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, model, out string, epochs, samples int) error {
	set, err := data.Open(ctx, "digits", data.Options{Normalize: true, MaxSamples: samples})
	b, err2 := backend.Open("auto")
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	defer b.Close()
	if model == "" {
		model = out + "/model.onnx"
		g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), 1)
		if err != nil {
			return err
		}
		if err := onnx.WriteFile(model, g, onnx.WriteOptions{}); err != nil {
			return err
		}
	}
	float, _, err := onnx.ReadFile(model, onnx.ReadOptions{})
	if err != nil {
		return err
	}
	config := qat.Default()
	prepared, err := qat.Prepare(float, config)
	if err != nil {
		return err
	}
	state, err := qat.Calibrate(ctx, prepared, set.Train, qat.DataOptions{Backend: b})
	if err != nil {
		return err
	}
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.LR = epochs, 64, 0.05
	o := train.Options{State: state, Train: set.Train, Val: set.Val, Phases: config.Phases(int64(epochs * (set.Train.Len() / c.Batch))), EvalMode: graph.Eval}
	r, err := train.Fit(ctx, prepared, c, o)
	if err != nil {
		return err
	}
	if err := state.StoreTo(ctx, prepared); err != nil {
		return err
	}
	converted, err := qat.Convert(ctx, prepared, config, b)
	if err != nil {
		return err
	}
	fmt.Printf("accuracy %.2f %%\n", 100*r.History[len(r.History)-1].Accuracy)
	return onnx.WriteFile(out+"/model.qdq.onnx", converted.Graph, onnx.WriteOptions{Form: onnx.FormQDQ})
}
