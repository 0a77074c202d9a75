package op_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func TestDivGradient(t *testing.T) {
	for name, in := range broadcastInputs() {
		for i, v := range in[1].F64() {
			in[1].F64()[i] = math.Copysign(1+math.Abs(v), v)
		}
		t.Run(name, func(t *testing.T) { gradCheck(t, 1, apply(backend.Div{}), in...) })
	}
}

func TestDivOfIntegersIsRefused(t *testing.T) {
	s := tensor.Of(tensor.I32, 2)
	_, err := graph.Lookup("div").Infer(backend.Div{}, []tensor.Spec{s, s})
	require.ErrorContains(t, err, "float")
}

// broadcastInputs returns pairs of operands that stretch in different ways.
func broadcastInputs() map[string][]*tensor.Tensor {
	in := map[string][]*tensor.Tensor{}
	for name, s := range map[string][2][]int{
		"equal": {{2, 3}, {2, 3}}, "bias": {{2, 3, 4}, {4}}, "channels": {{2, 3, 4}, {2, 1, 4}}, "number": {{2, 3}, {}},
		"outer": {{3, 1}, {1, 4}}, "lead": {{1}, {2, 3}}, "mixed": {{3, 1}, {2, 1, 4}}, "ones": {{1, 1}, {1}},
	} {
		in[name] = []*tensor.Tensor{normal64(1, 1, s[0]...), normal64(2, 1, s[1]...)}
	}
	return in
}

func TestBroadcastFaults(t *testing.T) {
	f := tensor.Of(tensor.F32, 2, 3)
	for name, in := range map[string][]tensor.Spec{
		"shapes":  {f, tensor.Of(tensor.F32, 2)},
		"types":   {f, tensor.Of(tensor.F64, 2, 3)},
		"codes":   {tensor.Of(tensor.I8, 2), tensor.Of(tensor.I8, 2)},
		"count":   {f},
		"absent":  {f, {}},
		"nothing": nil,
	} {
		for _, op := range []backend.Op{backend.Add{}, backend.Sub{}, backend.Mul{}, backend.Div{}} {
			_, err := graph.Lookup(op.OpName()).Infer(op, in)
			require.Error(t, err, "%s of %s", op.OpName(), name)
		}
	}
}
