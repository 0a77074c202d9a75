package op_test

import (
	"context"
	"encoding/json"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/npy"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// torchQuantizer is a case of the vectors computed by PyTorch.
type torchQuantizer struct {
	ID         string
	Kind       string
	Scale      float64
	ZP         int32
	Axis       int
	QMin, QMax int32
	Symmetric  bool
	PerRow     bool    `json:"per_row"`
	Averaging  float32 `json:"averaging_const"`
}

// scheme returns the scheme with the case's code range.
func (c torchQuantizer) scheme() quant.Scheme {
	s := quant.Scheme{Signed: c.QMin < 0, Narrow: c.QMin == -c.QMax, Symmetric: c.Symmetric}
	s.Bits = bits.Len32(uint32(c.QMax - c.QMin))
	if c.Kind == "per_channel" {
		s.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: c.Axis}
	}
	return s
}

// torchQuantizers returns the cases of a kind and a function to load arrays.
func torchQuantizers(t *testing.T, kinds ...string) ([]torchQuantizer, func(name string) *tensor.Tensor) {
	t.Helper()
	const stem = "../../shared/vectors/fakequant_torch-2.15.0"
	text, err := os.ReadFile(filepath.FromSlash(stem + ".json"))
	if err != nil {
		t.Skip("no vectors computed by PyTorch beside the repository")
	}
	var file struct{ Cases []torchQuantizer }
	require.NoError(t, json.Unmarshal(text, &file))
	a, err := npy.Open(filepath.FromSlash(stem + ".npz"))
	require.NoError(t, err)
	t.Cleanup(func() { a.Close() })
	var cs []torchQuantizer
	for _, c := range file.Cases {
		for _, k := range kinds {
			if c.Kind == k && c.QMax <= 255 { // There are no codes of 16 bits.
				cs = append(cs, c)
			}
		}
	}
	require.NotEmpty(t, cs)
	return cs, func(name string) *tensor.Tensor {
		v, err := a.Read(name)
		require.NoError(t, err, name)
		return v
	}
}

// weightedLoss adds the output y and the loss sum(y*w).
func weightedLoss(g *graph.Graph, y graph.Value, w *tensor.Tensor) {
	g.Output("y", y)
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, y, g.Const("w", w))))
}

// runOnce compiles g as it is, with gradients of "loss", and runs it.
func runOnce(t *testing.T, g *graph.Graph) *program.Program {
	t.Helper()
	require.NoError(t, g.Err())
	p, err := program.Compile(context.Background(), g, program.Options{Backend: cpu.New(), Lowered: true, Loss: "loss"})
	require.NoError(t, err)
	require.NoError(t, p.Run(context.Background()))
	return p
}

func outputOf(t *testing.T, p *program.Program, name string) *tensor.Tensor {
	t.Helper()
	v, err := p.OutputTensor(context.Background(), name)
	require.NoError(t, err)
	return v
}

// requireSame requires equal bits, but 0 for -0: torch multiplies by the mask
// and keeps the sign of what it masks.
func requireSame(t *testing.T, want, got *tensor.Tensor, what string) {
	t.Helper()
	require.Equal(t, want.Numel(), got.Numel(), what)
	for i, w := range want.F32() {
		if h := got.F32()[i]; math.Float32bits(w) != math.Float32bits(h) && (w != 0 || h != 0) {
			require.Failf(t, "bits differ", "%s[%d]: want %v, have %v", what, i, w, h)
		}
	}
}

func TestFakeQuantAgainstTorch(t *testing.T) {
	cs, load := torchQuantizers(t, "per_tensor", "per_channel")
	for _, c := range cs {
		t.Run(c.ID, func(t *testing.T) {
			g := graph.New()
			x := g.Param("x", load(c.ID+".x"))
			scale, zero := tensor.FromF32([]float32{float32(c.Scale)}, 1), tensor.FromI32([]int32{c.ZP}, 1)
			if c.Kind == "per_channel" {
				scale, zero = load(c.ID+".scale"), load(c.ID+".zp")
			}
			out := g.ApplyN(backend.FakeQuant{Rule: quant.PyTorch, Scheme: c.scheme()}, x, g.State("scale", scale), g.State("zero", zero))
			require.NoError(t, g.Err())
			g.Output("mask", out[1])
			weightedLoss(g, out[0], load(c.ID+".g"))
			p := runOnce(t, g)
			requireSame(t, load(c.ID+".y"), outputOf(t, p, "y"), "y")
			requireSame(t, load(c.ID+".dx"), outputOf(t, p, "grad.x"), "dx")
			mask := outputOf(t, p, "mask")
			for i, m := range load(c.ID + ".mask").U8() {
				require.Equal(t, float64(m), mask.At(i), "mask of element %d", i)
			}
		})
	}
}

