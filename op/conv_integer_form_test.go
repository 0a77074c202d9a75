package op_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// layerTest is a quantized layer: fake-quantized input and weight, operation,
// batch normalization, activation, quantizer of the result.
type layerTest struct {
	op       backend.Op // on x, w and a bias
	x, w     []int
	weights  quant.Scheme // default: int8 per output channel
	out      quant.Scheme // default: uint8
	rule     quant.Rule
	act      backend.Op // nil for none
	noBias   bool
	noBN     bool
	gamma    func(c int) float32 // nil: around 1, both signs
	outScale float32
	differ   float64 // share of codes that may differ by one, 0.001 when 0
}

func randomVector(r *rand.Rand, n int, f func(v float64) float64) *tensor.Tensor {
	t := tensor.New(tensor.Of(tensor.F32, n))
	for i := range n {
		t.F32()[i] = float32(f(r.NormFloat64()))
	}
	return t
}

func fakeQuantOf(g *graph.Graph, name string, v graph.Value, rule quant.Rule, s quant.Scheme, scale *tensor.Tensor, zero int32) graph.Value {
	z := tensor.New(tensor.Of(tensor.I32, scale.Numel()))
	for i := range z.I32() {
		z.I32()[i] = zero
	}
	return g.Apply(backend.FakeQuant{Rule: rule, Scheme: s}, v, g.State(name+".scale", scale), g.State(name+".zero", z))
}

// weightScales returns the scales by the largest absolute value.
func weightScales(w *tensor.Tensor, s quant.Scheme) *tensor.Tensor {
	n := s.Params(w.Shape())
	t := tensor.New(tensor.Of(tensor.F32, n))
	_, hi := s.Range()
	per := w.Numel() / n
	for i, v := range w.F32() {
		t.F32()[i/per] = max(t.F32()[i/per], float32(math.Abs(float64(v)))/float32(hi))
	}
	return t
}

// graph returns the layer with outputs "y", the quantized result, and "loss".
func (l layerTest) graph(t *testing.T) *graph.Graph {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 9))
	if l.weights.IsZero() {
		l.weights = quant.Int8PerChannel(0)
	}
	if l.out.IsZero() {
		l.out = quant.UInt8()
	}
	g := graph.New()
	x := g.Param("x", backendtest.Normal(r, 1, l.x...))
	sx := tensor.New(tensor.Of(tensor.F32, 1))
	sx.F32()[0] = 0.026
	xq := fakeQuantOf(g, "x", x, l.rule, quant.UInt8(), sx, 125)
	w := backendtest.Normal(r, 0.2, l.w...)
	wq := fakeQuantOf(g, "w", g.Param("w", w), l.rule, l.weights, weightScales(w, l.weights), 0)
	o := l.w[0]
	in := []graph.Value{xq, wq}
	if !l.noBias {
		in = append(in, g.Param("b", backendtest.Normal(r, 0.5, o)))
	}
	y := g.Apply(l.op, in...)
	if !l.noBN {
		gamma := randomVector(r, o, func(v float64) float64 { return 1 + 0.3*v })
		for c := range gamma.F32() {
			if c%3 == 1 {
				gamma.F32()[c] *= -1
			}
			if l.gamma != nil {
				gamma.F32()[c] = l.gamma(c)
			}
		}
		variance := randomVector(r, o, func(v float64) float64 { return 2 + v*v })
		y = g.Apply(backend.BatchNorm{Eps: 1e-3, Momentum: 0.1}, y, g.Param("gamma", gamma), g.Param("beta", backendtest.Normal(r, 0.3, o)),
			g.State("mean", backendtest.Normal(r, 0.3, o)), g.State("variance", variance))
	}
	if l.act != nil {
		y = g.Apply(l.act, y)
	}
	sy, zero := tensor.New(tensor.Of(tensor.F32, 1)), int32(120)
	sy.F32()[0] = l.outScale
	if l.act != nil || l.out.Signed {
		zero = 0
	}
	y = fakeQuantOf(g, "y", y, l.rule, l.out, sy, zero)
	g.Output("y", y)
	weights := g.Const("loss.weights", backendtest.Normal(r, 1, y.Shape()...))
	g.Output("loss", g.Apply(backend.Reduce{Kind: backend.ReduceSum}, g.Apply(backend.Mul{}, y, weights)))
	require.NoError(t, g.Err())
	return g
}

// runMode compiles g in mode m and returns its outputs by name; with
// gradients of the loss too.
func runMode(t *testing.T, g *graph.Graph, m graph.Mode) (map[string]*tensor.Tensor, []string) {
	t.Helper()
	ctx := context.Background()
	o := program.Options{Backend: cpu.New(), Mode: m}
	if m.Train {
		o.Loss = "loss"
	}
	p, err := program.Compile(ctx, g, o)
	require.NoError(t, err)
	require.NoError(t, p.Run(ctx))
	out := map[string]*tensor.Tensor{}
	for _, v := range p.Graph().Outputs() {
		out[v.Name], err = p.OutputTensor(ctx, v.Name)
		require.NoError(t, err)
	}
	var ops []string
	for _, n := range p.Graph().Nodes() {
		ops = append(ops, n.Op.OpName())
	}
	return out, ops
}

