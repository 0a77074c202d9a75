package tensorcore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/safetensors"
	"github.com/goqat/goqat/target"
	"github.com/goqat/goqat/tensor"

	_ "github.com/goqat/goqat/backend/cpu"
	_ "github.com/goqat/goqat/op"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cpu(t testing.TB) backend.Backend {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	return b
}

// noise is a data set of random samples, the same at every look.
type noise struct{ shape tensor.Shape }

func (n noise) Len() int             { return 32 }
func (n noise) Shape() tensor.Shape  { return n.shape }
func (n noise) Classes() int         { return 10 }
func (n noise) ClassNames() []string { return nil }
func (n noise) Sample(i int, x []float32) (int32, error) {
	r := rand.New(rand.NewPCG(uint64(i), 1))
	for k := range x {
		x[k] = float32(r.NormFloat64())
	}
	return int32(i % 10), nil
}

func converted(t testing.TB, name string, sample tensor.Shape, c *qat.Config) *qat.Model {
	t.Helper()
	g, err := nn.Build(name, sample, 10, 1)
	require.NoError(t, err)
	return convert(t, g, c)
}

func convert(t testing.TB, g *graph.Graph, c *qat.Config) *qat.Model {
	t.Helper()
	ctx := context.Background()
	p, err := qat.Prepare(g, c)
	require.NoError(t, err)
	state, err := qat.Calibrate(ctx, p, noise{g.Inputs()[0].Shape()[1:]}, qat.DataOptions{Backend: cpu(t), Samples: 16, Batch: 16})
	require.NoError(t, err)
	require.NoError(t, state.StoreTo(ctx, p))
	m, err := qat.Convert(ctx, p, c, cpu(t))
	require.NoError(t, err)
	return m
}

func lowered(t testing.TB, m *qat.Model) *Artifact {
	t.Helper()
	a, err := CPU{}.Lower(context.Background(), m)
	require.NoError(t, err)
	return a.(*Artifact)
}

func run(t testing.TB, s target.Session) []float32 {
	t.Helper()
	defer s.Close()
	x := tensor.New(s.Inputs()[0].Spec)
	r := rand.New(rand.NewPCG(5, 5))
	for i := range x.F32() {
		x.F32()[i] = float32(r.NormFloat64())
	}
	y := tensor.New(s.Outputs()[0].Spec)
	require.NoError(t, s.Run(context.Background(), []*tensor.Tensor{x}, []*tensor.Tensor{y}))
	return y.F32()
}

// A file alone gives the bits of the model, whatever its rule and widths.
func TestFilesComputeWhatTheModelDoes(t *testing.T) {
	ctx := context.Background()
	rule := func(c *qat.Config, name string) *qat.Config {
		c.Rule = name
		return c
	}
	skip := qat.Default()
	skip.Overrides = []qat.Override{{Match: "first", Skip: true}}
	for _, c := range []struct {
		name   string
		sample tensor.Shape
		config *qat.Config
	}{
		{"cnn", nil, qat.Default()},
		{"cnn", nil, rule(qat.Default(), "tflite")},
		{"cnn", nil, rule(qat.Default(), "pytorch")},
		{"cnn", nil, skip},
		{"mlp", tensor.Shape{7, 5, 1}, rule(qat.Bits(4, 4), "onnx")},
		{"resnet8", nil, qat.Default()},
		{"ds-cnn", nil, qat.Default()},
		{"mobilenetv2", tensor.Shape{32, 32, 3}, rule(qat.Default(), "tflite_single")},
	} {
		t.Run(c.name+"/"+c.config.Rule, func(t *testing.T) {
			m := converted(t, c.name, c.sample, c.config)
			var file bytes.Buffer
			n, err := lowered(t, m).WriteTo(&file)
			require.NoError(t, err)
			require.EqualValues(t, file.Len(), n)
			a, err := Load(file.Bytes())
			require.NoError(t, err)
			require.Equal(t, m.Rule, a.Model().Rule)
			require.Equal(t, c.config, a.Model().Config)
			for _, batch := range []int{1, 3} {
				want, err := target.OpenGraph(ctx, m.Graph, cpu(t), batch)
				require.NoError(t, err)
				got, err := a.Open(ctx, cpu(t), batch)
				require.NoError(t, err)
				require.Equal(t, want.Inputs(), got.Inputs())
				require.Equal(t, want.Outputs(), got.Outputs())
				require.Equal(t, run(t, want), run(t, got))
			}
			// What the codes stand for is kept, and lowering again gives the
			// same file.
			require.Len(t, a.Model().Tensors(), len(m.Tensors()))
			var again bytes.Buffer
			_, err = lowered(t, a.Model()).WriteTo(&again)
			require.NoError(t, err)
			require.Equal(t, file.Len(), again.Len())
			require.Equal(t, file.Bytes(), again.Bytes())
		})
	}
}

