package bench

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// eachISA runs bench for every instruction set of the machine, as the best
// that may be used, that changes what any kernel uses.
func eachISA(b *testing.B, name string, bench func(b *testing.B)) {
	before := cpu.MaxISA()
	defer func() { _ = cpu.SetMaxISA(before) }() // It was right before.
	var last []cpu.KernelISA
	for _, s := range cpu.InstructionSets() {
		if !s.Usable || s.Masked {
			continue
		}
		if err := cpu.SetMaxISA(s.Name); err != nil {
			b.Fatal(err)
		}
		if used := cpu.KernelISAs(); !slices.Equal(used, last) {
			last = used
			b.Run(name+"/isa="+s.Name, bench)
		}
		if err := cpu.SetMaxISA(before); err != nil { // Masked is what before says.
			b.Fatal(err)
		}
	}
}

// benchRun times what prepare returns.
func benchRun(b *testing.B, batch int, prepare func() (func(i int) error, error)) {
	run, err := prepare()
	if err != nil {
		b.Fatal(err)
	}
	for i := range 2 { // What is made in the first run is not of interest.
		if err := run(i); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := run(i); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric(float64(batch)*float64(b.N)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkStep is whole training steps: in float, quantized while ranges are
// observed, and quantized on the deployed integers.
func BenchmarkStep(b *testing.B) {
	be, err := backend.Open("cpu")
	if err != nil {
		b.Fatal(err)
	}
	defer be.Close()
	for _, model := range []string{"cnn", "mlp"} {
		for _, kind := range stepKinds {
			eachISA(b, fmt.Sprintf("model=%s/kind=%s/batch=%d", model, kind, stepBatch), func(b *testing.B) {
				benchRun(b, stepBatch, func() (func(int) error, error) { return stepRun(b.Context(), be, model, kind, stepBatch) })
			})
		}
	}
}

// BenchmarkInference is runs of a session, in float and on integers.
func BenchmarkInference(b *testing.B) {
	be, err := backend.Open("cpu")
	if err != nil {
		b.Fatal(err)
	}
	defer be.Close()
	for _, m := range []struct {
		models  string
		sample  tensor.Shape
		classes int
		batch   int
	}{
		{"cnn mlp", tensor.Shape{28, 28, 1}, 10, 128},
		{"mobilenetv2 resnet18", tensor.Shape{224, 224, 3}, 1000, 1},
	} {
		for _, model := range strings.Fields(m.models) {
			for _, kind := range []string{"float", "int8"} {
				d := noise{n: max(2*m.batch, 4), shape: m.sample, classes: m.classes}
				g, err := inferGraph(b.Context(), be, model, kind == "int8", d)
				if err != nil {
					b.Fatal(err)
				}
				eachISA(b, fmt.Sprintf("model=%s/kind=%s/batch=%d", model, kind, m.batch), func(b *testing.B) {
					benchRun(b, m.batch, func() (func(int) error, error) { return sessionRun(b.Context(), be, g, d, m.batch) })
				})
			}
		}
	}
}