// equalWithin asserts that two quantized results differ nowhere by more than
// one step, and at all in at most this share of the elements (0.001 when 0),
// and that they use many codes.
func equalWithin(t *testing.T, want, got *tensor.Tensor, step float32, share float64) {
	t.Helper()
	require.Equal(t, want.Spec(), got.Spec())
	if share == 0 {
		share = 0.001
	}
	differ, codes := 0, map[int]bool{}
	for i := range want.Numel() {
		d := math.Abs(want.At(i)-got.At(i)) / float64(step)
		codes[int(math.Round(want.At(i)/float64(step)))] = true
		if d > 0.5 {
			differ++
		}
		require.LessOrEqual(t, d, 1.01, "element %d: %v and %v", i, want.At(i), got.At(i))
	}
	assert.LessOrEqual(t, float64(differ), share*float64(want.Numel()), "of %d", want.Numel())
	assert.Greater(t, len(codes), 5, "the test uses too few codes")
}

func normalizedError(want, got *tensor.Tensor) float64 {
	var num, den float64
	for i := range want.Numel() {
		d := want.At(i) - got.At(i)
		num += d * d
		den += want.At(i) * want.At(i)
	}
	return num / max(den, 1e-30)
}

var (
	convLayer  = layerTest{op: backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}, x: []int{4, 13, 11, 32}, w: []int{21, 3, 3, 32}, outScale: 0.05}
	depthLayer = layerTest{op: backend.Conv{Window: backend.Window{Stride: [2]int{2, 2}, Pad: [4]int{2, 2, 2, 2}}, Groups: 24}, x: []int{8, 22, 19, 24}, w: []int{24, 5, 5, 1}, outScale: 0.02}
	gemmLayer  = layerTest{op: backend.Gemm{}, x: []int{3, 67, 200}, w: []int{30, 200}, outScale: 0.04}
)

func (l layerTest) with(f func(*layerTest)) layerTest { f(&l); return l }

var layerTests = map[string]layerTest{
	"conv":       convLayer,
	"conv relu":  convLayer.with(func(l *layerTest) { l.act = backend.Relu{} }),
	"conv relu6": convLayer.with(func(l *layerTest) { l.act, l.outScale = backend.Clip{Lo: 0, Hi: 6}, 0.028 }),
	"conv no batch norm": convLayer.with(func(l *layerTest) {
		l.noBN, l.outScale = true, 0.15
	}),
	"conv alone":     convLayer.with(func(l *layerTest) { l.noBN, l.noBias, l.outScale = true, true, 0.15 }),
	"conv one scale": convLayer.with(func(l *layerTest) { l.weights = quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Narrow: true} }),
	"conv 4 bits": convLayer.with(func(l *layerTest) {
		// Few bits make a coarse grid for the int32 bias.
		l.weights, l.out, l.outScale, l.differ = quant.Weights(4), quant.Activations(4, true), 0.4, 0.003
	}),
	"conv 4 bits full": convLayer.with(func(l *layerTest) {
		l.weights, l.differ = quant.Scheme{Bits: 4, Signed: true, Symmetric: true, Grain: quant.Granularity{Kind: quant.PerChannel}}, 0.02
	}),
	"conv gamma zero": convLayer.with(func(l *layerTest) { l.gamma = func(c int) float32 { return []float32{0, -1, 1e-20, 1}[c%4] } }),
	"conv dilated groups": convLayer.with(func(l *layerTest) {
		l.op = backend.Conv{Window: backend.Window{Dilation: [2]int{2, 2}, Pad: [4]int{2, 2, 2, 2}}, Groups: 4}
		l.w, l.outScale = []int{20, 3, 3, 8}, 0.03
	}),
	"depthwise": depthLayer.with(func(l *layerTest) { l.act = backend.Relu{} }),
	"sequence":  layerTest{op: backend.Conv{Window: backend.Window{Pad: [4]int{0, 3, 0, 3}}}, x: []int{4, 150, 32}, w: []int{16, 7, 32}, outScale: 0.05},
	"gemm":      gemmLayer,
	"gemm relu": gemmLayer.with(func(l *layerTest) { l.noBN, l.act, l.outScale = true, backend.Relu{}, 0.1 }),
}

func TestLayersDeployed(t *testing.T) {
	for name, l := range layerTests {
		t.Run(name, func(t *testing.T) {
			g := l.graph(t)
			want, _ := runMode(t, g, graph.Mode{Quantize: graph.QuantizeFloat})
			got, ops := runMode(t, g, graph.Mode{Quantize: graph.QuantizeInteger})
			assert.Contains(t, ops, "fold_batch_norm")
			assert.Contains(t, ops, "qlinear_"+l.op.OpName())
			assert.NotContains(t, ops, "batch_norm_eval")
			equalWithin(t, want["y"], got["y"], l.outScale, l.differ)
		})
	}
}

