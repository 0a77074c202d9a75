package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// sampleReport is a report with everything in it.
func sampleReport() *Report {
	r := &Report{
		Title: "cnn on digits", Command: "goqat demo", Created: time.Date(2026, 11, 23, 14, 5, 6, 0, time.UTC), Data: "digits",
		Machine: Machine{CPU: "A Processor @ 2.00GHz", Cores: 2, OS: "linux", Arch: "amd64", Go: "go1.26", ISA: "avx512vnni"},
		Notes:   []string{"Whole run: 61 s."},
	}
	row := func(model, target string, acc, ms float64, bytes, mem int64, note string) {
		loss := 0.06
		r.Rows = append(r.Rows, Row{Model: model, Target: target, Accuracy: &acc, Loss: &loss, FileBytes: bytes, PeakBytes: mem, Note: note,
			Latency: Latency{Batch: 1, Warmup: 5, Runs: int(1000 / ms), P50: ms, P90: ms * 1.07, P99: ms * 1.6, Mean: ms * 1.03, Throughput: 1000 / ms}})
	}
	row("float", "cpu float32", 0.9835, 0.412, 97_412, 412_000, "")
	row("qat W8A8", "onnx-qdq", 0.9830, 0.151, 34_711, 131_100, "converted = trained")
	row("qat W8A8", "onnx-qoperator", 0.9830, 0.149, 31_904, 131_100, "converted = trained")
	row("qat W8A8", "tflite", 0.9840, 0.158, 30_112, 131_900, "converted = trained")
	row("qat W8A8", "ethosu", 0.9840, 0.158, 30_400, 131_900, "converted = trained")
	row("qat W8A8", "tensorcore-cpu", 0.9830, 0.081, 36_010, 141_000, "converted = trained")
	row("qat W8A8", "cmsis-nn", 0.9840, 0.162, 33_212, 131_900, "converted = trained")
	r.Rows = append(r.Rows, Row{Model: "qat W8A8", Target: "nvdla", Note: "target: nvdla cannot take this model (2 violations):\n  block1: the zero point is not 0\n  pool: a window of 7x7"})
	acc := func(w, a int, method string, v float64) {
		r.Bits = append(r.Bits, BitsPoint{w, a, method, v})
	}
	acc(32, 32, "float", 0.9835)
	acc(8, 8, "ptq", 0.9825)
	acc(4, 8, "ptq", 0.9705)
	acc(4, 8, "qat", 0.9815)
	acc(4, 4, "ptq", 0.8811)
	acc(4, 4, "qat", 0.9745)
	acc(2, 4, "ptq", 0.4102)
	acc(2, 4, "qat", 0.9433)
	acc(8, 8, "qat", 0.9830)
	rng := rand.New(rand.NewPCG(4, 4))
	curve := func(name string, epochs, steps int, from, to float64) {
		c := Curve{Name: name}
		for i := range steps * epochs {
			f := float64(i) / float64(steps*epochs)
			c.Losses = append(c.Losses, (to+(from-to)*math.Exp(-6*f))*(1+0.3*rng.NormFloat64()*f*0.5))
			c.Rates = append(c.Rates, 0.1*(1-f))
		}
		for e := range epochs {
			c.Epochs = append(c.Epochs, train.EpochInfo{Epoch: e + 1, Step: int64(steps * (e + 1)), Loss: to, Accuracy: 0.99 - 0.2*to - 0.05*math.Exp(-float64(e)), ValLoss: to})
		}
		r.Curves = append(r.Curves, c)
	}
	curve("float", 5, 140, 2.2, 0.05)
	curve("qat W4A8", 2, 140, 0.12, 0.06)
	curve("qat W4A4", 2, 140, 0.5, 0.09)
	curve("qat W2A4", 2, 140, 1.4, 0.2)
	curve("qat onnx-qdq", 2, 140, 0.07, 0.05)
	for i, name := range []string{"input", "block1.conv.weight", "block1.relu", "block2.conv.weight", "block2.relu", "block3.conv.weight", "block3.relu", "pool", "linear.weight", "logits"} {
		t := qat.TensorReport{Name: name, Weight: i%2 == 1 && i < 9 && name != "pool", Scheme: "uint8 affine per_tensor", SQNR: 44 - 1.7*float64(i), Counts: make([]int, 64)}
		t.Weight = len(name) > 6 && name[len(name)-6:] == "weight"
		if t.Weight {
			t.Scheme, t.Min, t.Max, t.Lo, t.Hi = "int8 symmetric narrow per_channel(0)", -0.61, 0.55, -0.61, 0.61
		} else {
			t.Min, t.Max, t.Lo, t.Hi = 0, 4.9, 0, 3.7
		}
		if name == "input" || name == "logits" {
			t.Min, t.Max, t.Lo, t.Hi = -2.1, 2.8, -2.0, 2.55
		}
		for range 40_000 {
			v := rng.NormFloat64() * (t.Max - t.Min) / 8
			if t.Min < 0 {
				v += (t.Max + t.Min) / 2
			}
			b := int((v - t.Min) / (t.Max - t.Min) * 64)
			t.Counts[min(max(b, 0), 63)]++
		}
		t.Scale = [2]float64{(t.Hi - t.Lo) / 255, (t.Hi - t.Lo) / 255}
		r.Tensors = append(r.Tensors, t)
	}
	r.Tensors[7].SQNR = 200
	return r
}

var _ = fmt.Sprint
