package nn_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

// published are the parameters of the models of the zoo: trained, and with
// the running statistics of batch normalization, as Keras counts.
//
// resnet18 and mobilenetv2 are torchvision's documented counts; those of
// MLPerf Tiny are Keras' summaries of the trained models of mlcommons/tiny
// (the layers are compared in TestKerasLayers). lenet: 156 + 2,416 + 48,120 +
// 10,164 + 850. cnn, mlp and gpt-tiny are the project's own: the last has
// 16,384 numbers for symbols and 4,096 for places, two blocks of 256 +
// 16,640 + 33,088, and 128 + 16,640 at the end.
var published = map[string]struct {
	trained, all int
	output       tensor.Shape
}{
	"autoencoder":      {267_928, 269_992, tensor.Shape{1, 640}},
	"cnn":              {24_058, 24_282, tensor.Shape{1, 10}},
	"ds-cnn":           {23_756, 24_908, tensor.Shape{1, 12}},
	"gpt-tiny":         {137_216, 137_216, tensor.Shape{1, 256}},
	"lenet":            {61_706, 61_706, tensor.Shape{1, 10}},
	"mlp":              {1_863_690, 1_863_690, tensor.Shape{1, 10}},
	"mobilenetv1-0.25": {216_322, 221_794, tensor.Shape{1, 2}},
	"mobilenetv2":      {3_504_872, 3_538_984, tensor.Shape{1, 1000}},
	"resnet18":         {11_689_512, 11_699_112, tensor.Shape{1, 1000}},
	"resnet8":          {78_186, 78_666, tensor.Shape{1, 10}},
}

func TestPublishedCounts(t *testing.T) {
	for _, m := range nn.Models() {
		t.Run(m.Name, func(t *testing.T) {
			want, ok := published[m.Name]
			require.True(t, ok, "no count to compare with")
			g, err := nn.Build(m.Name, nil, 0, 1)
			require.NoError(t, err)
			require.Equal(t, want.trained, nn.ParamCount(g))
			all := nn.ParamCount(g)
			for _, v := range g.Values(graph.State) {
				if v.DType() == tensor.F32 {
					all += v.Spec().Numel()
				}
			}
			require.Equal(t, want.all, all)
			y, ok := g.Lookup("logits")
			require.True(t, ok)
			require.Equal(t, want.output, y.Shape())
			require.NotEmpty(t, m.About)
		})
	}
	g, err := nn.Build("lenet", tensor.Shape{32, 32, 1}, 0, 1)
	require.NoError(t, err)
	require.Equal(t, 61_706, nn.ParamCount(g), "the paper's 32x32 images need no padding")
}

// kerasLayer is what a Keras model says of a layer.
type kerasLayer struct {
	Class  string `json:"class_name"`
	Config struct {
		Filters int
		Units   int
		Kernel  []int `json:"kernel_size"`
		Strides []int
		Epsilon float64
	}
}

// TestKerasLayers compares the convolutions and linear layers of the MLPerf
// Tiny models, in order, with the configurations in the trained Keras models.
func TestKerasLayers(t *testing.T) {
	for model, file := range map[string]string{"resnet8": "ic_resnet8_float.h5", "mobilenetv1-0.25": "vww_96_float.h5", "autoencoder": "ad01_float.h5"} {
		t.Run(model, func(t *testing.T) {
			h5, err := os.ReadFile(filepath.Join("..", "..", "shared", "data", "mlperf-tiny", "models", file))
			if err != nil {
				t.Skipf("no trained Keras model: %v", err)
			}
			// The configuration is a JSON attribute in the HDF5 file.
			at := bytes.Index(h5, []byte(`{"class_name"`))
			require.Positive(t, at)
			var keras struct {
				Config struct{ Layers []kerasLayer }
			}
			require.NoError(t, json.NewDecoder(bytes.NewReader(h5[at:])).Decode(&keras))
			type layer struct {
				out, kh, kw, stride int
				depthwise           bool
			}
			var want, have []layer
			for _, l := range keras.Config.Layers {
				c := l.Config
				switch l.Class {
				case "Conv2D":
					want = append(want, layer{out: c.Filters, kh: c.Kernel[0], kw: c.Kernel[1], stride: c.Strides[0]})
				case "DepthwiseConv2D":
					want = append(want, layer{kh: c.Kernel[0], kw: c.Kernel[1], stride: c.Strides[0], depthwise: true})
				case "Dense":
					want = append(want, layer{out: c.Units})
				case "BatchNormalization":
					require.InEpsilon(t, 1e-3, c.Epsilon, 1e-6)
				}
			}
			g, err := nn.Build(model, nil, 0, 1)
			require.NoError(t, err)
			for _, n := range g.Nodes() {
				switch op := n.Op.(type) {
				case backend.Conv:
					w := n.In[1].Shape()
					l := layer{out: w[0], kh: w[1], kw: w[2], stride: op.Stride[0]}
					if op.Groups > 1 {
						l.out, l.depthwise = 0, true
					}
					have = append(have, l)
				case backend.Gemm:
					have = append(have, layer{out: n.In[1].Shape()[0]})
				case backend.BatchNorm:
					require.Equal(t, float32(1e-3), op.Eps)
				}
			}
			require.Equal(t, want, have)
		})
	}
}

