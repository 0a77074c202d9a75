package op_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestGemmGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Gemm{}), normal64(1, 1, 5, 7), normal64(2, 1, 3, 7), normal64(3, 1, 3))
	gradCheck(t, 2, apply(backend.Gemm{}), normal64(1, 1, 2, 3, 4), normal64(2, 1, 5, 4))
	gradCheck(t, 3, apply(backend.Gemm{}), normal64(1, 1, 6), normal64(2, 1, 2, 6), normal64(3, 1, 2))
}

func TestGemmShapeErrors(t *testing.T) {
	f := func(dims ...int) tensor.Spec { return tensor.Of(tensor.F32, dims...) }
	for _, c := range []struct {
		op backend.Op
		in []tensor.Spec
	}{
		{backend.Gemm{}, []tensor.Spec{f(), f(1, 1)}},
		{backend.Gemm{}, []tensor.Spec{f(3, 4), f(4)}},
		{backend.Gemm{}, []tensor.Spec{f(3, 4), f(5, 3)}},
		{backend.Gemm{}, []tensor.Spec{f(3, 4), f(5, 4), f(4)}},
		{backend.GemmGradInput{}, []tensor.Spec{f(), f(1, 1)}},
		{backend.GemmGradInput{}, []tensor.Spec{f(3, 4), f(5, 4)}},
		{backend.GemmGradWeight{}, []tensor.Spec{f(3, 4), f(4, 4)}},
		{backend.GemmGradWeight{}, []tensor.Spec{f(), f()}},
		{backend.BiasGrad{}, []tensor.Spec{f()}},
		{backend.BiasGrad{}, []tensor.Spec{tensor.Of(tensor.I32, 3)}},
	} {
		_, err := graph.Lookup(c.op.OpName()).Infer(c.op, c.in)
		assert.Error(t, err, "%s%v", c.op.OpName(), c.in)
	}
}
