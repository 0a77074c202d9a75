// Package tflite is the target "tflite": int8 models in the file format of
// TFLite (LiteRT), TFLite Micro, CMSIS-NN, Vela and the Edge TPU compiler.
//
// Models trained under the rule "tflite" give the codes of TFLite's reference
// kernels bit for bit: quantization that rounds half away from zero, biases
// on the grid of the products, requantization by a Q31 multiplier with double
// rounding. [Read] turns such files back into graphs, those of other makers
// too.
//
// Specification: the TFLite 8-bit quantization specification and schema
// version 3; the slots of its tables are in schema.go.
package tflite

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
)

func init() { target.Register(Target{}) }

// Target is the target "tflite".
type Target struct {
	// FullyConnected writes linear layers as FULLY_CONNECTED instead of as
	// CONV_2D with kernels of one element. CONV_2D gives the codes of the
	// model on every runtime; FULLY_CONNECTED does on TFLite Micro and
	// CMSIS-NN, while LiteRT rounds it once where all its other layers round
	// twice, so that about one code in a thousand moves by 1.
	FullyConnected bool
}

// Name returns "tflite".
func (Target) Name() string { return "tflite" }

// About describes the target in a line.
func (Target) About() string {
	return "int8 TFLite (LiteRT, TFLite Micro, CMSIS-NN, input of Vela and Edge TPU), bit exact with the reference kernels"
}

// Constraints lists what a model must obey.
func (Target) Constraints() []string {
	return []string{
		"arithmetic is that of the rule tflite",
		"activations are int8 codes of all 8 bits, affine, one scale a tensor; a folded clamp is ReLU, ReLU6 or ReLU-1-1",
		"weights are int8 in [-127, 127] (any width up to 8 bits), symmetric, one scale an output channel or one in all",
		"biases are int32 on the grid of input scale times weight scale",
		"scales are positive normal numbers; sums of products fit an int32",
		"inputs and outputs are codes: the first operation quantizes, the last one's result is quantized",
		"operations: conv, depthwise and grouped conv, linear, add, sub, mul, max pool, average pool, global average pool, reshape, flatten, transpose, pad, slice, concat, requantize, leaky relu; sigmoid, tanh and hard swish where the fixed-point kernels give the same codes or with a warning",
		"tensors of pads, slices and transposes have at most 5 dimensions, broadcast ones at most 4",
	}
}

// Config returns what training must obey: int8 affine activations and int8
// symmetric narrow weights per channel under the rule tflite.
func (Target) Config() *qat.Config {
	return &qat.Config{
		Rule:        quant.TFLite.Name,
		Weights:     qat.Quantizer{Scheme: quant.Weights(8), Observer: "minmax"},
		Activations: qat.Quantizer{Scheme: quant.Activations(8, true), Observer: "moving_average"},
		Schedule:    qat.Schedule{FreezeRanges: 0.7, FreezeBN: 0.7},
	}
}

// Check returns every violation.
func (t Target) Check(m *qat.Model) []target.Violation { return lower(m, t).violations }

// Lower makes the file.
func (t Target) Lower(ctx context.Context, m *qat.Model) (target.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l := lower(m, t)
	if err := target.Refuse(t.Name(), l.violations); err != nil {
		return nil, err
	}
	a, err := Open(encode(&l.model))
	if err != nil {
		return nil, fmt.Errorf("tflite: the written file does not read back: %w", err)
	}
	return a, nil
}

// Runnable returns nil: the kernels of this module run the files.
func (Target) Runnable() error { return nil }

// Artifact is a TFLite file with the graph that it holds.
type Artifact struct {
	file  []byte
	graph *graph.Graph
}

// Open reads a file, whose bytes the artifact keeps.
func Open(b []byte) (*Artifact, error) {
	g, err := Read(b)
	if err != nil {
		return nil, err
	}
	return &Artifact{b, g}, nil
}

// Graph returns the graph of the file, as [Read] does.
func (a *Artifact) Graph() *graph.Graph { return a.graph }

// WriteTo writes the file.
func (a *Artifact) WriteTo(w io.Writer) (int64, error) {
	n, err := bytes.NewReader(a.file).WriteTo(w)
	if err != nil {
		return n, fmt.Errorf("tflite: write: %w", err)
	}
	return n, nil
}

// Ext returns ".tflite".
func (a *Artifact) Ext() string { return ".tflite" }

// Open prepares the file's arithmetic: what runs is what the file says.
func (a *Artifact) Open(ctx context.Context, b backend.Backend, batch int) (target.Session, error) {
	return target.OpenGraph(ctx, a.graph, b, batch)
}
