package op_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
)

// collectsNothing is a backend whose layers on codes do not look at their
// results.
type collectsNothing struct{ *cpu.Backend }

func (b collectsNothing) Supports(op backend.Op, in ...tensor.Spec) bool {
	if c, ok := op.(backend.Collector); ok && c == c.Collecting(backend.CollectMoments) || ok && c == c.Collecting(backend.CollectEnds) {
		return false
	}
	return b.Backend.Supports(op, in...)
}

// TestFusedCollect compares steps whose layers collect what they can with
// steps that read results again: ranges to the bit.
func TestFusedCollect(t *testing.T) {
	for name, c := range map[string]struct {
		net  liveNet
		want int
	}{
		"moments":         {liveNet{act: backend.Relu{}}, 1},
		"moments, no act": {liveNet{}, 1},
		"ends":            {liveNet{act: backend.Clip{Hi: 1.5}, noBN: true}, 1},
		"nobody asks":     {liveNet{noBN: true}, 0},
		"shared":          {liveNet{act: backend.Relu{}, noBN: true, shared: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			want, apart := c.net.step(t, collectsNothing{cpu.New()}, false)
			got, p := c.net.step(t, cpu.New(), false)
			require.Zero(t, collecting(apart.Graph()))
			require.Equal(t, c.want, collecting(p.Graph()))
			require.Equal(t, len(want), len(got))
			for k, w := range want {
				if c.net.noBN {
					require.NoError(t, backendtest.Compare(got[k], w, true), k)
					continue
				}
				if k == "grad.b" { // As in TestFusedActivation.
					for _, v := range append(w.F32(), got[k].F32()...) {
						require.InDelta(t, 0, v, 1e-4)
					}
					continue
				}
				require.NoError(t, backendtest.Compare(got[k], w, false), k)
			}
		})
	}
}

// collecting counts the layers of g that collect, each of which must have a
// reader.
func collecting(g *graph.Graph) (n int) {
	for _, node := range g.Nodes() {
		if o, ok := node.Op.(backend.Informed); ok {
			if _, at := o.Informs(); len(node.In) > at {
				n++
			}
		}
	}
	return n
}

// TestCollectInModels: every normalized layer on codes of a model collects.
func TestCollectInModels(t *testing.T) {
	for model, want := range map[string]int{"cnn": 3, "resnet8": 7, "mobilenetv1-0.25": 27} {
		var m nn.Model
		for _, m = range nn.Models() {
			if m.Name == model {
				break
			}
		}
		g, err := nn.Build(model, m.Input, m.Classes, 1)
		require.NoError(t, err)
		p, err := qat.Prepare(g, qat.Default())
		require.NoError(t, err)
		low, err := graph.Lower(p, graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}, 2)
		require.NoError(t, err)
		f, err := graph.Fuse(low, cpu.New().Supports)
		require.NoError(t, err)
		assert.Equal(t, want, collecting(f), model)
	}
}

// TestCollectFits: no layer collects moments of sums beyond the bound.
func TestCollectFits(t *testing.T) {
	const most = backend.MostCollected / 255 / 128
	for k, fits := range map[int]bool{most: true, most + 1: false} {
		of := func(o backend.Collector, x, w tensor.Spec) {
			in := []tensor.Spec{x, tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1), w, tensor.Of(tensor.F32, 1)}
			for _, c := range []backend.Collect{backend.CollectNothing, backend.CollectEnds, backend.CollectMoments} {
				_, err := graph.Lookup(o.OpName()).Infer(o.Collecting(c), in)
				want := fits || c != backend.CollectMoments
				assert.Equal(t, want, err == nil, "%v of %d: %v", c, k, err)
				assert.Equal(t, want, cpu.New().Supports(o.Collecting(c), in...), "%v of %d", c, k)
			}
		}
		of(backend.GemmDequant{}, tensor.Of(tensor.U8, 3, k), tensor.Of(tensor.I8, 2, k))
		of(backend.ConvDequant{}, tensor.Of(tensor.I8, 1, 1, k, 1), tensor.Of(tensor.I8, 2, 1, k, 1))
	}
}