// TestOtherSizes builds every model for samples and classes it was not made
// for, and runs it: the results must be numbers.
func TestOtherSizes(t *testing.T) {
	ctx := context.Background()
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	for _, c := range []struct {
		model   string
		sample  tensor.Shape
		classes int
	}{
		{"autoencoder", tensor.Shape{40}, 0},
		{"autoencoder", tensor.Shape{5, 6, 2}, 60},
		{"cnn", tensor.Shape{13, 9, 3}, 4},
		{"ds-cnn", tensor.Shape{31, 13, 1}, 35},
		{"lenet", tensor.Shape{17, 22, 3}, 7},
		{"lenet", tensor.Shape{32, 32, 1}, 10},
		{"mlp", tensor.Shape{21}, 3},
		{"mobilenetv1-0.25", tensor.Shape{33, 40, 1}, 5},
		{"mobilenetv2", tensor.Shape{64, 64, 3}, 10},
		{"resnet18", tensor.Shape{64, 64, 3}, 10},
		{"resnet8", tensor.Shape{21, 18, 1}, 100},
	} {
		t.Run(c.model, func(t *testing.T) {
			g, err := nn.Build(c.model, c.sample, c.classes, 1)
			require.NoError(t, err)
			x := tensor.New(tensor.Of(tensor.F32, append([]int{2}, c.sample...)...))
			r := rand.New(rand.NewPCG(4, 4))
			for i := range x.F32() {
				x.F32()[i] = float32(r.NormFloat64())
			}
			modes := []graph.Mode{graph.EvalFloat}
			if x.Numel() < 4000 {
				modes = append(modes, graph.Mode{Train: true})
			}
			for _, m := range modes {
				p, err := program.Compile(ctx, g, program.Options{Backend: b, Mode: m, Batch: 2})
				require.NoError(t, err)
				require.NoError(t, p.SetInput(ctx, "input", x))
				require.NoError(t, p.Run(ctx))
				y, err := p.OutputTensor(ctx, "logits")
				require.NoError(t, err)
				want := c.classes
				if want == 0 {
					want = c.sample.Numel()
				}
				require.Equal(t, tensor.Shape{2, want}, y.Shape())
				for i, v := range y.F32() {
					require.False(t, math.IsNaN(float64(v)) || math.IsInf(float64(v), 0), "output %d is %v", i, v)
				}
			}
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, c := range []struct {
		model   string
		sample  tensor.Shape
		classes int
		want    []string
	}{
		{"vgg", nil, 0, []string{`"vgg"`, "autoencoder, cnn, ds-cnn"}},
		{"autoencoder", tensor.Shape{28, 28, 1}, 10, []string{"784 inputs", "10 outputs", "reconstruction"}},
		{"cnn", tensor.Shape{784}, 10, []string{"Conv2D", "height, width, channels", "[784]"}},
		{"ds-cnn", tensor.Shape{49, 10}, 12, []string{"Conv2D", "stem"}},
		{"lenet", tensor.Shape{8, 8, 1}, 10, []string{"lenet", "kernel 5"}},
		{"mlp", tensor.Shape{784}, -3, []string{"-3 outputs"}},
		{"mobilenetv2", tensor.Shape{3}, 10, []string{"mobilenetv2", "stem"}},
		{"resnet18", tensor.Shape{224, 224, 3}, -1, []string{"-1 outputs"}},
		{"resnet8", tensor.Shape{0, 32, 3}, 10, []string{"resnet8"}},
	} {
		t.Run(c.model, func(t *testing.T) {
			_, err := nn.Build(c.model, c.sample, c.classes, 1)
			require.Error(t, err)
			for _, s := range c.want {
				require.ErrorContains(t, err, s)
			}
		})
	}
}
