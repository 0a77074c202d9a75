// Finetune trains a float ONNX model further on integers and writes it as an
// ONNX file of QuantizeLinear and DequantizeLinear pairs. Without a file it
// writes one first.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"path/filepath"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

func main() {
	model := flag.String("model", "", "float ONNX model of one input and one output; made when empty")
	out := flag.String("out", ".", "folder for the results")
	epochs := flag.Int("epochs", 3, "epochs of quantization-aware training")
	samples := flag.Int("samples", 0, "use at most so many samples, 0 for all")
	flag.Parse()
	if err := run(context.Background(), *model, *out, *epochs, *samples); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, model, out string, epochs, samples int) error {
	set, err := data.Open(ctx, "digits", data.Options{Normalize: true, MaxSamples: samples})
	if err != nil {
		return err
	}
	b, err := backend.Open("auto")
	if err != nil {
		return err
	}
	defer b.Close()
	if model == "" {
		model = filepath.Join(out, "model.onnx")
		if err := write(model, set); err != nil {
			return err
		}
	}
	float, _, err := onnx.ReadFile(model, onnx.ReadOptions{})
	if err != nil {
		return err
	}
	// Training knows the input and the output by these names.
	float, err = graph.Rename(float, map[string]string{float.Inputs()[0].Name(): train.InputName, float.Outputs()[0].Name: train.OutputName})
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
	steps := int64(epochs * (set.Train.Len() / c.Batch))
	r, err := train.Fit(ctx, prepared, c, train.Options{State: state, Train: set.Train, Val: set.Val, Phases: config.Phases(steps), EvalMode: graph.Eval})
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
	path := filepath.Join(out, "model.qdq.onnx")
	fmt.Printf("accuracy %.2f %%, written to %s\n", 100*r.History[len(r.History)-1].Accuracy, path)
	return onnx.WriteFile(path, converted.Graph, onnx.WriteOptions{Form: onnx.FormQDQ})
}

// write makes a float model to start from.
func write(path string, set *data.Splits) error {
	g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), 1)
	if err != nil {
		return err
	}
	return onnx.WriteFile(path, g, onnx.WriteOptions{})
}
