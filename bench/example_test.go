package bench_test

import (
	"os"

	"github.com/goqat/goqat/bench"
)

// A report as a table of a terminal: columns that no row fills are left out,
// and a refused model says why below.
func ExampleReport_WriteTable() {
	accuracy := []float64{0.9835, 0.983}
	r := bench.Report{
		Rows: []bench.Row{
			{Model: "float", Target: "cpu float32", Accuracy: &accuracy[0], FileBytes: 97412, PeakBytes: 4 << 20,
				Latency: bench.Latency{Batch: 1, Runs: 2400, P50: 0.412, P90: 0.44, P99: 0.661, Throughput: 2427.2}},
			{Model: "qat W8A8", Target: "tensorcore-cpu", Accuracy: &accuracy[1], FileBytes: 36010, PeakBytes: 141000, Note: "converted = trained",
				Latency: bench.Latency{Batch: 1, Runs: 12000, P50: 0.081, P90: 0.0867, P99: 0.13, Throughput: 12345.7}},
			{Model: "qat W8A8", Target: "nvdla", Note: "2 violations:\n  block1: the zero point is not 0\n  pool: a window of 7x7"},
		},
		Bits: []bench.BitsPoint{
			{Weights: 32, Activations: 32, Method: "float", Accuracy: 0.9835},
			{Weights: 4, Activations: 4, Method: "qat", Accuracy: 0.9745},
			{Weights: 8, Activations: 8, Method: "ptq", Accuracy: 0.9825},
			{Weights: 4, Activations: 4, Method: "ptq", Accuracy: 0.8811},
		},
	}
	r.WriteTable(os.Stdout)
	// Output:
	// model     target          accuracy  p50 ms  p90 ms  p99 ms  samples/s      size     memory  note
	// --------  --------------  --------  ------  ------  ------  ---------  --------  ---------  -------------------
	// float     cpu float32      98.35 %   0.412   0.440   0.661       2427  95.1 KiB   4.00 MiB
	// qat W8A8  tensorcore-cpu   98.30 %  0.0810  0.0867   0.130      12346  35.2 KiB  137.7 KiB  converted = trained
	// qat W8A8  nvdla                  -       -       -       -          -         -          -  see below
	//
	// qat W8A8 on nvdla:
	//   2 violations:
	//   block1: the zero point is not 0
	//   pool: a window of 7x7
	//
	// bits       float      ptq      qat
	// -------  -------  -------  -------
	// float32  98.35 %        -        -
	// W8A8           -  98.25 %        -
	// W4A4           -  88.11 %  97.45 %
}