func TestLayersDeployedOtherRules(t *testing.T) {
	for _, rule := range []quant.Rule{quant.PyTorch, quant.TFLite, quant.TFLiteSingle} {
		t.Run(rule.Name, func(t *testing.T) {
			l := convLayer.with(func(l *layerTest) { l.rule, l.act = rule, backend.Relu{} })
			g := l.graph(t)
			want, _ := runMode(t, g, graph.Mode{Quantize: graph.QuantizeFloat})
			got, ops := runMode(t, g, graph.Mode{Quantize: graph.QuantizeInteger})
			assert.Contains(t, ops, "qlinear_conv")
			equalWithin(t, want["y"], got["y"], l.outScale, l.differ)
		})
	}
}

// While ranges move, a layer gives the sums of the float layer, and the same
// gradients.
func TestLayersLive(t *testing.T) {
	for name, l := range layerTests {
		t.Run(name, func(t *testing.T) {
			g := l.graph(t)
			m := graph.Mode{Train: true, Ranges: graph.RangesObserve, Quantize: graph.QuantizeFloat}
			want, _ := runMode(t, g, m)
			m.Quantize = graph.QuantizeInteger
			got, ops := runMode(t, g, m)
			assert.Contains(t, ops, l.op.OpName()+"_dequant")
			// Batch statistics amplify what the order of sums changes.
			for k := range want {
				if k != "loss" && !(k == "grad.b" && !l.noBN) {
					assert.LessOrEqual(t, normalizedError(want[k], got[k]), 1e-9, k)
				}
			}
		})
	}
}

// With everything frozen the gradients are those of the float layer, except
// where an accumulator rounds to the other side of a bound.
func TestLayersDeployedGradient(t *testing.T) {
	for name, l := range layerTests {
		t.Run(name, func(t *testing.T) {
			g := l.graph(t)
			m := graph.Mode{Train: true, FreezeBN: true, Quantize: graph.QuantizeFloat}
			want, _ := runMode(t, g, m)
			m.Quantize = graph.QuantizeInteger
			got, ops := runMode(t, g, m)
			assert.Contains(t, ops, "qlinear_"+l.op.OpName())
			bound := 1e-3
			if l.act != nil {
				// The gradient of a clamp is that of its code: a negative
				// number that rounds to 0 counts as inside.
				bound = 0.05
			}
			for _, k := range []string{"grad.x", "grad.w", "grad.b", "grad.gamma", "grad.beta"} {
				if want[k] == nil {
					assert.Nil(t, got[k], k)
					continue
				}
				require.NotNil(t, got[k], k)
				assert.LessOrEqual(t, normalizedError(want[k], got[k]), bound, k)
			}
		})
	}
}

// Codes of all 8 bits cannot be negated, so a negative gamma cannot be folded.
func TestFullRangeWeightsAreNotFolded(t *testing.T) {
	full := quant.Scheme{Bits: 8, Signed: true, Symmetric: true, Grain: quant.Granularity{Kind: quant.PerChannel}}
	l := convLayer.with(func(l *layerTest) { l.weights = full })
	g := l.graph(t)
	want, _ := runMode(t, g, graph.Mode{Quantize: graph.QuantizeFloat})
	got, ops := runMode(t, g, graph.Mode{Quantize: graph.QuantizeInteger})
	assert.NotContains(t, ops, "qlinear_conv")
	assert.Contains(t, ops, "conv_dequant")
	equalWithin(t, want["y"], got["y"], l.outScale, l.differ)

	l.noBN, l.outScale = true, 0.15
	_, ops = runMode(t, l.graph(t), graph.Mode{Quantize: graph.QuantizeInteger})
	assert.Contains(t, ops, "qlinear_conv")
}

// Weights that the kernels do not take run as floats.
func TestUnfitWeightsStayFloat(t *testing.T) {
	for name, s := range map[string]quant.Scheme{
		"affine":    quant.Int8(),
		"unsigned":  {Bits: 8, Symmetric: true},
		"per input": quant.Int8PerChannel(3),
		"per group": {Bits: 8, Signed: true, Symmetric: true, Narrow: true, Grain: quant.Granularity{Kind: quant.PerGroup, Group: 8}},
	} {
		t.Run(name, func(t *testing.T) {
			l := convLayer.with(func(l *layerTest) { l.weights = s })
			_, ops := runMode(t, l.graph(t), graph.Mode{Quantize: graph.QuantizeInteger})
			assert.Contains(t, ops, "conv")
			assert.NotContains(t, ops, "qlinear_conv")
		})
	}
}

// Sums too long for the accumulator run as floats instead of failing.
func TestLongSumsStayFloat(t *testing.T) {
	for k, want := range map[int]string{30000: "qlinear_gemm", 40000: "gemm_dequant", 70000: "gemm"} {
		l := layerTest{op: backend.Gemm{}, x: []int{2, k}, w: []int{3, k}, outScale: 1, noBN: true}
		_, ops := runMode(t, l.graph(t), graph.Mode{Quantize: graph.QuantizeInteger})
		assert.Contains(t, ops, want, "k=%d", k)
	}
}
