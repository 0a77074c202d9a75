package tflite

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The tables are those of LiteRT's reference kernels.
func TestTablesAreLiteRTs(t *testing.T) {
	b, err := os.ReadFile("testdata/tables.txt")
	require.NoError(t, err)
	count := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var name, codes string
		var x, y params
		var alpha float32
		_, err := fmt.Sscan(line, &name, &x.scale, &x.zero, &y.scale, &y.zero, &alpha, &codes)
		require.NoError(t, err)
		op := map[string]int{"logistic": opLogistic, "tanh": opTanh, "hard_swish": opHardSwish, "leaky_relu": opLeakyRelu, "relu": opRelu}[name]
		file, table := tableFile(op, x, y, alpha)
		want, err := hex.DecodeString(codes)
		require.NoError(t, err)
		require.Len(t, want, 256)
		got := make([]byte, 256)
		for i, v := range table {
			got[i] = byte(v)
		}
		assert.Equal(t, want, got, line[:40])
		// The graph of the file runs on the same table.
		g, err := Read(file)
		require.NoError(t, err)
		ins, _ := ports(t, g)
		in := tensor.New(tensor.Of(tensor.F32, 1, 256))
		for i := range in.F32() {
			in.F32()[i] = quant.Dequantize(int32(int8(i)), ins[0].zero, ins[0].scale)
		}
		assert.Equal(t, want, runGraph(t, g, []*tensor.Tensor{in})[0].Bytes(), line[:40])
		count++
	}
	require.Equal(t, 15, count)
}

// exp, tanh and 1/(1+exp) in fixed point stay within a few units of 2^-31 of
// their float64 values where gemmlowp's do.
func TestFixedPointAtItsEnds(t *testing.T) {
	assert.EqualValues(t, 1<<30, logistic(0, 4))
	assert.EqualValues(t, 0, hyperbolic(0, 4))
	one := int32(1) << 27 // with 4 integer bits
	assert.InDelta(t, 0.7310585786, float64(logistic(one, 4))/(1<<31), 1e-7)
	assert.InDelta(t, 0.2689414214, float64(logistic(-one, 4))/(1<<31), 1e-7)
	assert.InDelta(t, 0.7615941560, float64(hyperbolic(one, 4))/(1<<31), 1e-7)
	assert.InDelta(t, -0.7615941560, float64(hyperbolic(-one, 4))/(1<<31), 1e-7)
	assert.InDelta(t, 0.3678794412, float64(expNegative(-one, 4))/(1<<31), 2e-7)
	assert.EqualValues(t, 1<<31-1, highMul(-1<<31, -1<<31))
	assert.EqualValues(t, -2, divPOT(-3, 1))
	assert.EqualValues(t, 2, divPOT(3, 1))
	assert.EqualValues(t, 32767, high16(-32768, -32768))
}

// A function that TFLite computes otherwise is lowered with a warning that
// says how far it is off, and the file's session gives the file's codes.
func TestUnaryLowering(t *testing.T) {
	for _, c := range []struct {
		op   backend.QLinearUnary
		y    params
		name string
	}{
		{backend.QLinearUnary{Func: backend.UnarySigmoid}, params{1.0 / 256, -128}, "LOGISTIC"},
		{backend.QLinearUnary{Func: backend.UnaryTanh}, params{1.0 / 128, 0}, "TANH"},
		{backend.QLinearUnary{Func: backend.UnaryHardSwish}, params{0.03, -100}, "HARD_SWISH"},
		{backend.QLinearUnary{Func: backend.UnaryLeakyRelu, Alpha: 0.1}, params{0.03, -20}, "LEAKY_RELU"},
	} {
		n := newNet(4)
		x := n.input("x", 1, 256)
		s, z := n.params(c.y.scale, c.y.zero)
		c.op.Rule, c.op.Scheme = n.rule, n.scheme()
		n.output("y", n.codes(n.g.Apply(c.op, x.v, x.s, x.z, s, z), s, z))
		m := n.model(t)
		a, err := Target{}.Lower(context.Background(), m)
		require.NoError(t, err)
		file := a.(*Artifact)
		assert.Equal(t, []string{c.name}, operators(t, file.file))
		ins, _ := ports(t, m.Graph)
		in := tensor.New(tensor.Of(tensor.F32, 1, 256))
		for i := range in.F32() {
			in.F32()[i] = quant.Dequantize(int32(int8(i)), ins[0].zero, ins[0].scale)
		}
		ours, theirs := runGraph(t, m.Graph, []*tensor.Tensor{in})[0].I8(), runGraph(t, file.graph, []*tensor.Tensor{in})[0].I8()
		differ := 0
		for i := range ours {
			d := int(ours[i]) - int(theirs[i])
			assert.LessOrEqual(t, max(d, -d), 2)
			if d != 0 {
				differ++
			}
		}
		vs := Target{}.Check(m)
		if differ == 0 {
			assert.Empty(t, vs)
			continue
		}
		require.Len(t, vs, 1)
		assert.False(t, vs[0].Fatal)
		assert.Contains(t, vs[0].Reason, fmt.Sprintf("%d of 256 codes", differ))
	}
}

// LiteRT makes the multiplier of MUL in float32: the model is warned of when
// that shows.
func TestProductsAreComparedWithLiteRT(t *testing.T) {
	for seed, warned := range map[uint64]bool{1014: true, 100: false} {
		n := newNet(seed)
		op := backend.QLinearMul{Rule: n.rule, Scheme: n.scheme(), Lo: 0, Hi: 6}
		n.output("y", n.pair(op, n.input("a", 1, 8, 9, 16), n.input("b", 1, 8, 9, 16), 0.05))
		vs := Target{}.Check(n.model(t))
		if warned {
			require.Len(t, vs, 1)
			require.Contains(t, vs[0].Reason, "MUL")
			require.False(t, vs[0].Fatal)
		} else {
			require.Empty(t, vs)
		}
	}
}
