package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/tensor"
)

// TestInitializers compares mean and standard deviation of many draws with
// those of the distribution, at five standard errors, and uniform draws with
// their bounds.
func TestInitializers(t *testing.T) {
	const n, in, out = 200_000, 72, 30
	for _, c := range []struct {
		name     string
		init     nn.Init
		std      float64
		bound    float64
		kurtosis float64 // E x^4 / std^4, for the standard error of the variance.
	}{
		{"HeNormal", nn.HeNormal, math.Sqrt(2.0 / in), math.Inf(1), 3},
		{"HeUniform", nn.HeUniform, math.Sqrt(2.0 / in), math.Sqrt(6.0 / in), 1.8},
		{"LeCunUniform", nn.LeCunUniform, 1 / math.Sqrt(3.0*in), 1 / math.Sqrt(in), 1.8},
		{"GlorotUniform", nn.GlorotUniform, math.Sqrt(2.0 / (in + out)), math.Sqrt(6.0 / (in + out)), 1.8},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := make([]float64, n)
			c.init(rand.New(rand.NewPCG(1, 2)), v, in, out)
			var sum, square float64
			for _, x := range v {
				require.LessOrEqual(t, math.Abs(x), c.bound)
				sum += x
				square += float64(x * x)
			}
			require.InDelta(t, 0, sum/n, 5*c.std/math.Sqrt(n))
			variance := float64(c.std * c.std)
			require.InDelta(t, variance, square/n, 5*variance*math.Sqrt((c.kurtosis-1)/n))
		})
	}
	v := make([]float64, 3)
	nn.Ones(nil, v, 0, 0)
	require.Equal(t, []float64{1, 1, 1}, v)
	nn.Zeros(nil, v, 0, 0)
	require.Equal(t, []float64{0, 0, 0}, v)
	for _, f := range []nn.Init{nn.HeNormal, nn.HeUniform, nn.LeCunUniform, nn.GlorotUniform} {
		f(rand.New(rand.NewPCG(1, 2)), v, 0, 0)
		for _, x := range v {
			require.False(t, math.IsInf(x, 0) || math.IsNaN(x), "no inputs")
		}
	}
}

// TestFans looks at the spread of the weights that layers make: it must
// follow from the number of inputs of an output.
func TestFans(t *testing.T) {
	b := nn.NewBuilder(3)
	nn.Conv2D{Out: 400, Kernel: 3, Name: "dense"}.Forward(b, b.Input("a", 8, 8, 16))
	nn.Conv2D{Out: 400, Kernel: 3, Groups: 4, Name: "grouped"}.Forward(b, b.Input("b", 8, 8, 16))
	nn.Conv2D{Depthwise: true, Kernel: 3, Name: "depthwise"}.Forward(b, b.Input("c", 8, 8, 1024))
	nn.Conv1D{Out: 400, Kernel: 5}.Forward(b, b.Input("d", 8, 16))
	nn.Linear{Out: 100, Init: nn.HeNormal}.Forward(b, b.Input("e", 300))
	g, err := b.Graph()
	require.NoError(t, err)
	for name, fanIn := range map[string]float64{"dense": 144, "grouped": 36, "depthwise": 9, "conv": 80, "linear": 300} {
		v, ok := g.Lookup(name + ".weight")
		require.True(t, ok, name)
		square := 0.0
		for _, x := range v.Init().F32() {
			square += float64(x) * float64(x)
		}
		n := float64(v.Shape().Numel())
		require.InEpsilon(t, 2/fanIn, square/n, 5*math.Sqrt(2/n), name)
	}
	bias, _ := g.Lookup("linear.bias")
	require.Equal(t, make([]float32, 100), bias.Init().F32(), "an explicit initializer is that of the weights")
}

