package op_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func TestMaxPoolGradient(t *testing.T) {
	window := backend.Window{Stride: [2]int{2, 1}, Pad: [4]int{1, 0, 0, 1}}
	gradCheck(t, 1, apply(backend.MaxPool{Window: window, Kernel: [2]int{3, 2}}), normal64(1, 1, 2, 5, 6, 3))
	gradCheck(t, 2, apply(backend.MaxPool{Window: window, Kernel: [2]int{0, 3}, Ceil: true}), normal64(1, 1, 2, 8, 3))
}

// TestPoolSizes has the sizes that PyTorch gives for a side of the input.
func TestPoolSizes(t *testing.T) {
	for _, c := range []struct {
		in, kernel, stride, pad int
		ceil                    bool
		want                    int
	}{
		{7, 2, 2, 0, false, 3}, {7, 2, 2, 0, true, 4}, {8, 3, 2, 0, false, 3}, {8, 3, 2, 0, true, 4},
		{5, 2, 3, 1, true, 2}, {6, 2, 3, 1, true, 3}, {4, 2, 4, 1, true, 2}, {3, 2, 4, 1, true, 1}, {1, 1, 5, 0, true, 1},
	} {
		for _, op := range []backend.Op{
			backend.MaxPool{Window: square(c.stride, c.pad), Kernel: [2]int{c.kernel, c.kernel}, Ceil: c.ceil},
			backend.AveragePool{Window: square(c.stride, c.pad), Kernel: [2]int{c.kernel, c.kernel}, Ceil: c.ceil},
		} {
			out, err := graph.Lookup(op.OpName()).Infer(op, []tensor.Spec{tensor.Of(tensor.F32, 2, c.in, c.in, 3)})
			require.NoError(t, err)
			assert.Equal(t, tensor.Shape{2, c.want, c.want, 3}, out[0].Shape, "%+v", c)
		}
	}
}

func square(stride, pad int) backend.Window {
	return backend.Window{Stride: [2]int{stride, stride}, Pad: [4]int{pad, pad, pad, pad}}
}

func TestPoolShapeErrors(t *testing.T) {
	for _, op := range []backend.Op{
		backend.MaxPool{}, backend.AveragePool{},
		backend.MaxPool{Kernel: [2]int{2, 2}, Window: square(1, 2)}, backend.AveragePool{Kernel: [2]int{2, 2}, Window: square(1, 2)},
		backend.MaxPool{Kernel: [2]int{9, 2}}, backend.AveragePool{Kernel: [2]int{2, 9}},
		backend.MaxPool{Kernel: [2]int{1 << 30, 1}},
		backend.MaxPoolGrad{Input: tensor.NewDims(2, 4, 4, 3)}, backend.AveragePoolGrad{Input: tensor.NewDims(1)},
		backend.GlobalAveragePoolGrad{Input: tensor.NewDims(2, 4, 5, 3)}, backend.GlobalAveragePoolGrad{Input: tensor.Dims{N: -1}},
	} {
		for _, in := range [][]tensor.Spec{nil, {{}}, {tensor.Of(tensor.F32, 2, 4, 4, 3)}, {tensor.Of(tensor.F32)}, {tensor.Of(tensor.I32, 2, 4, 4, 3)}} {
			_, err := graph.Lookup(op.OpName()).Infer(op, in)
			assert.Error(t, err, "%s %+v %v", op.OpName(), op, in)
		}
	}
	_, err := graph.Lookup("global_average_pool").Infer(backend.GlobalAveragePool{}, []tensor.Spec{tensor.Of(tensor.F32, 2, 0, 3)})
	assert.ErrorContains(t, err, "no elements")
}

// TestMaxPoolOnCodes: in integer mode the pooling of a quantized tensor runs
// on its codes and keeps their parameters.
func TestMaxPoolOnCodes(t *testing.T) {
	g := graph.New()
	q := backend.FakeQuant{Rule: quant.ONNX, Scheme: quant.Activations(8, false)}
	x := g.Apply(q, g.Input("x", tensor.Of(tensor.F32, 2, 4, 4, 3)), g.State("scale", tensor.FromF32([]float32{0.1}, 1)), g.State("zero", tensor.FromI32([]int32{3}, 1)))
	g.Output("y", g.Apply(backend.MaxPool{Window: square(2, 0), Kernel: [2]int{2, 2}}, x))
	low, err := graph.Lower(g, graph.Eval, 0)
	require.NoError(t, err)
	var names []string
	for _, n := range low.Nodes() {
		names = append(names, n.Op.OpName())
		if n.Op.OpName() == "max_pool" {
			assert.Equal(t, tensor.U8, n.In[0].DType())
		}
	}
	assert.Equal(t, []string{"quantize_linear", "max_pool", "dequantize_linear"}, names)
}
