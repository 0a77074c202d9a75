package qat_test

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"
)

// points is a data set of pairs without labels.
type points [][2]float32

func (p points) Len() int             { return len(p) }
func (p points) Shape() tensor.Shape  { return tensor.Shape{2} }
func (p points) Classes() int         { return 0 }
func (p points) ClassNames() []string { return nil }
func (p points) Sample(i int, x []float32) (int32, error) {
	copy(x, p[i][:])
	return 0, nil
}

// Example_quantization follows a linear layer of two inputs and two outputs
// from its float weights to the numbers that an integer kernel holds.
// docs/quantization.md explains the result.
func Example_quantization() {
	ctx := context.Background()
	cpu, _ := backend.Open("cpu")

	// y = relu(W x + b)
	g := graph.New()
	x := g.Input("input", tensor.Of(tensor.F32, 1, 2))
	w := g.Param("fc.weight", tensor.FromF32([]float32{0.5, -1, 2, 0.25}, 2, 2)) // [out, in]
	b := g.Param("fc.bias", tensor.FromF32([]float32{0.1, -0.2}, 2))
	g.Output("y", g.Apply(backend.Relu{}, g.Apply(backend.Gemm{}, x, w, b)))

	config := qat.Default()
	prepared, _ := qat.Prepare(g, config)
	seen := points{{-1, -0.5}, {1.55, 0.2}, {0.4, 1}, {0, 0}}
	state, _ := qat.Calibrate(ctx, prepared, seen, qat.DataOptions{Backend: cpu})
	_ = state.StoreTo(ctx, prepared)
	model, _ := qat.Convert(ctx, prepared, config, cpu)

	for _, n := range model.Graph.Nodes() {
		l, ok, _ := target.LayerOf(n)
		if !ok {
			continue
		}
		fmt.Printf("x: scale %.4f zero %d\n", l.XScale, l.XZero)
		fmt.Printf("w: codes %v scales %.6f\n", l.Weights.I8(), l.WScale)
		fmt.Printf("bias: %d\n", l.Bias)
		fmt.Printf("y: scale %.5f zero %d, codes %d to %d\n", l.YScale, l.YZero, l.Lo, l.Hi)

		// The second output for x = (0.4, 1), by hand.
		q0, _ := quant.ONNX.Quantize(0.4, l.XScale, l.XZero, 0, 255)
		q1, _ := quant.ONNX.Quantize(1, l.XScale, l.XZero, 0, 255)
		acc := (q0-l.XZero)*int32(l.Weights.I8()[2]) + (q1-l.XZero)*int32(l.Weights.I8()[3]) + l.Bias[1]
		m := quant.ONNX.NewMultiplier(l.XScale, l.WScale[1], l.YScale)
		y, _ := quant.ONNX.Requantize(acc, m, l.YZero, l.Lo, l.Hi)
		fmt.Printf("x codes %d %d, sum %d, times %.6f, y code %d, real %.4f\n", q0, q1, acc, m.Real(), y, l.YScale*float32(y-l.YZero))
	}
	// Output:
	// x: scale 0.0100 zero 100
	// w: codes [64 -127 127 16] scales [0.007874 0.015748]
	// bias: [1270 -1270]
	// y: scale 0.01157 zero 0, codes 0 to 255
	// x codes 140 200, sum 5410, times 0.013613, y code 74, real 0.8561
}
