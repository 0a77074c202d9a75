package program_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

func cpu(t testing.TB) backend.Backend {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	return b
}

// chain returns a graph of n activations, each used once.
func chain(n, size int) *graph.Graph {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 1, size))
	for range n {
		x = g.Apply(backend.Relu{}, x)
	}
	g.Output("y", x)
	return g
}

func TestRun(t *testing.T) {
	ctx := context.Background()
	p, err := program.Compile(ctx, chain(3, 4), program.Options{Backend: cpu(t), Batch: 2})
	require.NoError(t, err)
	require.NoError(t, p.SetInput(ctx, "x", tensor.FromF32([]float32{1, -2, 3, -4, 5, -6, 7, -8}, 2, 4)))
	require.NoError(t, p.Run(ctx))
	y, err := p.OutputTensor(ctx, "y")
	require.NoError(t, err)
	require.Equal(t, []float32{1, 0, 3, 0, 5, 0, 7, 0}, y.F32())

	require.ErrorContains(t, p.SetInput(ctx, "z", y), `no input "z"`)
	require.ErrorContains(t, p.SetInput(ctx, "x", tensor.New(tensor.Of(tensor.F32, 2, 5))), "input x is")
	_, err = p.Output("z")
	require.ErrorContains(t, err, `no output "z"`)
}

// TestArenaIsReused: a chain of n values needs two blocks, not n.
func TestArenaIsReused(t *testing.T) {
	p, err := program.Compile(context.Background(), chain(20, 1024), program.Options{Backend: cpu(t)})
	require.NoError(t, err)
	m := p.Memory()
	require.EqualValues(t, 20*4096, m.Values)
	require.EqualValues(t, 2*4096, m.Arena)
}

func TestMemoryLimit(t *testing.T) {
	_, err := program.Compile(context.Background(), chain(3, 1<<20), program.Options{Backend: cpu(t), Memory: 1 << 20})
	var m *program.MemoryError
	require.ErrorAs(t, err, &m)
	require.Greater(t, m.Need, m.Limit)
	require.ErrorContains(t, err, "smaller batch")
}

// TestMemoryPlanIsRight runs a residual network with the arena and with every
// intermediate value kept as an output, which keeps them all apart.
func TestMemoryPlanIsRight(t *testing.T) {
	ctx := context.Background()
	b := nn.NewBuilder(2)
	y := nn.Sequential{
		nn.Conv2D{Out: 5, Kernel: 3, Pad: 1}, nn.BatchNorm{}, nn.ReLU{},
		nn.Residual{Body: nn.Sequential{nn.Conv2D{Out: 7, Kernel: 1}, nn.ReLU{}, nn.Conv2D{Out: 5, Kernel: 3, Pad: 1}}, After: nn.ReLU{}},
		nn.MaxPool{Kernel: 2}, nn.Flatten{}, nn.Linear{Out: 3},
	}.Forward(b, b.Input("x", 6, 6, 2))
	b.Output("y", y)
	g, err := b.Graph()
	require.NoError(t, err)
	square := func(low *graph.Graph) error {
		v, _ := low.Lookup("y")
		low.Output("loss", low.Apply(backend.Reduce{Kind: backend.ReduceSum}, low.Apply(backend.Mul{}, v, v)))
		return low.Err()
	}
	run := func(keep bool) map[string][]float32 {
		o := program.Options{Backend: cpu(t), Batch: 3, Mode: graph.Mode{Train: true}, Loss: "loss", Extend: square}
		if keep {
			o.Update = func(low *graph.Graph, params, grads []graph.Value) error {
				for i, p := range params {
					low.Output("grad."+p.Name(), grads[i])
				}
				for i, n := range low.Nodes() {
					for j, v := range n.Out {
						low.Output(fmt.Sprintf("keep.%d.%d", i, j), v)
					}
				}
				return low.Err()
			}
		}
		p, err := program.Compile(ctx, g, o)
		require.NoError(t, err)
		x := tensor.New(tensor.Of(tensor.F32, 3, 6, 6, 2))
		for i := range x.F32() {
			x.F32()[i] = float32(i%17)/8 - 1
		}
		require.NoError(t, p.SetInput(ctx, "x", x))
		require.NoError(t, p.Run(ctx))
		out := map[string][]float32{}
		for _, o := range p.Graph().Outputs() {
			if len(o.Name) > 5 && o.Name[:5] == "grad." || o.Name == "loss" {
				v, err := p.OutputTensor(ctx, o.Name)
				require.NoError(t, err)
				out[o.Name] = v.F32()
			}
		}
		return out
	}
	shared, apart := run(false), run(true)
	require.Greater(t, len(shared), 8)
	require.Equal(t, apart, shared)
}

