package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestReshapeGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Reshape{Shape: tensor.NewDims(-1, 2)}), normal64(3, 1, 2, 3, 4))
}

func TestReshapeShapes(t *testing.T) {
	in := tensor.Of(tensor.I8, 2, 3, 4)
	for _, c := range []struct{ to, want []int }{
		{[]int{6, 4}, []int{6, 4}}, {[]int{0, -1}, []int{2, 12}}, {[]int{-1}, []int{24}}, {[]int{4, 0, -1, 1}, []int{4, 3, 2, 1}},
		{[]int{5, -1}, nil}, {[]int{-1, -1}, nil}, {[]int{2, 3, 4, 0}, nil}, {[]int{2, 3, 5}, nil}, {[]int{-2, 12}, nil},
		{[]int{1 << 62, 1 << 62, -1}, nil}, {nil, nil},
	} {
		out, err := graph.Lookup("reshape").Infer(backend.Reshape{Shape: tensor.NewDims(c.to...)}, []tensor.Spec{in})
		if c.want == nil {
			require.Error(t, err, "%v", c.to)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, tensor.Of(tensor.I8, c.want...), out[0])
	}
}