func TestWeightsArePacked(t *testing.T) {
	m := converted(t, "cnn", nil, qat.Default())
	p, tensors, err := encode(m)
	require.NoError(t, err)
	packed := 0
	for i, c := range p.Constants {
		if c.Layout != layoutVNNI4 {
			continue
		}
		packed++
		n, k := c.Shape[0], tensor.Shape(c.Shape[1:]).Numel()
		b := tensors[i].Tensor.U8()
		require.Len(t, b, up(n, 16)*up(k, 4)+4*up(n, 16))
		w, err := UnpackWeights(b, n, k)
		require.NoError(t, err)
		for o := range n {
			var sum int32
			for q := range k {
				// The formula of the CPU backend.
				require.Equal(t, w[o*k+q], int8(b[o/16*up(k, 4)/4*64+q/4*64+o%16*4+q%4]))
				sum += int32(w[o*k+q])
			}
			require.Equal(t, -128*sum, int32(binary.LittleEndian.Uint32(b[up(n, 16)*up(k, 4)+4*o:])))
		}
	}
	require.Equal(t, 4, packed)
}

func TestPackedWeightsRefuse(t *testing.T) {
	_, err := PackedWeights(make([]int8, 5), 2, 3)
	require.ErrorIs(t, err, ErrLayout)
	_, err = PackedWeights(nil, -1, 3)
	require.ErrorIs(t, err, ErrLayout)
	b, err := PackedWeights([]int8{1, 2, 3, -4, 5, 6}, 2, 3)
	require.NoError(t, err)
	w, err := UnpackWeights(b, 2, 3)
	require.NoError(t, err)
	require.Equal(t, []int8{1, 2, 3, -4, 5, 6}, w)
	_, err = UnpackWeights(b[1:], 2, 3)
	require.ErrorIs(t, err, ErrLayout)
	for _, at := range []int{3, 63, len(b) - 1, len(b) - 64} { // padding and sums
		c := bytes.Clone(b)
		c[at]++
		_, err = UnpackWeights(c, 2, 3)
		require.ErrorIs(t, err, ErrLayout, "byte %d", at)
	}
}

func TestAttributesRoundTrip(t *testing.T) {
	for _, op := range []backend.Op{
		backend.QLinearConv{Conv: backend.Conv{Window: backend.Window{Stride: [2]int{2, 1}, Pad: [4]int{1, 2, 3, 4}}, Groups: 3},
			Rule: quant.TFLite, Scheme: quant.Int8(), Lo: float32(math.Inf(-1)), Hi: 6.1},
		backend.QLinearUnary{Func: backend.UnaryTanh, Alpha: 1e-30, Scheme: quant.UInt8()},
		backend.Reshape{Shape: tensor.NewDims(0, -1, 4)},
		backend.Softmax{Axis: -1, Log: true},
		backend.Flatten{},
	} {
		b, err := encodeAttributes(op)
		require.NoError(t, err)
		back, err := decodeAttributes(op.OpName(), b)
		require.NoError(t, err)
		if q, ok := op.(backend.QLinearUnary); ok {
			q.Rule = quant.ONNX // The zero rule computes it.
			op = q
		}
		require.Equal(t, op, back)
	}
	// Every operation's attributes have a form.
	for _, name := range graph.Registered() {
		b, err := encodeAttributes(graph.Prototype(name))
		require.NoError(t, err, name)
		_, err = decodeAttributes(name, b)
		require.NoError(t, err, name)
	}
	for _, raw := range []string{`{}`, `[]`, `{"Axis":1,"Log":false,"More":1}`, `{"Axis":"1","Log":false}`, `{"Axis":1.5,"Log":false}`, `{"Axis":99999999999999999999,"Log":false}`, `null`, ``} {
		_, err := decodeAttributes("softmax", json.RawMessage(raw))
		require.Error(t, err, raw)
	}
	_, err := decodeAttributes("no such", json.RawMessage(`{}`))
	require.Error(t, err)
}