func TestStateIsShared(t *testing.T) {
	ctx := context.Background()
	g := graph.New()
	w := g.Param("w", tensor.FromF32([]float32{2}, 1))
	x := g.Input("x", tensor.Of(tensor.F32, 1))
	g.Output("y", g.Apply(backend.Mul{}, x, w))
	s := program.NewState(cpu(t))
	p, err := program.Compile(ctx, g, program.Options{State: s})
	require.NoError(t, err)
	q, err := program.Compile(ctx, g, program.Options{State: s})
	require.NoError(t, err)
	require.NoError(t, s.Write(ctx, "w", tensor.FromF32([]float32{5}, 1)))
	for _, pr := range []*program.Program{p, q} {
		require.NoError(t, pr.SetInput(ctx, "x", tensor.FromF32([]float32{3}, 1)))
		require.NoError(t, pr.Run(ctx))
		y, err := pr.OutputTensor(ctx, "y")
		require.NoError(t, err)
		require.EqualValues(t, 15, y.F32()[0])
	}
	require.ErrorContains(t, s.Write(ctx, "w", tensor.FromF32([]float32{1, 2}, 2)), "state tensor w is")
	require.NoError(t, s.StoreTo(ctx, g))
	v, _ := g.Lookup("w")
	require.EqualValues(t, 5, v.Init().F32()[0])
}

// TestReadAfterUpdateIsRefused: an old value must not be read after its
// storage has the new one.
func TestReadAfterUpdateIsRefused(t *testing.T) {
	g := graph.New()
	c := g.State("c", tensor.New(tensor.Of(tensor.I64, 1)))
	g.Apply(backend.Increment{}, c)
	g.Output("y", g.Apply(backend.Cast{To: tensor.F32}, c))
	_, err := program.Compile(context.Background(), g, program.Options{Backend: cpu(t)})
	require.ErrorContains(t, err, "after it was updated")
}

func TestFaultNamesTheNode(t *testing.T) {
	ctx := context.Background()
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 2, 3))
	l := g.Input("label", tensor.Of(tensor.I32, 2))
	g.Output("loss", g.ApplyNamed("the_loss", backend.SoftmaxCrossEntropy{}, x, l)[0])
	p, err := program.Compile(ctx, g, program.Options{Backend: cpu(t)})
	require.NoError(t, err)
	require.NoError(t, p.SetInput(ctx, "label", tensor.FromI32([]int32{0, 7}, 2)))
	err = p.Run(ctx)
	var n *program.NodeError
	require.ErrorAs(t, err, &n)
	require.Equal(t, "the_loss", n.Node)
	require.ErrorIs(t, err, backend.ErrIndex)

	done, cancel := context.WithCancel(ctx)
	cancel()
	require.True(t, errors.Is(p.Run(done), context.Canceled))
}

func TestFoldKeepsTheResult(t *testing.T) {
	ctx := context.Background()
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 1, 2))
	w := g.Param("w", tensor.FromF32([]float32{1, -2}, 2))
	a := g.Apply(backend.Relu{}, g.Apply(backend.Add{}, w, w)) // Constant.
	g.Output("y", g.Apply(backend.Mul{}, x, a))
	f, err := program.Fold(ctx, g, cpu(t))
	require.NoError(t, err)
	require.Len(t, f.Nodes(), 1)
	p, err := program.Compile(ctx, f, program.Options{Backend: cpu(t), Lowered: true})
	require.NoError(t, err)
	require.NoError(t, p.SetInput(ctx, "x", tensor.FromF32([]float32{10, 10}, 1, 2)))
	require.NoError(t, p.Run(ctx))
	y, err := p.OutputTensor(ctx, "y")
	require.NoError(t, err)
	require.Equal(t, []float32{20, 0}, y.F32())
}

// TestOverwrites: a gradient takes over the storage of the gradient that it
// is made of, unless something else reads that later.
func TestOverwrites(t *testing.T) {
	ctx := context.Background()
	const n = 1024
	build := func(twice bool) *program.Program {
		g := graph.New()
		x := g.Param("x", tensor.FromF32(make([]float32, n), n))
		for i := range n {
			x.Init().F32()[i] = float32(i%7) - 3
		}
		y := g.Apply(backend.Relu{}, x)
		z := g.Apply(backend.Clip{Lo: -1, Hi: 2}, y)
		if twice {
			z = g.Apply(backend.Mul{}, z, y)
		}
		g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, z, z)))
		require.NoError(t, g.Err())
		p, err := program.Compile(ctx, g, program.Options{Backend: cpu(t), Mode: graph.Mode{Train: true}, Loss: "loss"})
		require.NoError(t, err)
		require.NoError(t, p.Run(ctx))
		d, err := p.OutputTensor(ctx, "grad.x")
		require.NoError(t, err)
		for i, v := range d.F32() {
			x := float64(i%7) - 3
			want := 0.0
			switch {
			case twice && x >= 2: // (2x)^2
				want = 8 * x
			case twice && x > 0: // x^4
				want = 4 * x * x * x
			case !twice && x > 0 && x < 2: // x^2
				want = 2 * x
			}
			require.Equal(t, float32(want), v, "element %d, twice %v", i, twice)
		}
		m := p.Memory()
		require.Equal(t, m.Peak.Sum(), m.Arena)
		return p
	}
	shared, apart := build(false), build(true)
	// Relu, clip, both again, the product, its gradient and the two of its
	// operands; their sum and the gradients of clip and relu, the last three,
	// have the storage of the one before.
	require.EqualValues(t, 8, shared.Memory().Values/(4*n))
	require.Greater(t, apart.Memory().Values, shared.Memory().Values)
}
