// Package bench measures models on targets and shows what it found: latency,
// throughput, accuracy, size and memory, as a table, as JSON, and as one HTML
// file with plots.
package bench

import (
	"time"

	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// Report is everything one run found out.
type Report struct {
	Title   string    `json:"title"`
	Command string    `json:"command"`
	Created time.Time `json:"created"`
	Machine Machine   `json:"machine"`
	Data    string    `json:"data,omitempty"`
	// Rows compare models on targets; the first is the reference.
	Rows []Row `json:"rows"`
	// Curves are trainings, Bits accuracies by bit width.
	Curves []Curve     `json:"curves,omitempty"`
	Bits   []BitsPoint `json:"bits,omitempty"`
	// Tensors are the quantized tensors of the main model.
	Tensors []qat.TensorReport `json:"tensors,omitempty"`
	Notes   []string           `json:"notes,omitempty"`
}

// Machine is where a report was made.
type Machine struct {
	CPU   string `json:"cpu"`
	Cores int    `json:"cores"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Go    string `json:"go"`
	ISA   string `json:"isa"`
}

// Row is one model on one target.
type Row struct {
	Model  string `json:"model"`
	Target string `json:"target"`
	// Accuracy is top-1 from 0 to 1 and Loss the mean loss, nil when not
	// measured.
	Accuracy  *float64 `json:"accuracy,omitempty"`
	Loss      *float64 `json:"loss,omitempty"`
	FileBytes int64    `json:"file_bytes"`
	// PeakBytes is the memory of the program: parameters, constants and the
	// arena of intermediate values.
	PeakBytes int64   `json:"peak_bytes"`
	Latency   Latency `json:"latency"`
	Note      string  `json:"note,omitempty"`
}

// Latency is the time of one run of Batch samples.
type Latency struct {
	Batch  int `json:"batch"`
	Warmup int `json:"warmup"`
	Runs   int `json:"runs"`
	// Times are in milliseconds.
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	Mean float64 `json:"mean_ms"`
	// Throughput is samples a second at the median.
	Throughput float64 `json:"samples_per_s"`
}

// Curve is one training.
type Curve struct {
	Name   string            `json:"name"`
	Losses []float64         `json:"losses"` // One a step.
	Rates  []float64         `json:"rates,omitempty"`
	Epochs []train.EpochInfo `json:"epochs"`
}

// BitsPoint is an accuracy at a bit width.
type BitsPoint struct {
	Weights     int     `json:"weights"`
	Activations int     `json:"activations"`
	Method      string  `json:"method"` // "float", "ptq" or "qat".
	Accuracy    float64 `json:"accuracy"`
}