// resealed changes the program and the tensors of a file and makes its
// trailer fit again.
func resealed(t testing.TB, file []byte, change func(p *program, tensors map[string]*tensor.Tensor)) []byte {
	p, tensors, err := unseal(file)
	require.NoError(t, err)
	change(p, tensors)
	var named []safetensors.Named
	for _, c := range p.Constants {
		if x := tensors[c.Tensor]; x != nil {
			named = append(named, safetensors.Named{Name: c.Tensor, Tensor: x})
			delete(tensors, c.Tensor)
		}
	}
	for name, x := range tensors {
		named = append(named, safetensors.Named{Name: name, Tensor: x})
	}
	b, err := seal(p, named)
	require.NoError(t, err)
	return b
}

// small is the file of a model of a few weights.
func small(t testing.TB) []byte {
	b := nn.NewBuilder(1)
	x := b.Input("input", 3)
	b.Output("logits", nn.Sequential{nn.Linear{Out: 5}, nn.ReLU{}, nn.Linear{Out: 2}}.Forward(b, x))
	g, err := b.Graph()
	require.NoError(t, err)
	return lowered(t, convert(t, g, qat.Default())).file
}

func TestLoadRefuses(t *testing.T) {
	file := small(t)
	type tensors = map[string]*tensor.Tensor
	weights := func(p *program) *constant {
		for i := range p.Constants {
			if p.Constants[i].Layout == layoutVNNI4 {
				return &p.Constants[i]
			}
		}
		t.Fatal("no packed weights")
		return nil
	}
	for _, c := range []struct {
		name, want string
		change     func(p *program, x tensors)
	}{
		{"no inputs", "no input", func(p *program, _ tensors) { p.Inputs = nil }},
		{"no outputs", "no input or no output", func(p *program, _ tensors) { p.Outputs = nil }},
		{"value", "value 9999", func(p *program, _ tensors) { p.Nodes[1].In[0] = 9999 }},
		{"later value", "is value", func(p *program, _ tensors) { p.Nodes[0].In[0] = len(p.Inputs) + len(p.Constants) + 3 }},
		{"negative value", "is value -2", func(p *program, _ tensors) { p.Nodes[1].In[0] = -2 }},
		{"output", "value 9999", func(p *program, _ tensors) { p.Outputs[0].Value = 9999 }},
		{"codes", "value -1", func(p *program, _ tensors) { p.Codes[0].Zero = -1 }},
		{"operation", `unknown operation "rm"`, func(p *program, _ tensors) { p.Nodes[0].Op = "rm" }},
		{"attributes", "attributes of", func(p *program, _ tensors) { p.Nodes[0].Attributes = json.RawMessage(`{"a":1}`) }},
		{"outputs of a node", "outputs, the file says", func(p *program, _ tensors) { p.Nodes[0].Out++ }},
		{"shape", "negative dimension", func(p *program, _ tensors) { p.Inputs[0].Shape[1] = -4 }},
		{"inference", "node 0", func(p *program, _ tensors) { p.Nodes[0].In = p.Nodes[0].In[:1] }},
		{"layout", "unknown layout", func(p *program, _ tensors) { p.Constants[0].Layout = "zigzag" }},
		{"missing tensor", "no tensor", func(p *program, _ tensors) { p.Constants[0].Tensor = "gone" }},
		{"unused tensor", "the program uses", func(_ *program, x tensors) { x["more"] = tensor.FromU8([]byte{1}, 1) }},
		{"tensor twice", "used twice", func(p *program, x tensors) {
			delete(x, p.Constants[1].Tensor)
			p.Constants[1].Tensor = p.Constants[0].Tensor
		}},
		{"packed shape", "packed bytes for", func(p *program, _ tensors) { weights(p).Shape[0] += 16 }},
		{"packed huge", "packed as", func(p *program, _ tensors) { weights(p).Shape = []int{math.MaxInt, math.MaxInt} }},
		{"packed rank", "packed as", func(p *program, _ tensors) { weights(p).Shape = []int{4} }},
		{"packed sums", "byte", func(p *program, x tensors) { b := x[weights(p).Tensor].U8(); b[len(b)-1]++ }},
		{"config", "config", func(p *program, _ tensors) { p.Config.Rule = "none" }},
		{"attributes too long", "bytes of attributes", func(p *program, _ tensors) {
			p.Nodes[0].Attributes = json.RawMessage(`"` + strings.Repeat("a", maxAttributes) + `"`)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Load(resealed(t, file, c.change))
			require.ErrorContains(t, err, c.want)
			var f *FormatError
			require.ErrorAs(t, err, &f)
		})
	}
}

