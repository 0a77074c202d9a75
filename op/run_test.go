package op_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// runOne runs a single operation; outputs that are updates are the inputs.
func runOne(t *testing.T, op backend.Op, in ...*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	specs, bufs := make([]tensor.Spec, len(in)), make([]backend.Buffer, len(in))
	for i, x := range in {
		if x != nil {
			specs[i], bufs[i] = x.Spec(), x
		}
	}
	outSpecs, err := graph.Lookup(op.OpName()).Infer(op, specs)
	require.NoError(t, err)
	out, outBufs := make([]*tensor.Tensor, len(outSpecs)), make([]backend.Buffer, len(outSpecs))
	for i, s := range outSpecs {
		out[i] = tensor.New(s)
		if u, ok := op.(backend.Updater); ok && u.Updates(i) >= 0 {
			out[i] = in[u.Updates(i)]
		}
		outBufs[i] = out[i]
	}
	require.NoError(t, backend.Run(context.Background(), cpu.New(), op, outBufs, bufs))
	return out
}

// runGraph evaluates output "y" of g for the float input "x".
func runGraph(t *testing.T, g *graph.Graph, m graph.Mode, x *tensor.Tensor) *tensor.Tensor {
	t.Helper()
	ctx := context.Background()
	p, err := program.Compile(ctx, g, program.Options{Backend: cpu.New(), Mode: m})
	require.NoError(t, err)
	f := tensor.New(tensor.Spec{DType: tensor.F32, Shape: x.Shape()})
	for i := range f.F32() {
		f.F32()[i] = float32(x.At(i))
	}
	require.NoError(t, p.SetInput(ctx, "x", f))
	require.NoError(t, p.Run(ctx))
	y, err := p.OutputTensor(ctx, "y")
	require.NoError(t, err)
	return y
}
