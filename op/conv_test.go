package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestConvGradient(t *testing.T) {
	for _, c := range []struct {
		name string
		op   backend.Conv
		x, w tensor.Shape
		bias bool
	}{
		{"dense", backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}, tensor.Shape{2, 5, 4, 3}, tensor.Shape{4, 3, 3, 3}, true},
		{"strided, dilated", backend.Conv{Window: backend.Window{Stride: [2]int{2, 3}, Dilation: [2]int{2, 1}, Pad: [4]int{1, 0, 2, 1}}}, tensor.Shape{2, 7, 8, 2}, tensor.Shape{3, 3, 2, 2}, false},
		{"grouped", backend.Conv{Window: backend.Window{Pad: [4]int{0, 1, 0, 1}}, Groups: 2}, tensor.Shape{2, 4, 5, 4}, tensor.Shape{6, 2, 3, 2}, true},
		{"depthwise", backend.Conv{Window: backend.Window{Stride: [2]int{2, 1}, Pad: [4]int{1, 1, 1, 1}}, Groups: 3}, tensor.Shape{2, 5, 4, 3}, tensor.Shape{6, 3, 3, 1}, true},
		{"pointwise", backend.Conv{}, tensor.Shape{2, 3, 3, 4}, tensor.Shape{5, 1, 1, 4}, true},
		{"sequence", backend.Conv{Window: backend.Window{Stride: [2]int{1, 2}, Pad: [4]int{0, 2, 0, 1}}}, tensor.Shape{3, 9, 2}, tensor.Shape{4, 3, 2}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := []*tensor.Tensor{normal64(1, 1, c.x...), normal64(2, 1, c.w...)}
			if c.bias {
				in = append(in, normal64(3, 1, c.w[0]))
			}
			gradCheck(t, 4, apply(c.op), in...)
		})
	}
}

func TestConvShapeErrors(t *testing.T) {
	f := func(dims ...int) tensor.Spec { return tensor.Of(tensor.F32, dims...) }
	conv := func(f func(c *backend.Conv)) backend.Conv {
		var c backend.Conv
		f(&c)
		return c
	}
	for _, c := range []struct {
		name string
		op   backend.Op
		in   []tensor.Spec
		want string
	}{
		{"no inputs", backend.Conv{}, nil, "0 inputs"},
		{"absent weight", backend.Conv{}, []tensor.Spec{f(1, 3, 3, 1), {}}, "input 1 is absent"},
		{"codes", backend.Conv{}, []tensor.Spec{tensor.Of(tensor.I8, 1, 3, 3, 1), f(1, 3, 3, 1)}, "want float32"},
		{"rank 5", backend.Conv{}, []tensor.Spec{f(1, 1, 3, 3, 1), f(1, 1, 3, 3, 1)}, "want [batch"},
		{"scalar", backend.Conv{}, []tensor.Spec{f(), f()}, "want [batch"},
		{"ranks differ", backend.Conv{}, []tensor.Spec{f(1, 3, 3, 1), f(1, 3, 1)}, "as many dimensions"},
		{"channels", backend.Conv{}, []tensor.Spec{f(1, 3, 3, 2), f(1, 3, 3, 1)}, "channels a group"},
		{"groups", conv(func(c *backend.Conv) { c.Groups = 3 }), []tensor.Spec{f(1, 3, 3, 4), f(3, 3, 3, 1)}, "3 groups"},
		{"negative groups", conv(func(c *backend.Conv) { c.Groups = -1 }), []tensor.Spec{f(1, 3, 3, 4), f(3, 3, 3, 4)}, "-1 groups"},
		{"large kernel", backend.Conv{}, []tensor.Spec{f(1, 3, 3, 1), f(1, 4, 3, 1)}, "larger than the input"},
		{"negative stride", conv(func(c *backend.Conv) { c.Stride[1] = -2 }), []tensor.Spec{f(1, 3, 3, 1), f(1, 3, 3, 1)}, "stride -2"},
		{"huge dilation", conv(func(c *backend.Conv) { c.Dilation[0] = math.MaxInt }), []tensor.Spec{f(1, 3, 3, 1), f(1, 3, 3, 1)}, "bad window"},
		{"huge padding", conv(func(c *backend.Conv) { c.Pad[3] = math.MaxInt }), []tensor.Spec{f(1, 3, 3, 1), f(1, 3, 3, 1)}, "bad window"},
		{"empty kernel", backend.Conv{}, []tensor.Spec{f(1, 3, 3, 1), f(1, 0, 3, 1)}, "kernel 0"},
		{"bias", backend.Conv{}, []tensor.Spec{f(1, 3, 3, 1), f(2, 3, 3, 1), f(3)}, "bias"},
		{"gradient", backend.ConvGradInput{Input: tensor.NewDims(1, 3, 3, 1)}, []tensor.Spec{f(1, 2, 2, 2), f(2, 3, 3, 1)}, "want [1, 1, 1, 2]"},
		{"gradient rank", backend.ConvGradWeight{Weight: tensor.Dims{N: 9}}, []tensor.Spec{f(1, 2, 2, 2), f(2, 3, 3, 1)}, "9 dimensions"},
		{"codes without scale", backend.ConvGradInput{Input: tensor.NewDims(1, 3, 3, 1)}, []tensor.Spec{f(1, 1, 1, 2), tensor.Of(tensor.I8, 2, 3, 3, 1)}, "scale"},
		{"scale without codes", backend.ConvGradInput{Input: tensor.NewDims(1, 3, 3, 1)}, []tensor.Spec{f(1, 1, 1, 2), f(2, 3, 3, 1), f(2)}, "scale"},
		{"codes without zero", backend.ConvGradWeight{Weight: tensor.NewDims(2, 3, 3, 1)}, []tensor.Spec{f(1, 1, 1, 2), tensor.Of(tensor.U8, 1, 3, 3, 1), f(1)}, "zero point"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := graph.Lookup(c.op.OpName()).Infer(c.op, c.in)
			require.Error(t, err)
			assert.Contains(t, err.Error(), c.want)
		})
	}
}
