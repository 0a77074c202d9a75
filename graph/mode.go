package graph

import "github.com/goqat/goqat/backend"

// Ranges says what quantizer ranges do in a mode.
type Ranges uint8

// The states of quantizer ranges.
const (
	// RangesFrozen keeps scales and zero points as they are stored.
	RangesFrozen Ranges = iota
	// RangesObserve updates observers and scales at every step.
	RangesObserve
	// RangesCalibrate updates observers only, those of learned scales too.
	RangesCalibrate
)

// Quantizing says how quantizers run in a mode.
type Quantizing uint8

// The ways quantizers run.
const (
	// QuantizeOff lets values through: a float model, or quantization that
	// has not started yet.
	QuantizeOff Quantizing = iota
	// QuantizeFloat runs quantize-dequantize in float and float operations
	// between: the reference.
	QuantizeFloat
	// QuantizeInteger runs layers on integer codes.
	QuantizeInteger
)

// Mode selects what a program computes from one and the same graph.
type Mode struct {
	// Train uses batch statistics and dropout, and keeps what the backward
	// pass needs.
	Train bool
	// FreezeBN makes batch normalization use its running statistics in
	// training too.
	FreezeBN bool
	// Ranges and Quantize govern the quantizers.
	Ranges   Ranges
	Quantize Quantizing
	// Backward is the precision of the backward pass of layers on codes.
	Backward backend.GradPrecision
}

// Deployed reports whether layers run with the deployed epilogue: codes in,
// int32 accumulator and bias, codes out.
func (m Mode) Deployed() bool {
	return m.Quantize == QuantizeInteger && m.Ranges == RangesFrozen && (m.FreezeBN || !m.Train)
}

// Eval is the mode of a model in use, with its quantizers on integers.
var Eval = Mode{Quantize: QuantizeInteger}

// EvalFloat is evaluation with quantizers off.
var EvalFloat = Mode{}