func TestNamesAndScopes(t *testing.T) {
	b := nn.NewBuilder(1)
	y := nn.Sequential{
		nn.Conv2D{Out: 4, Kernel: 3, Pad: 1}, nn.BatchNorm{}, nn.ReLU{},
		nn.Residual{
			Body:     nn.Sequential{nn.Conv2D{Out: 6, Kernel: 1, NoBias: true, Name: "wide"}},
			Shortcut: nn.Conv2D{Out: 6, Kernel: 1, NoBias: true},
			After:    nn.ReLU6{},
		},
		nn.GlobalAvgPool{}, nn.Flatten{}, nn.Dropout{P: 0.5}, nn.LayerNorm{},
		nn.Named{Name: "head", Layer: nn.Linear{Out: 3}},
	}.Forward(b, b.Input("input", 6, 6, 2))
	b.Output("logits", y)
	g, err := b.Graph()
	require.NoError(t, err)
	require.Equal(t, tensor.Shape{1, 3}, y.Shape())
	require.Equal(t, []string{
		"0.conv.weight", "0.conv.bias", "1.bn.gamma", "1.bn.beta",
		"3.body.0.wide.weight", "3.shortcut.conv.weight",
		"7.ln.gamma", "7.ln.beta", "8.head.linear.weight", "8.head.linear.bias",
	}, names(g, graph.Param))
	require.Equal(t, []string{"1.bn.mean", "1.bn.variance", "6.dropout.seed"}, names(g, graph.State))
}

func names(g *graph.Graph, k graph.Kind) (n []string) {
	for _, v := range g.Values(k) {
		n = append(n, v.Name())
	}
	return n
}

// TestWeightsDependOnSeedAndNameAlone adds a layer in front and expects the
// same weights behind it, and other ones for another seed.
func TestWeightsDependOnSeedAndNameAlone(t *testing.T) {
	weight := func(seed uint64, more bool) []float32 {
		b := nn.NewBuilder(seed)
		x := b.Input("input", 5)
		if more {
			x = nn.Named{Name: "more", Layer: nn.Linear{Out: 5}}.Forward(b, x)
		}
		nn.Named{Name: "head", Layer: nn.Linear{Out: 3}}.Forward(b, x)
		g, err := b.Graph()
		require.NoError(t, err)
		v, ok := g.Lookup("head.linear.weight")
		require.True(t, ok)
		return v.Init().F32()
	}
	require.Equal(t, weight(1, false), weight(1, true))
	require.NotEqual(t, weight(1, false), weight(2, false))
}

// TestDropoutsDiffer expects a mask of its own for each dropout.
func TestDropoutsDiffer(t *testing.T) {
	b := nn.NewBuilder(7)
	nn.Sequential{nn.Dropout{P: 0.5}, nn.Dropout{P: 0.5}}.Forward(b, b.Input("input", 5))
	g, err := b.Graph()
	require.NoError(t, err)
	s := g.Values(graph.State)
	require.Len(t, s, 2)
	require.NotEqual(t, s[0].Init().I64()[0], s[1].Init().I64()[0])
	require.Zero(t, s[0].Init().I64()[1], "no step is done")
}

func TestDoubleBuilder(t *testing.T) {
	b := nn.NewBuilder(1)
	b.DType = tensor.F64
	y := nn.Sequential{nn.Conv2D{Out: 2, Kernel: 3}, nn.BatchNorm{}, nn.GlobalAvgPool{}, nn.Linear{Out: 2}}.Forward(b, b.Input("input", 5, 5, 1))
	_, err := b.Graph()
	require.NoError(t, err)
	require.Equal(t, tensor.F64, y.DType())
}

// TestConvGeometry compares output sizes with TensorFlow's rule for Same,
// ceil(in/stride), and with the formula for explicit padding.
func TestConvGeometry(t *testing.T) {
	for in := 1; in <= 12; in++ {
		for kernel := 1; kernel <= 5; kernel++ {
			for stride := 1; stride <= 3; stride++ {
				b := nn.NewBuilder(1)
				y := nn.Conv2D{Out: 2, Kernel: kernel, KernelW: 3, Stride: stride, StrideW: 1, Same: true}.Forward(b, b.Input("input", in, 7, 1))
				require.NoError(t, b.G.Err())
				require.Equal(t, tensor.Shape{1, (in + stride - 1) / stride, 7, 2}, y.Shape())
				// TensorFlow puts the odd line of padding after the image.
				p := b.G.Nodes()[0].Op.(backend.Conv).Pad
				require.True(t, p[2]-p[0] == 0 || p[2]-p[0] == 1, "%v", p)
			}
		}
	}
	b := nn.NewBuilder(1)
	y := nn.Conv2D{Out: 2, Kernel: 3, Stride: 2, Pad: 1, Dilation: 2}.Forward(b, b.Input("input", 9, 11, 1))
	require.Equal(t, tensor.Shape{1, 4, 5, 2}, y.Shape())
	z := nn.Named{Name: "sequence", Layer: nn.Conv1D{Out: 3, Kernel: 3, Stride: 2, Pad: 1}}.Forward(b, b.Input("sequence", 9, 2))
	require.Equal(t, tensor.Shape{1, 5, 3}, z.Shape())
	p := nn.MaxPool{Kernel: 2}.Forward(b, y)
	require.Equal(t, tensor.Shape{1, 2, 2, 2}, p.Shape())
	q := nn.AvgPool{Kernel: 3, Stride: 1, Pad: 1}.Forward(b, y)
	require.Equal(t, y.Shape(), q.Shape())
	require.NoError(t, b.G.Err())
}

