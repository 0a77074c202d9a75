package op_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// gradOptions are the rarely needed settings of a gradient check.
type gradOptions struct {
	// Mode is what the graph is lowered for, training when nil.
	Mode *graph.Mode
	// Skip leaves out elements at a kink, where differences say nothing.
	Skip func(input, element int) bool
	// Step is the distance of the differences, 1e-5 when 0; Tol the bound of
	// the relative error, 1e-6 when 0.
	Step, Tol float64
}

// gradCheck compares the gradient of sum(y * w), with y = build(...) and w
// fixed random weights, with central differences, for each element of each
// float64 tensor of in. Tensors of other types become constants. Persistent
// states start afresh in every evaluation.
func gradCheck(t *testing.T, seed uint64, build func(g *graph.Graph, in []graph.Value) graph.Value, in ...*tensor.Tensor) {
	t.Helper()
	gradCheckWith(t, seed, gradOptions{}, build, in...)
}

// gradCheckWith is gradCheck with options.
func gradCheckWith(t *testing.T, seed uint64, o gradOptions, build func(g *graph.Graph, in []graph.Value) graph.Value, in ...*tensor.Tensor) {
	t.Helper()
	ctx := context.Background()
	if o.Step == 0 {
		o.Step = 1e-5
	}
	if o.Tol == 0 {
		o.Tol = 1e-6
	}
	mode := graph.Mode{Train: true}
	if o.Mode != nil {
		mode = *o.Mode
	}
	g, names := gradGraph(t, seed, build, in)
	state := program.NewState(cpu.New())
	forward, err := program.Compile(ctx, g, program.Options{State: state, Mode: mode})
	require.NoError(t, err)
	backward, err := program.Compile(ctx, g, program.Options{State: state, Mode: mode, Loss: "loss"})
	require.NoError(t, err)
	reset := func() {
		for _, k := range []graph.Kind{graph.Param, graph.State} {
			for _, v := range g.Values(k) {
				require.NoError(t, state.Write(ctx, v.Name(), v.Init()))
			}
		}
	}
	loss := func(name string, x *tensor.Tensor) float64 {
		reset()
		require.NoError(t, state.Write(ctx, name, x))
		require.NoError(t, forward.Run(ctx))
		l, err := forward.OutputTensor(ctx, "loss")
		require.NoError(t, err)
		return l.F64()[0]
	}
	reset()
	require.NoError(t, backward.Run(ctx))
	for k, x := range in {
		if x.DType() != tensor.F64 {
			continue
		}
		got := tensor.New(x.Spec())
		if _, err := backward.Output("grad." + names[k]); err == nil {
			require.NoError(t, backward.ReadOutput(ctx, "grad."+names[k], got))
		}
		for i := range x.F64() {
			if o.Skip != nil && o.Skip(k, i) {
				continue
			}
			moved := x.Clone()
			h := o.Step * math.Max(1, math.Abs(x.F64()[i]))
			up, down := x.F64()[i]+h, x.F64()[i]-h
			moved.F64()[i] = up
			lu := loss(names[k], moved)
			moved.F64()[i] = down
			ld := loss(names[k], moved)
			want := (lu - ld) / (up - down)
			have := got.F64()[i]
			if d := math.Abs(have - want); !(d <= o.Tol*math.Max(math.Max(math.Abs(want), math.Abs(have)), 1e-2)) {
				t.Errorf("input %d, element %d (value %v): gradient %v, difference quotient %v", k, i, x.F64()[i], have, want)
			}
		}
	}
}

// gradGraph builds loss = sum(y * w) and returns the names of the parameters.
func gradGraph(t *testing.T, seed uint64, build func(g *graph.Graph, in []graph.Value) graph.Value, in []*tensor.Tensor) (*graph.Graph, []string) {
	t.Helper()
	g := graph.New()
	vs, names := make([]graph.Value, len(in)), make([]string, len(in))
	for k, x := range in {
		if x.DType() == tensor.F64 {
			names[k] = fmt.Sprintf("x%d", k)
			vs[k] = g.Param(names[k], x)
		} else {
			vs[k] = g.Const("c", x)
		}
	}
	y := build(g, vs)
	require.NoError(t, g.Err())
	require.Equal(t, tensor.F64, y.DType(), "the result must be float64")
	w := normal64(seed, 1, y.Shape()...)
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, y, g.Const("w", w))))
	require.NoError(t, g.Err())
	return g, names
}

// apply returns a builder of op on the inputs of gradCheck.
func apply(op backend.Op) func(g *graph.Graph, in []graph.Value) graph.Value {
	return func(g *graph.Graph, in []graph.Value) graph.Value { return g.Apply(op, in...) }
}

// normal64 returns float64 values, normal with deviation std.
func normal64(seed uint64, std float64, dims ...int) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 77))
	t := tensor.New(tensor.Of(tensor.F64, dims...))
	for i := range t.F64() {
		t.F64()[i] = r.NormFloat64() * std
	}
	return t
}

// near returns a Skip function for kinks at the given values of the inputs.
func near(in []*tensor.Tensor, kinks ...float64) func(input, element int) bool {
	return func(k, i int) bool {
		for _, v := range kinks {
			if math.Abs(in[k].F64()[i]-v) < 1e-3 {
				return true
			}
		}
		return false
	}
}
