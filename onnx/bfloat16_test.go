package onnx

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// TestBFloat16 writes a graph that rounds to bfloat16 and quantizes that, and
// reads it: values are float32 then, rounded at the same places.
func TestBFloat16(t *testing.T) {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 1, 12))
	half := g.Apply(backend.Cast{To: tensor.BF16}, x)
	s, z := g.Const("scale", tensor.FromF32([]float32{0x1p-7}, 1)), g.Const("zero", tensor.FromI32([]int32{3}, 1))
	scheme := quant.Int8()
	scheme.Symmetric = false
	codes := g.ApplyN(backend.QuantizeLinear{Rule: quant.ONNX, Scheme: scheme}, half, s, z)
	require.NoError(t, g.Err())
	g.Output("rounded", g.Apply(backend.Cast{To: tensor.F32}, half))
	g.Output("grid", g.Apply(backend.DequantizeLinear{Scheme: scheme}, codes[0], s, z))
	require.NoError(t, g.Err())
	back, _, err := read(bytesOf(t, g, WriteOptions{}), ReadOptions{})
	require.NoError(t, err)
	v := make([]float32, 12)
	for i := range v {
		v[i] = float32(math.Sin(float64(i))) * 1.3
	}
	in := []*tensor.Tensor{tensor.FromF32(v, 1, 12)}
	want, err := run(t, g, in)
	require.NoError(t, err)
	got, err := run(t, back, in)
	require.NoError(t, err)
	require.NotEqual(t, in[0].Bytes(), want[0].Bytes(), "rounding must show")
	for i := range want {
		require.True(t, want[i].Spec().Equal(got[i].Spec()))
		require.True(t, bytes.Equal(want[i].Bytes(), got[i].Bytes()), "output %d differs", i)
	}
}

// TestBFloat16Constants: constants of the type are widened, and casts of
// constants to it round.
func TestBFloat16Constants(t *testing.T) {
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 3))
	c := g.Const("half", tensor.FromBF16([]tensor.BFloat16{0x3f80, 0x3f81, 1}, 3))
	d := g.Const("third", tensor.FromF32([]float32{1. / 3, 2. / 3, -1. / 3}, 3))
	sum := g.Apply(backend.Add{}, x, g.Apply(backend.Cast{To: tensor.F32}, c))
	rounded := g.Apply(backend.Cast{To: tensor.F32}, g.Apply(backend.Cast{To: tensor.BF16}, d))
	g.Output("y", g.Apply(backend.Add{}, sum, rounded))
	require.NoError(t, g.Err())
	back, _, err := read(bytesOf(t, g, WriteOptions{}), ReadOptions{})
	require.NoError(t, err)
	in := []*tensor.Tensor{tensor.FromF32([]float32{0, 0, 0}, 3)}
	got, err := run(t, back, in)
	require.NoError(t, err)
	want := []float32{1 + tensor.ToBFloat16(1./3).Float32(), 0x1.02p0 + tensor.ToBFloat16(2./3).Float32(), tensor.ToBFloat16(-1. / 3).Float32()}
	require.Equal(t, want, got[0].F32())
}