// TestQuantizeLinearAgreesWithFakeQuant checks that codes, dequantized, are
// the fake-quantized values bit for bit, and their gradients as well.
func TestQuantizeLinearAgreesWithFakeQuant(t *testing.T) {
	x, w := normal32(1, 2, 5, 9, 7), normal32(2, 1, 5, 9, 7)
	for _, learn := range []bool{false, true} {
		for _, rule := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.TFLite} {
			s := quant.Activations(4, true)
			s.Grain = quant.Granularity{Kind: quant.PerChannel, Axis: 1}
			scale, zero := tensor.New(tensor.Of(tensor.F32, 9)), tensor.New(tensor.Of(tensor.I32, 9))
			for c := range 9 {
				scale.F32()[c], zero.I32()[c] = 0.1+0.07*float32(c), int32(c-4)
			}
			build := func(codes bool) *program.Program {
				g := graph.New()
				x, sc, z := g.Param("x", x), g.Param("scale", scale), g.State("zero", zero)
				var y graph.Value
				if codes {
					q := g.Apply(backend.QuantizeLinear{Rule: rule, Scheme: s, Learn: learn}, x, sc, z)
					y = g.Apply(backend.DequantizeLinear{Scheme: s}, q, sc, z)
				} else {
					y = g.Apply(backend.FakeQuant{Rule: rule, Scheme: s, Learn: learn}, x, sc, z)
				}
				weightedLoss(g, y, w)
				return runOnce(t, g)
			}
			a, b := build(false), build(true)
			names := []string{"y", "grad.x"}
			if learn {
				names = append(names, "grad.scale")
			} else {
				_, err := a.Output("grad.scale")
				assert.Error(t, err, "a fixed scale has no gradient")
			}
			for _, n := range names {
				assert.Equal(t, outputOf(t, a, n).Bytes(), outputOf(t, b, n).Bytes(), "%s of %v", n, rule)
			}
		}
	}
}

// TestLSQGradient checks the gradient of a learned scale against the formula
// of the paper, one element at a time.
func TestLSQGradient(t *testing.T) {
	const scale, zero = 0.5, 1
	s := quant.Activations(3, true) // Codes -4 to 3.
	for _, c := range []struct{ x, ds, dx float64 }{
		{0, 0, 1},
		{0.3, 1 - 0.6, 1},
		{0.2, 0 - 0.4, 1},
		{-1.1, -2 + 2.2, 1},
		{0.25, 0 - 0.5, 1},  // Half to even.
		{1.24, 2 - 2.48, 1}, // Code 3, the last.
		{1.26, 3 - zero, 0},
		{9, 3 - zero, 0},
		{-2.7, -5 + 5.4, 1},
		{-2.8, -4 - zero, 0},
	} {
		g := graph.New()
		x := g.Param("x", tensor.FromF32([]float32{float32(c.x)}, 1))
		sc := g.Param("scale", tensor.FromF32([]float32{scale}, 1))
		y := g.Apply(backend.FakeQuant{Scheme: s, Learn: true}, x, sc, g.State("zero", tensor.FromI32([]int32{zero}, 1)))
		weightedLoss(g, y, tensor.FromF32([]float32{2}, 1))
		p := runOnce(t, g)
		assert.InDelta(t, 2*c.ds/math.Sqrt(3), outputOf(t, p, "grad.scale").At(0), 1e-6, "x=%v", c.x)
		assert.Equal(t, 2*c.dx, outputOf(t, p, "grad.x").At(0), "x=%v", c.x)
	}
}

