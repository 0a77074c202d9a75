package op_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestReduceGradient(t *testing.T) {
	for k := backend.ReduceSum; k.Valid(); k++ {
		for _, axes := range [][]int{nil, {0}, {-1}, {1}, {0, 2}, {1, 3}} {
			for _, keep := range []bool{false, true} {
				t.Run(fmt.Sprintf("kind=%d/axes=%v/keep=%v", k, axes, keep), func(t *testing.T) {
					gradCheck(t, 1, apply(backend.Reduce{Kind: k, Axes: tensor.NewDims(axes...), KeepDims: keep}), normal64(3, 1, 2, 3, 2, 3))
				})
			}
		}
	}
}

func TestReduceFaults(t *testing.T) {
	for name, op := range map[string]backend.Reduce{
		"axis": {Axes: tensor.NewDims(2)}, "twice": {Axes: tensor.NewDims(0, -2)}, "kind": {Kind: 6},
	} {
		_, err := graph.Lookup("reduce").Infer(op, []tensor.Spec{tensor.Of(tensor.F32, 2, 3)})
		require.Error(t, err, name)
	}
}
