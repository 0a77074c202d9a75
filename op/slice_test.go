package op_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestSliceGradient(t *testing.T) {
	gradCheck(t, 1, apply(backend.Slice{Axes: tensor.NewDims(2, 0), Starts: tensor.NewDims(-1, 1), Ends: tensor.NewDims(-99, 3), Steps: tensor.NewDims(-2, 1)}),
		normal64(3, 1, 4, 3, 5))
}

func TestSliceFaults(t *testing.T) {
	d := tensor.NewDims
	for name, op := range map[string]backend.Slice{
		"axis":  {Axes: d(2), Starts: d(0), Ends: d(1)},
		"twice": {Axes: d(0, -2), Starts: d(0, 0), Ends: d(1, 1)},
		"ends":  {Starts: d(0, 0), Ends: d(1)},
		"step":  {Starts: d(0), Ends: d(1), Steps: d(0)},
		"many":  {Starts: d(0, 0, 0), Ends: d(1, 1, 1)},
	} {
		_, err := graph.Lookup("slice").Infer(op, []tensor.Spec{tensor.Of(tensor.F32, 4, 4)})
		require.Error(t, err, name)
	}
}
