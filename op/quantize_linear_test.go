package op_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// apply32 runs op once on the CPU and returns its outputs.
func apply32(t testing.TB, op backend.Op, in ...*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	specs, bufs := make([]tensor.Spec, len(in)), make([]backend.Buffer, len(in))
	for i, x := range in {
		specs[i], bufs[i] = x.Spec(), x
	}
	outSpecs, err := graph.Lookup(op.OpName()).Infer(op, specs)
	require.NoError(t, err)
	outs, to := make([]*tensor.Tensor, len(outSpecs)), make([]backend.Buffer, len(outSpecs))
	u, _ := op.(backend.Updater)
	for i, s := range outSpecs {
		if u != nil && u.Updates(i) >= 0 {
			outs[i] = in[u.Updates(i)]
		} else {
			outs[i] = tensor.New(s)
		}
		to[i] = outs[i]
	}
	require.NoError(t, backend.Run(context.Background(), cpu.New(), op, to, bufs))
	return outs
}

// The examples of the ONNX specification, QuantizeLinear and
// DequantizeLinear, opset 13.
func TestONNXQuantizeLinearExamples(t *testing.T) {
	x := tensor.FromF32([]float32{0, 2, 3, 1000, -254, -1000}, 6)
	y := apply32(t, backend.QuantizeLinear{Scheme: quant.UInt8()}, x, tensor.FromF32([]float32{2}, 1), tensor.FromI32([]int32{128}, 1))
	assert.Equal(t, []uint8{128, 129, 130, 255, 1, 0}, y[0].U8())
	assert.Equal(t, []byte{0b010111}, y[1].Bytes())

	s := quant.UInt8()
	s.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: 1}
	x = tensor.FromF32([]float32{-162, 10, -100, 232, -20, -50, -76, 0, 0, 252, 32, -44, 245, -485, -960, -270, -375, -470}, 1, 3, 3, 2)
	scale, zero := tensor.FromF32([]float32{2, 4, 5}, 3), tensor.FromI32([]int32{84, 24, 196}, 3)
	y = apply32(t, backend.QuantizeLinear{Scheme: s}, x, scale, zero)
	want := []uint8{3, 89, 34, 200, 74, 59, 5, 24, 24, 87, 32, 13, 245, 99, 4, 142, 121, 102}
	assert.Equal(t, want, y[0].U8())
	back := apply32(t, backend.DequantizeLinear{Scheme: s}, y[0], scale, zero)
	assert.Equal(t, x.F32()[:6], back[0].F32()[:6])

	y = apply32(t, backend.DequantizeLinear{Scheme: quant.UInt8()}, tensor.FromU8([]uint8{0, 3, 128, 255}, 4), tensor.FromF32([]float32{2}, 1), tensor.FromI32([]int32{128}, 1))
	assert.Equal(t, []float32{-256, -250, 0, 254}, y[0].F32())
}

func TestONNXDynamicQuantizeLinearExamples(t *testing.T) {
	for _, c := range []struct {
		x     []float32
		scale float32
		zero  int32
		y     []uint8
	}{
		{[]float32{0, 2, -3, -2.5, 1.34, 0.5}, 0.0196078438, 153, []uint8{153, 255, 0, 26, 221, 179}},
		{[]float32{-1, -2.1, -1.3, -2.5, -3.34, -4}, 0.0156862754, 255, []uint8{191, 121, 172, 96, 42, 0}},
		{[]float32{1, 2.1, 1.3, 2.5, 3.34, 4, 1.5, 2.6, 3.9, 4, 3, 2.345}, 0.0156862754, 0, []uint8{64, 134, 83, 159, 213, 255, 96, 166, 249, 255, 191, 149}},
	} {
		out := apply32(t, backend.DynamicQuantizeLinear{}, tensor.FromF32(c.x, len(c.x)))
		assert.Equal(t, c.y, out[0].U8())
		assert.Equal(t, c.scale, out[1].F32()[0])
		assert.Equal(t, c.zero, out[2].I32()[0])
	}
}

func ExampleQuantizeLinear() {
	x := tensor.FromF32([]float32{-1, 0, 0.25, 0.3, 100}, 5)
	codes, mask := tensor.New(tensor.Of(tensor.I8, 5)), tensor.New(tensor.Of(tensor.B1, 5))
	op := backend.QuantizeLinear{Rule: quant.ONNX, Scheme: quant.Int8()}
	err := backend.Run(context.Background(), cpu.New(), op, []backend.Buffer{codes, mask},
		[]backend.Buffer{x, tensor.FromF32([]float32{0.1}, 1), tensor.FromI32([]int32{3}, 1)})
	fmt.Println(codes.I8(), err)
	for i := range 5 {
		fmt.Print(mask.At(i), " ")
	}
	// Output:
	// [-7 3 5 6 127] <nil>
	// 1 1 1 1 0
}