// A changed, cut or lengthened file is refused.
func TestEveryDamageIsFound(t *testing.T) {
	file := small(t)
	for i := 0; i < len(file); i += 7 {
		b := bytes.Clone(file)
		b[i] ^= 0x10
		_, err := Load(b)
		require.Error(t, err, "byte %d", i)
		_, err = Load(file[:i])
		require.Error(t, err, "cut at %d", i)
	}
	_, err := Load(append(bytes.Clone(file), 0))
	require.Error(t, err)
	b := bytes.Clone(file)
	b[8] = 2
	_, err = Load(b)
	require.ErrorContains(t, err, "format version 2")
}

func TestCheck(t *testing.T) {
	x, err := target.Lookup("tensorcore-cpu")
	require.NoError(t, err)
	require.NoError(t, x.Runnable())
	require.NotEmpty(t, x.About())
	require.NotEmpty(t, x.Constraints())
	require.NoError(t, x.Config().Validate())
	m := converted(t, "mlp", tensor.Shape{2, 2, 1}, qat.Default())
	require.Empty(t, x.Check(m))
	// A rule without a name cannot be written.
	m.Rule.MinScale = 3
	_, err = x.Lower(context.Background(), m)
	var refused *target.ViolationError
	require.ErrorAs(t, err, &refused)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = x.Lower(ctx, m)
	require.ErrorIs(t, err, context.Canceled)
	// A model without integers is taken with a warning.
	g, err := nn.Build("mlp", tensor.Shape{2, 2, 1}, 3, 1)
	require.NoError(t, err)
	vs := x.Check(&qat.Model{Graph: g, Rule: quant.ONNX})
	require.Len(t, vs, 4)
	for _, v := range vs {
		assert.False(t, v.Fatal)
	}
}

// Sums that may leave an int32 are found, though the number of products alone
// does not tell.
func TestCheckAccumulator(t *testing.T) {
	const k = 70000
	g := graph.New()
	x := g.Input("x", tensor.Of(tensor.F32, 1, k))
	one := func(v float32) graph.Value { return g.Const("s", tensor.FromF32([]float32{v}, 1)) }
	zero := g.Const("z", tensor.FromI32([]int32{0}, 1))
	s := quant.UInt8()
	cx := g.Apply(backend.QuantizeLinear{Scheme: s}, x, one(1), zero)
	for fill, fatal := range map[int8]bool{127: true, 1: false} {
		w := tensor.New(tensor.Of(tensor.I8, 1, k))
		for i := range w.I8() {
			w.I8()[i] = fill
		}
		l := target.Layer{X: cx, XScale: 1, YScale: 1, Weights: w, WScale: []float32{1}, Node: g.Nodes()[0], Scheme: s}
		require.Equal(t, fatal, len(checkLayer(g, &l)) > 0)
	}
	require.NoError(t, g.Err())
}

type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestWriteErrors(t *testing.T) {
	a, err := Load(small(t))
	require.NoError(t, err)
	require.Equal(t, ".goqat", a.Ext())
	_, err = a.WriteTo(closedWriter{})
	require.ErrorIs(t, err, os.ErrClosed)
}

func FuzzLoad(f *testing.F) {
	file := small(f)
	f.Add(file[headerBytes : len(file)-sha256.Size])
	p, _, err := unseal(file)
	require.NoError(f, err)
	text, err := json.Marshal(p)
	require.NoError(f, err)
	var payload bytes.Buffer
	require.NoError(f, safetensors.Write(&payload, nil, map[string]string{programKey: string(text)}))
	f.Add(payload.Bytes())
	f.Fuzz(func(t *testing.T, payload []byte) {
		// The trailer is made to fit, so that fuzzing gets past it.
		b := append([]byte(magic), 1, 0, 0, 0, 0, 0, 0, 0)
		b = binary.LittleEndian.AppendUint64(b, uint64(len(payload)))
		b = append(b, payload...)
		sum := sha256.Sum256(b)
		a, err := Load(append(b, sum[:]...))
		if err == nil && len(a.model.Graph.Outputs()) == 0 {
			t.Fatal("a graph without outputs")
		}
	})
}
