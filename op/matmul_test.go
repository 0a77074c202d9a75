package op_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestMatMulGradient(t *testing.T) {
	for _, c := range []struct{ leadA, leadB tensor.Shape }{
		{nil, nil}, {tensor.Shape{3}, nil}, {nil, tensor.Shape{2}}, {tensor.Shape{2}, tensor.Shape{2}},
		{tensor.Shape{2, 1}, tensor.Shape{3}}, {tensor.Shape{1}, tensor.Shape{2, 2}},
	} {
		for k := range 4 {
			op := backend.MatMul{TransA: k&1 > 0, TransB: k&2 > 0}
			a, b := []int{3, 4}, []int{4, 2}
			if op.TransA {
				a = []int{4, 3}
			}
			if op.TransB {
				b = []int{2, 4}
			}
			t.Run(fmt.Sprint(c, k), func(t *testing.T) {
				gradCheck(t, 5, apply(op), normal64(1, 1, append(c.leadA.Clone(), a...)...), normal64(2, 1, append(c.leadB.Clone(), b...)...))
			})
		}
	}
	for _, c := range [][2]tensor.Shape{{{4}, {4}}, {{4}, {4, 3}}, {{3, 4}, {4}}, {{2, 3, 4}, {4}}, {{4}, {2, 4, 3}}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			gradCheck(t, 6, apply(backend.MatMul{}), normal64(1, 1, c[0]...), normal64(2, 1, c[1]...))
		})
	}
}

func TestMatMulShapes(t *testing.T) {
	for _, c := range []struct {
		op      backend.MatMul
		a, b, y tensor.Shape // y nil: an error
	}{
		{backend.MatMul{}, tensor.Shape{2, 3}, tensor.Shape{3, 4}, tensor.Shape{2, 4}},
		{backend.MatMul{}, tensor.Shape{3}, tensor.Shape{3}, tensor.Shape{}},
		{backend.MatMul{}, tensor.Shape{5, 1, 2, 3}, tensor.Shape{7, 3, 4}, tensor.Shape{5, 7, 2, 4}},
		{backend.MatMul{TransA: true, TransB: true}, tensor.Shape{3, 2}, tensor.Shape{4, 3}, tensor.Shape{2, 4}},
		{backend.MatMul{}, tensor.Shape{}, tensor.Shape{3}, nil},
		{backend.MatMul{}, tensor.Shape{2, 3}, tensor.Shape{4, 2}, nil},
		{backend.MatMul{}, tensor.Shape{2, 2, 3}, tensor.Shape{3, 3, 2}, nil},
		{backend.MatMul{TransA: true}, tensor.Shape{3}, tensor.Shape{3, 2}, nil},
		{backend.MatMul{TransB: true}, tensor.Shape{2, 3}, tensor.Shape{3}, nil},
	} {
		out, err := graph.Lookup("matmul").Infer(c.op, []tensor.Spec{{DType: tensor.F32, Shape: c.a}, {DType: tensor.F32, Shape: c.b}})
		if c.y == nil {
			assert.Error(t, err, "%v %v", c.a, c.b)
			continue
		}
		if assert.NoError(t, err) {
			assert.True(t, c.y.Equal(out[0].Shape), "%v", out)
		}
	}
}