// TestFakeQuantLearnsOnlyInTraining checks what a mode does to learned scales.
func TestFakeQuantLearnsOnlyInTraining(t *testing.T) {
	g := graph.New()
	s := quant.Int8()
	x := g.Param("x", normal32(3, 1, 8))
	y := g.Apply(backend.FakeQuant{Scheme: s, Learn: true}, x,
		g.Param("scale", tensor.FromF32([]float32{0.1}, 1)), g.State("zero", tensor.FromI32([]int32{0}, 1)))
	g.Output("y", y)
	for _, c := range []struct {
		mode graph.Mode
		want bool
	}{
		{graph.Mode{Train: true, Quantize: graph.QuantizeFloat, Ranges: graph.RangesObserve}, true},
		{graph.Mode{Train: true, Quantize: graph.QuantizeFloat}, false},
		{graph.Mode{Quantize: graph.QuantizeFloat, Ranges: graph.RangesObserve}, false},
	} {
		low, err := graph.Lower(g, c.mode, 0)
		require.NoError(t, err)
		require.Len(t, low.Nodes(), 1)
		assert.Equal(t, c.want, low.Nodes()[0].Op.(backend.FakeQuant).Learn, "%+v", c.mode)
	}
}

// TestQuantizerInference checks that inputs that do not fit are errors.
func TestQuantizerInference(t *testing.T) {
	infer := func(op backend.Op, in ...tensor.Spec) error {
		_, err := graph.Lookup(op.OpName()).Infer(op, in)
		return err
	}
	f, i, s, z := tensor.Of(tensor.F32, 4, 6), tensor.Of(tensor.I32, 4), tensor.Of(tensor.F32, 4), tensor.Of(tensor.I32, 4)
	w := quant.Weights(8)
	require.NoError(t, infer(backend.FakeQuant{Scheme: w}, f, s, z))
	assert.ErrorContains(t, infer(backend.FakeQuant{}, f, s, z), "float32")
	assert.ErrorIs(t, infer(backend.FakeQuant{Scheme: quant.Scheme{Bits: 9}}, f, s, z), quant.ErrScheme)
	assert.ErrorContains(t, infer(backend.FakeQuant{Scheme: quant.Int8()}, f, s, z), "want 1 float32")
	assert.ErrorContains(t, infer(backend.FakeQuant{Scheme: w}, f, s), "2 inputs")
	assert.ErrorContains(t, infer(backend.FakeQuant{Scheme: w}, f, s, tensor.Of(tensor.I32, 1)), "zero point")
	assert.ErrorContains(t, infer(backend.FakeQuant{Scheme: w}, i, s, z), "int32")
	assert.ErrorIs(t, infer(backend.QuantizeLinear{Scheme: quant.Int8PerChannel(3)}, f, s, z), quant.ErrScheme)
	assert.Error(t, infer(backend.DequantizeLinear{Scheme: w}, f, s, z))
	assert.Error(t, infer(backend.STEGrad{}, f, tensor.Of(tensor.B1, 4, 5)))
	assert.Error(t, infer(backend.LSQGrad{Scheme: w}, tensor.Of(tensor.F32, 4), f, s, z))
	assert.Error(t, infer(backend.ObserveMinMax{Momentum: 2}, f, tensor.Of(tensor.F32, 1), tensor.Of(tensor.F32, 1)))
	assert.Error(t, infer(backend.ObserveHistogram{Bins: 8}, f, tensor.Of(tensor.I64, 9), tensor.Of(tensor.F32, 2)))
	assert.Error(t, infer(backend.ScaleSearch{Scheme: quant.Int8(), Percentile: 101}, tensor.Of(tensor.I64, 8), tensor.Of(tensor.F32, 2), tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1)))
	for _, name := range graph.Registered() {
		for n := range 9 {
			op := graph.Prototype(name)
			for _, spec := range []tensor.Spec{{}, {DType: tensor.I8}, tensor.Of(tensor.F32, -1), tensor.Of(tensor.I8, 1<<30, 1<<30, 1<<30)} {
				in := make([]tensor.Spec, n)
				for k := range in {
					in[k] = spec
				}
				assert.NotPanics(t, func() { _ = infer(op, in...) }, "%s of %d %v", name, n, spec)
			}
		}
	}
}

// normal32 returns normal float32 values with deviation std.
func normal32(seed uint64, std float64, dims ...int) *tensor.Tensor {
	v := normal64(seed, std, dims...)
	t := tensor.New(tensor.Of(tensor.F32, dims...))
	for i, x := range v.F64() {
		t.F32()[i] = float32(x)
	}
	return t
}
