package target

import (
	"math"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"

	_ "github.com/goqat/goqat/op"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var inf = float32(math.Inf(1))

// layer returns a linear layer [2, 3] of codes in a graph.
func layer(t *testing.T, w []int8, bias []int32, lo, hi float32) (*graph.Graph, Layer) {
	t.Helper()
	g := graph.New()
	scale := func(name string, v ...float32) graph.Value { return g.Const(name, tensor.FromF32(v, len(v))) }
	zero := func(name string, v int32) graph.Value { return g.Const(name, tensor.FromI32([]int32{v}, 1)) }
	x := g.Input("x", tensor.Of(tensor.F32, 1, 3))
	sx, zx := scale("sx", 0.5), zero("zx", -3)
	cx := g.Apply(backend.QuantizeLinear{Rule: quant.TFLite, Scheme: quant.Int8()}, x, sx, zx)
	in := []graph.Value{cx, sx, zx, g.Const("w", tensor.FromI8(w, 2, 3)), scale("sw", 0.25, 0.125), {}, scale("sy", 2), zero("zy", 5)}
	if bias != nil {
		in = append(in, g.Const("b", tensor.FromI32(bias, 2)))
	}
	g.Apply(backend.QLinearGemm{Rule: quant.TFLite, Scheme: quant.Int8(), Lo: lo, Hi: hi}, in...)
	require.NoError(t, g.Err())
	n := g.Nodes()[1]
	l, ok, err := LayerOf(n)
	require.NoError(t, err)
	require.True(t, ok)
	return g, l
}

func TestLayerOf(t *testing.T) {
	g, l := layer(t, []int8{1, -2, 3, -4, 5, -6}, []int32{7, -8}, 0, 6)
	assert.Nil(t, l.Conv)
	assert.Equal(t, float32(0.5), l.XScale)
	assert.EqualValues(t, -3, l.XZero)
	assert.Equal(t, float32(2), l.YScale)
	assert.EqualValues(t, 5, l.YZero)
	assert.Equal(t, []float32{0.25, 0.125}, l.WScale)
	assert.Nil(t, l.WZero)
	assert.Equal(t, []int32{7, -8}, l.Bias)
	assert.Equal(t, []int8{1, -2, 3, -4, 5, -6}, l.Weights.I8())
	assert.EqualValues(t, 5, l.Lo)
	assert.EqualValues(t, 8, l.Hi)
	_, ok, err := LayerOf(g.Nodes()[0])
	require.NoError(t, err)
	require.False(t, ok)
	// Weights that are computed have no numbers to look at.
	n := *g.Nodes()[1]
	n.In = append([]graph.Value(nil), n.In...)
	n.In[3] = n.In[0]
	_, ok, err = LayerOf(&n)
	require.True(t, ok)
	require.ErrorContains(t, err, "input 3 is computed")
}

func TestCodeBounds(t *testing.T) {
	for _, c := range []struct {
		lo, hi, scale float32
		zero          int32
		wantLo        int32
		wantHi        int32
	}{
		{-inf, inf, 0.1, 3, -128, 127},
		{0, 0, 0.1, 3, -128, 127}, // the zero value means none
		{0, inf, 0.1, 3, 3, 127},
		{0, inf, 0.1, -128, -128, 127},
		{0, 6, 0.1, 3, 3, 63},
		{0, 6, 0.04, -20, -20, 127},
		{-1, 1, 0.4, 0, -3, 3}, // -2.5 and 2.5 go away from zero
	} {
		lo, hi := CodeBounds(quant.TFLite, quant.Int8(), c.lo, c.hi, c.scale, c.zero)
		assert.Equal(t, c.wantLo, lo, "%+v", c)
		assert.Equal(t, c.wantHi, hi, "%+v", c)
	}
	lo, hi := CodeBounds(quant.ONNX, quant.Int8(), -1, 1, 0.4, 0)
	assert.EqualValues(t, -2, lo) // half to even
	assert.EqualValues(t, 2, hi)
}

func TestCheckScales(t *testing.T) {
	require.Empty(t, CheckScales("n", 1, 0x1p-126, math.MaxFloat32))
	for _, bad := range []float32{0, -1, inf, float32(math.NaN()), 0x1p-127} {
		vs := CheckScales("n", 1, bad)
		require.Len(t, vs, 1)
		require.True(t, vs[0].Fatal)
		require.Contains(t, vs[0].Reason, "scale 1 is")
	}
}

func TestCheckWeights(t *testing.T) {
	_, l := layer(t, []int8{127, -127, 0, 1, 2, 3}, nil, -inf, inf)
	require.Empty(t, l.CheckWeights(-127, 127))
	_, l = layer(t, []int8{127, -128, 0, 1, -128, 3}, nil, -inf, inf)
	require.Len(t, l.CheckWeights(-127, 127), 1)
	require.Empty(t, l.CheckWeights(-128, 127))
	l.WZero = []int32{0, 2}
	l.WScale = []float32{1, 0}
	require.Len(t, l.CheckWeights(-127, 127), 3)
	l.Weights = tensor.FromU8(make([]byte, 6), 2, 3)
	require.Contains(t, l.CheckWeights(-127, 127)[0].Reason, "want int8")
}

func TestCheckBias(t *testing.T) {
	_, l := layer(t, make([]int8, 6), nil, -inf, inf)
	require.Empty(t, l.CheckBias())
	l.XScale, l.WScale = 0x1p-100, []float32{1, 0x1p-40}
	require.Len(t, l.CheckBias(), 1)
	l.XScale, l.WScale = 0x1p100, []float32{0x1p100}
	require.Len(t, l.CheckBias(), 1)
}

// The bound is reached: no smaller one would do.
func TestAccumulator(t *testing.T) {
	_, l := layer(t, []int8{1, -2, 3, -4, 5, -6}, []int32{7, -8}, -inf, inf)
	// x - zx is in [-125, 130]. Row 0: 130 + 250 + 390 + 7 = 777 above.
	// Row 1: -520 - 625 - 780 - 8 = -1933 below.
	require.EqualValues(t, 1933, l.Accumulator(-128, 127))
	require.EqualValues(t, 8, (&Layer{Weights: l.Weights, Bias: l.Bias}).Accumulator(0, 0))
	require.EqualValues(t, 15, l.WeightSum())
	require.Empty(t, l.CheckAccumulator(-128, 127))
	l.Bias = []int32{math.MaxInt32 - 769, 0}
	require.Empty(t, l.CheckAccumulator(-128, 127)[1:])
	l.YScale = 4
	require.Len(t, l.CheckAccumulator(-128, 127), 1)
	l.Bias[0]--
	require.Empty(t, l.CheckAccumulator(-128, 127))
	// A multiplier of 2 shifts left by 2 in fixed point.
	l.Bias, l.YScale = []int32{math.MaxInt32/4 - 1000, 0}, 0.0625
	require.Empty(t, l.CheckAccumulator(-128, 127))
	l.Bias[0] += 1000
	vs := l.CheckAccumulator(-128, 127)
	require.Len(t, vs, 1)
	require.Contains(t, vs[0].Reason, "shifts sums")
	l.Rule = quant.ONNX
	require.Empty(t, l.CheckAccumulator(-128, 127))
}

func TestParams(t *testing.T) {
	g, _ := layer(t, make([]int8, 6), nil, -inf, inf)
	s, z, err := Params(g.Nodes()[1], 1, 2)
	require.NoError(t, err)
	require.Equal(t, float32(0.5), s)
	require.EqualValues(t, -3, z)
	_, _, err = Params(g.Nodes()[1], 4, 2)
	require.ErrorContains(t, err, "2 scales")
	_, _, err = Params(g.Nodes()[1], 0, 2)
	require.ErrorContains(t, err, "computed")
	_, _, err = Params(g.Nodes()[1], 1, 5)
	require.ErrorContains(t, err, "absent")
}