// TestFirstErrorSticks builds on after a fault: nothing panics, and the
// error is the first one, with the scope it came from.
func TestFirstErrorSticks(t *testing.T) {
	after := nn.Sequential{
		nn.Conv2D{Out: 2, Kernel: 3}, nn.Conv1D{Out: 2, Kernel: 3}, nn.BatchNorm{}, nn.LayerNorm{}, nn.ReLU{}, nn.ReLU6{},
		nn.MaxPool{Kernel: 2}, nn.AvgPool{Kernel: 2}, nn.GlobalAvgPool{}, nn.Flatten{}, nn.Dropout{P: 0.5},
		nn.Residual{Body: nn.Linear{Out: 3}, Shortcut: nn.Linear{Out: 3}, After: nn.ReLU{}},
		nn.Apply{Op: backend.Tanh{}}, nn.Named{Name: "head", Layer: nn.Linear{Out: 4}},
	}
	for _, c := range []struct {
		name  string
		layer nn.Layer
		shape []int
		want  []string
	}{
		{"conv of a vector", nn.Conv2D{Out: 2, Kernel: 3}, []int{4}, []string{"Conv2D", "[1, 4]"}},
		{"conv of nothing", nn.Conv2D{Out: 0, Kernel: 3}, []int{4, 4, 1}, []string{"Conv2D", "to 0"}},
		{"groups", nn.Conv2D{Out: 3, Kernel: 1, Groups: 2}, []int{4, 4, 2}, []string{"2 groups"}},
		{"kernel too large", nn.Conv2D{Out: 1, Kernel: 5}, []int{4, 4, 1}, []string{"kernel 5", "fault.conv"}},
		{"conv1d of an image", nn.Conv1D{Out: 1, Kernel: 3}, []int{4, 4, 1}, []string{"Conv1D"}},
		{"linear to nothing", nn.Linear{}, []int{4}, []string{"Linear", "0 outputs"}},
		{"pool too large", nn.MaxPool{Kernel: 5}, []int{4, 4, 1}, []string{"max_pool"}},
		{"residual of two shapes", nn.Residual{Body: nn.Linear{Out: 3}}, []int{4}, []string{"add"}},
		{"two layers of one name", nn.Named{Name: "x", Layer: nn.Residual{Body: nn.Linear{Out: 4}, Shortcut: nn.Named{Name: "", Layer: nn.Linear{Out: 4}}, After: twice{}}}, []int{4}, []string{"two values are named"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := nn.NewBuilder(1)
			x := nn.Named{Name: "fault", Layer: c.layer}.Forward(b, b.Input("input", c.shape...))
			first := b.G.Err()
			require.Error(t, first)
			for _, s := range c.want {
				require.ErrorContains(t, first, s)
			}
			y := after.Forward(b, x)
			require.True(t, y.Absent())
			b.Output("logits", y)
			_, err := b.Graph()
			require.Equal(t, first, err)
		})
	}
}

// twice is a layer that forgets to give its parts scopes.
type twice struct{}

func (twice) Forward(b *nn.Builder, x graph.Value) graph.Value {
	x = nn.Linear{Out: 4}.Forward(b, x)
	return nn.Linear{Out: 4}.Forward(b, x)
}

func TestRegisterModelTwice(t *testing.T) {
	require.PanicsWithValue(t, "nn: duplicate model cnn", func() { nn.RegisterModel(nn.Model{Name: "cnn"}) })
}
