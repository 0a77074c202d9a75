package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestPadGradient(t *testing.T) {
	for _, mode := range []backend.PadMode{backend.PadConstant, backend.PadReflect, backend.PadEdge} {
		gradCheck(t, 1, apply(backend.Pad{Before: tensor.NewDims(1, 0, 2), After: tensor.NewDims(1, 2, 0), Value: 3, Mode: mode}), normal64(3, 1, 2, 3, 4))
	}
}

func TestPadFaults(t *testing.T) {
	d := tensor.NewDims
	for name, op := range map[string]backend.Pad{
		"rank":     {Before: d(1), After: d(1, 1)},
		"negative": {Before: d(-1, 0), After: d(1, 1)},
		"overflow": {Before: d(math.MaxInt, 0), After: d(1, 1)},
		"reflect":  {Before: d(0, 3), After: d(0, 0), Mode: backend.PadReflect},
		"mode":     {Before: d(0, 0), After: d(0, 0), Mode: 3},
	} {
		_, err := graph.Lookup("pad").Infer(op, []tensor.Spec{tensor.Of(tensor.F32, 2, 3)})
		require.Error(t, err, name)
	}
}
