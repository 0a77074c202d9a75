package onnx

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/onnx/internal/pb"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/tensor"
	"github.com/stretchr/testify/require"
)

// file builds small models by hand.
type file struct {
	nodes, inits, inputs, outputs []*pb.Message
	opset                         int
	more                          func(model, graph *pb.Message)
}

func message(f func(m *pb.Message)) *pb.Message {
	m := &pb.Message{}
	f(m)
	return m
}

func node(op string, in, out []string, attrs ...*pb.Message) *pb.Message {
	return message(func(m *pb.Message) {
		for _, s := range in {
			m.Text(1, s)
		}
		for _, s := range out {
			m.Text(2, s)
		}
		m.Text(4, op)
		for _, a := range attrs {
			m.Message(5, a)
		}
	})
}

func port(name string, elem pb.DataType, dims ...int64) *pb.Message {
	shape := message(func(m *pb.Message) {
		for _, d := range dims {
			m.Message(1, message(func(m *pb.Message) {
				if d == math.MinInt64 {
					m.Text(2, "open")
				} else {
					m.Int(1, d)
				}
			}))
		}
	})
	return message(func(m *pb.Message) {
		m.Text(1, name)
		m.Message(2, message(func(m *pb.Message) {
			m.Message(1, message(func(m *pb.Message) {
				m.Int(1, int64(elem))
				m.Message(2, shape)
			}))
		}))
	})
}

func initializer(name string, elem pb.DataType, dims []int64, fill func(m *pb.Message)) *pb.Message {
	return message(func(m *pb.Message) {
		m.Ints(1, dims)
		m.Int(2, int64(elem))
		m.Text(8, name)
		if fill != nil {
			fill(m)
		}
	})
}

func raw(n int) func(m *pb.Message) { return func(m *pb.Message) { m.Bytes(9, make([]byte, n)) } }

func externally(kv ...string) func(m *pb.Message) {
	return func(m *pb.Message) {
		for i := 0; i < len(kv); i += 2 {
			m.Message(13, message(func(m *pb.Message) {
				m.Text(1, kv[i])
				m.Text(2, kv[i+1])
			}))
		}
		m.Int(14, 1)
	}
}

func (f file) bytes() []byte {
	g := message(func(m *pb.Message) {
		for _, n := range f.nodes {
			m.Message(1, n)
		}
		m.Text(2, "g")
		for _, t := range f.inits {
			m.Message(5, t)
		}
		for _, v := range f.inputs {
			m.Message(11, v)
		}
		for _, v := range f.outputs {
			m.Message(12, v)
		}
	})
	m := message(func(m *pb.Message) {
		m.Int(1, 8)
		if f.more != nil {
			f.more(m, g)
		}
		m.Message(7, g)
		v := f.opset
		if v == 0 {
			v = 17
		}
		m.Message(8, opsetID("", v))
	})
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// xy returns a model of one input x [2, 3] and one output y.
func xy(inits []*pb.Message, nodes ...*pb.Message) file {
	return file{nodes: nodes, inits: inits, inputs: []*pb.Message{port("x", pb.Float, 2, 3)}, outputs: []*pb.Message{port("y", pb.Float, 2, 3)}}
}

// image is xy for an input [1, 2, 5, 5] and a weight w [2, 2, 3, 3].
func image(nodes ...*pb.Message) file {
	return file{nodes: nodes, inits: []*pb.Message{initializer("w", pb.Float, []int64{2, 2, 3, 3}, raw(4*36))},
		inputs: []*pb.Message{port("x", pb.Float, 1, 2, 5, 5)}, outputs: []*pb.Message{port("y", pb.Float)}}
}

func quantizer(scale []float32, zero []byte, elem pb.DataType) file {
	n := int64(len(scale))
	return xy([]*pb.Message{
		initializer("s", pb.Float, []int64{n}, func(m *pb.Message) { m.Bytes(9, tensor.FromF32(scale, len(scale)).Bytes()) }),
		initializer("z", elem, []int64{int64(len(zero))}, func(m *pb.Message) { m.Bytes(9, zero) }),
	}, node("QuantizeLinear", []string{"x", "s", "z"}, []string{"q"}), node("DequantizeLinear", []string{"q", "s", "z"}, []string{"y"}))
}

func TestHostileFiles(t *testing.T) {
	add := func(name string, elem pb.DataType, dims []int64, fill func(m *pb.Message)) file {
		return xy([]*pb.Message{initializer(name, elem, dims, fill)}, node("Add", []string{"x", name}, []string{"y"}))
	}
	relu := node("Relu", []string{"x"}, []string{"y"})
	conv := func(attrs ...*pb.Message) file {
		return image(node("Conv", []string{"x", "w"}, []string{"y"}, attrs...))
	}
	inf := float32(math.Inf(1))
	tests := []struct {
		name string
		f    file
	}{
		{"no graph output", file{nodes: []*pb.Message{relu}, inputs: []*pb.Message{port("x", pb.Float, 2)}}},
		{"output not computed", xy(nil, node("Relu", []string{"x"}, []string{"other"}))},
		{"input not defined", xy(nil, node("Relu", []string{"nothing"}, []string{"y"}))},
		{"cycle", xy(nil, node("Relu", []string{"b"}, []string{"a"}), node("Relu", []string{"a"}, []string{"b"}), relu)},
		{"used before it is computed", xy(nil, node("Relu", []string{"b"}, []string{"y"}), node("Relu", []string{"x"}, []string{"b"}))},
		{"computed twice", xy(nil, relu, relu)},
		{"output names an input", xy(nil, node("Relu", []string{"x"}, []string{"x"}), relu)},
		{"initializer given twice", xy([]*pb.Message{initializer("a", pb.Float, []int64{3}, raw(12)), initializer("a", pb.Float, []int64{3}, raw(12))}, relu)},
		{"initializer without a name", xy([]*pb.Message{initializer("", pb.Float, []int64{3}, raw(12))}, relu)},
		{"graph given twice", file{outputs: []*pb.Message{port("y", pb.Float, 2)}, more: func(m, g *pb.Message) { m.Message(7, g) }}},
		{"sparse initializer", file{nodes: []*pb.Message{relu}, inputs: []*pb.Message{port("x", pb.Float, 2)}, outputs: []*pb.Message{port("y", pb.Float, 2)},
			more: func(_, g *pb.Message) { g.Message(15, &pb.Message{}) }}},
		{"function", file{nodes: []*pb.Message{relu}, inputs: []*pb.Message{port("x", pb.Float, 2)}, outputs: []*pb.Message{port("y", pb.Float, 2)},
			more: func(m, _ *pb.Message) { m.Message(25, &pb.Message{}) }}},
		{"metadata given twice", file{nodes: []*pb.Message{relu}, inputs: []*pb.Message{port("x", pb.Float, 2)}, outputs: []*pb.Message{port("y", pb.Float, 2)},
			more: func(m, _ *pb.Message) {
				for range 2 {
					m.Message(14, message(func(m *pb.Message) { m.Text(1, "k") }))
				}
			}}},
		{"operator set 0", file{nodes: []*pb.Message{relu}, opset: -1, inputs: []*pb.Message{port("x", pb.Float, 2)}, outputs: []*pb.Message{port("y", pb.Float, 2)}}},
		{"operator set of the future", file{nodes: []*pb.Message{relu}, opset: 1000, inputs: []*pb.Message{port("x", pb.Float, 2)}, outputs: []*pb.Message{port("y", pb.Float, 2)}}},
		{"raw data too short", add("b", pb.Float, []int64{3}, raw(11))},
		{"raw data too long", add("b", pb.Float, []int64{3}, raw(16))},
		{"raw data not whole", add("b", pb.Float16, []int64{3}, raw(7))},
		{"no data", add("b", pb.Float, []int64{3}, nil)},
		{"data in two places", add("b", pb.Float, []int64{3}, func(m *pb.Message) { m.Bytes(9, make([]byte, 12)); m.Bytes(4, make([]byte, 12)) })},
		{"typed data too short", add("b", pb.Float, []int64{3}, func(m *pb.Message) { m.Bytes(4, make([]byte, 8)) })},
		{"typed data not whole", add("b", pb.Float, []int64{3}, func(m *pb.Message) { m.Bytes(4, make([]byte, 11)) })},
		{"negative dimension", add("b", pb.Float, []int64{-3}, raw(12))},
		{"huge dimensions", add("b", pb.Float, []int64{1 << 31, 1 << 31, 1 << 31}, raw(12))},
		{"dimensions that overflow to the data", add("b", pb.Float, []int64{1 << 32, 1 << 32, 3}, raw(12))},
		{"rank 20", add("b", pb.Float, []int64{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3}, raw(12))},
		{"string tensor", add("b", pb.String, []int64{3}, nil)},
		{"unknown type", add("b", 99, []int64{3}, raw(12))},
		{"segments", add("b", pb.Float, []int64{3}, func(m *pb.Message) { m.Message(3, &pb.Message{}); m.Bytes(9, make([]byte, 12)) })},
		{"data_location 2", add("b", pb.Float, []int64{3}, func(m *pb.Message) { m.Int(14, 2) })},
		{"input without a shape", file{nodes: []*pb.Message{relu}, outputs: []*pb.Message{port("y", pb.Float)}, inputs: []*pb.Message{message(func(m *pb.Message) { m.Text(1, "x") })}}},
		{"input of a negative dimension", file{nodes: []*pb.Message{relu}, outputs: []*pb.Message{port("y", pb.Float)}, inputs: []*pb.Message{port("x", pb.Float, -2)}}},
		{"input of huge dimensions", file{nodes: []*pb.Message{relu}, outputs: []*pb.Message{port("y", pb.Float)}, inputs: []*pb.Message{port("x", pb.Float, 1<<31-1, 1<<31-1, 1<<31-1)}}},
		{"input open inside", file{nodes: []*pb.Message{relu}, outputs: []*pb.Message{port("y", pb.Float)}, inputs: []*pb.Message{port("x", pb.Float, 2, math.MinInt64)}}},
		{"unknown operator", xy(nil, node("Frobnicate", []string{"x"}, []string{"y"}))},
		{"unknown attribute", xy(nil, node("Relu", []string{"x"}, []string{"y"}, attrInt("surprise", 1)))},
		{"attribute given twice", xy(nil, node("LeakyRelu", []string{"x"}, []string{"y"}, attrFloat("alpha", 1), attrFloat("alpha", 2)))},
		{"attribute of another type", xy(nil, node("LeakyRelu", []string{"x"}, []string{"y"}, attrInt("alpha", 1)))},
		{"stride 0", conv(attrInts("strides", []int{0, 1}))},
		{"negative stride", conv(attrInts("strides", []int{-1, 1}))},
		{"strides of another rank", conv(attrInts("strides", []int{1, 1, 1}))},
		{"dilation 0", conv(attrInts("dilations", []int{0, 0}))},
		{"huge dilation", conv(attrInts("dilations", []int{math.MaxInt32, math.MaxInt32}))},
		{"negative pads", conv(attrInts("pads", []int{0, -1, 0, 0}))},
		{"huge pads", conv(attrInts("pads", []int{math.MaxInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32}))},
		{"group 0", conv(attrInt("group", 0))},
		{"group of all integers", conv(attrInt("group", int64(math.MaxInt64)))},
		{"group that does not divide", conv(attrInt("group", 3))},
		{"another kernel_shape", conv(attrInts("kernel_shape", []int{5, 5}))},
		{"kernel of 0", image(node("MaxPool", []string{"x"}, []string{"y"}, attrInts("kernel_shape", []int{0, 2})))},
		{"kernel beyond the image", image(node("MaxPool", []string{"x"}, []string{"y"}, attrInts("kernel_shape", []int{9, 9})))},
		{"no kernel", image(node("AveragePool", []string{"x"}, []string{"y"}))},
		{"scale 0", quantizer([]float32{0}, []byte{0}, pb.Uint8)},
		{"negative scale", quantizer([]float32{-1}, []byte{0}, pb.Uint8)},
		{"infinite scale", quantizer([]float32{inf}, []byte{0}, pb.Uint8)},
		{"scale that is no number", quantizer([]float32{inf - inf}, []byte{0}, pb.Uint8)},
		{"two scales for three channels", quantizer([]float32{1, 1}, []byte{0, 0}, pb.Uint8)},
		{"fewer zero points than scales", quantizer([]float32{1, 1, 1}, []byte{0, 0}, pb.Uint8)},
		{"zero point of another type", quantizer([]float32{1}, []byte{0, 0, 0, 0, 0, 0, 0, 0}, pb.Int64)},
		{"reshape to another size", xy([]*pb.Message{initializer("s", pb.Int64, []int64{1}, func(m *pb.Message) { m.Bytes(7, []byte{7}) })}, node("Reshape", []string{"x", "s"}, []string{"y"}))},
		{"permutation", xy(nil, node("Transpose", []string{"x"}, []string{"y"}, attrInts("perm", []int{1, 1})))},
		{"axis beyond the rank", xy(nil, node("Softmax", []string{"x"}, []string{"y"}, attrInt("axis", int64(math.MinInt64))))},
		{"huge constant", xy([]*pb.Message{initializer("s", pb.Int64, []int64{2}, func(m *pb.Message) { m.Bytes(7, []byte{0x80, 0x80, 0x40, 0x80, 0x80, 0x40}) })},
			node("ConstantOfShape", []string{"s"}, []string{"c"}), node("Add", []string{"x", "c"}, []string{"y"}))},
		{"external data", add("b", pb.Float, []int64{3}, externally("location", "w.bin"))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := test.f.bytes()
			var err error
			grew := allocated(func() { _, _, err = read(b, ReadOptions{}) })
			require.Error(t, err)
			require.True(t, errors.Is(err, ErrFormat) || errors.Is(err, ErrUnsupported), "%v", err)
			require.Less(t, grew, uint64(1<<20), "bytes allocated for a file of %d", len(b))
		})
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestExternalDataStaysInItsFolder(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "model")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "sub"), 0o755))
	data := tensor.FromF32([]float32{1, 2, 3, 4}, 4).Bytes()
	for _, p := range []string{filepath.Join(dir, "w.bin"), filepath.Join(dir, "sub", "w.bin"), filepath.Join(top, "secret.bin")} {
		require.NoError(t, os.WriteFile(p, data, 0o644))
	}
	two := func(a, b func(m *pb.Message)) file {
		return xy([]*pb.Message{initializer("a", pb.Float, []int64{3}, a), initializer("b", pb.Float, []int64{3}, b)},
			node("Add", []string{"x", "a"}, []string{"s"}), node("Add", []string{"s", "b"}, []string{"y"}))
	}
	one := func(kv ...string) file { return two(externally(kv...), raw(12)) }
	good := []file{
		one("location", "w.bin"),
		one("location", "w.bin", "offset", "4"),
		one("location", "w.bin", "offset", "4", "length", "12", "checksum", "ignored"),
		one("location", "sub/w.bin"),
	}
	for i, f := range good {
		g, _, err := read(f.bytes(), ReadOptions{Dir: dir})
		require.NoError(t, err, "good %d", i)
		v, ok := g.Lookup("a")
		require.True(t, ok)
		require.Contains(t, []float32{1, 2}, v.Init().F32()[0])
	}
	bad := map[string]file{
		"absolute":         one("location", filepath.Join(top, "secret.bin")),
		"parent":           one("location", "../secret.bin"),
		"parent inside":    one("location", "sub/../../secret.bin"),
		"empty":            one("location", ""),
		"no location":      one("offset", "0"),
		"missing":          one("location", "none.bin"),
		"folder":           one("location", "sub"),
		"negative offset":  one("location", "w.bin", "offset", "-4"),
		"offset beyond":    one("location", "w.bin", "offset", "8"),
		"huge offset":      one("location", "w.bin", "offset", "9223372036854775807"),
		"offset overflow":  one("location", "w.bin", "offset", "99999999999999999999"),
		"offset no number": one("location", "w.bin", "offset", "0x4"),
		"another length":   one("location", "w.bin", "length", "8"),
		"negative length":  one("location", "w.bin", "length", "-1"),
		"given twice":      one("location", "w.bin", "location", "w.bin"),
		"overlap":          two(externally("location", "w.bin"), externally("location", "w.bin", "offset", "4")),
		"and raw data":     two(func(m *pb.Message) { externally("location", "w.bin")(m); raw(12)(m) }, raw(12)),
	}
	link := func(name string, make func(path string) error) {
		if err := make(filepath.Join(dir, name)); err != nil {
			t.Logf("no %s here: %v", name, err)
			return
		}
		bad[name] = one("location", name)
	}
	link("link.bin", func(p string) error { return os.Symlink(filepath.Join(top, "secret.bin"), p) })
	link("relative.bin", func(p string) error { return os.Symlink("../secret.bin", p) })
	if runtime.GOOS != "windows" {
		link("hard.bin", func(p string) error { return os.Link(filepath.Join(top, "secret.bin"), p) })
		link("null.bin", func(p string) error { return os.Symlink("/dev/null", p) })
		link("zero.bin", func(p string) error { return os.Symlink("/dev/zero", p) })
	}
	if err := os.Symlink(top, filepath.Join(dir, "up")); err == nil {
		bad["through a link"] = one("location", "up/secret.bin")
	}
	for name, f := range bad {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(f.bytes(), ReadOptions{Dir: dir})
			require.ErrorIs(t, err, ErrFormat)
		})
	}
}

// small returns the bytes of small models in all forms.
func small(t testing.TB) map[string][]byte {
	m := map[string][]byte{}
	b := nn.NewBuilder(1)
	x := b.Input("input", 6, 6, 2)
	y := nn.Sequential{nn.Conv2D{Out: 3, Kernel: 3, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{}, nn.MaxPool{Kernel: 2}, nn.Dropout{P: 0.5},
		nn.Flatten{}, nn.Linear{Out: 4}, nn.ReLU{}, nn.Linear{Out: 2}}.Forward(b, x)
	b.Output("logits", y)
	g, err := b.Graph()
	require.NoError(t, err)
	m["float"] = bytesOf(t, g, WriteOptions{})
	q := converted(t, g, qat.Default())
	m["qdq"] = bytesOf(t, q, WriteOptions{Form: FormQDQ})
	m["qoperator"] = bytesOf(t, q, WriteOptions{Form: FormQOperator})
	m["w4a4"] = bytesOf(t, converted(t, g, qat.Bits(4, 4)), WriteOptions{})
	return m
}

// TestTruncation reads every prefix of a file, and the file with every single
// byte changed.
func TestTruncation(t *testing.T) {
	for name, b := range small(t) {
		for n := range b {
			// Without room behind it, so that nothing reads beyond.
			_, _, err := read(b[:n:n], ReadOptions{})
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("%s cut to %d bytes: %v", name, n, err)
			}
		}
		c := bytes.Clone(b)
		for i := range c {
			for _, x := range []byte{0x01, 0x80} {
				c[i] ^= x
				_, _, err := read(c, ReadOptions{})
				if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
					t.Fatalf("%s with byte %d changed: %v", name, i, err)
				}
				c[i] ^= x
			}
		}
	}
}

// TestMemoryIsBounded reads files made to cost more than they are long.
func TestMemoryIsBounded(t *testing.T) {
	const size = 1 << 20
	many := func(unit []byte) []byte { return bytes.Repeat(unit, size/len(unit)) }
	wrap := func(graph []byte) []byte {
		m := message(func(m *pb.Message) {
			m.Int(1, 8)
			m.Bytes(7, graph)
			m.Message(8, opsetID("", 17))
		})
		var b bytes.Buffer
		_, err := m.WriteTo(&b)
		require.NoError(t, err)
		return b.Bytes()
	}
	weight := xy([]*pb.Message{initializer("w", pb.Float, []int64{512, 512}, raw(4<<18))})
	for i := range 2000 {
		weight.nodes = append(weight.nodes, node("Transpose", []string{"w"}, []string{fmt.Sprint("t", i)}))
	}
	weight.nodes = append(weight.nodes, node("Relu", []string{"x"}, []string{"y"}))
	shared := xy([]*pb.Message{initializer("w", pb.Float16, []int64{1 << 19}, raw(1<<20))})
	for i := range 1000 {
		shared.nodes = append(shared.nodes, node("Cast", []string{"w"}, []string{fmt.Sprint("t", i)}, attrInt("to", 1)))
	}
	shared.nodes = append(shared.nodes, node("Relu", []string{"x"}, []string{"y"}))
	for name, b := range map[string][]byte{
		"empty nodes":        wrap(many([]byte{0x0a, 0})),
		"empty initializers": wrap(many([]byte{0x2a, 0})),
		"empty inputs":       wrap(many([]byte{0x5a, 0})),
		"empty attributes":   wrap(append([]byte{0x0a, 0xfc, 0xff, 0x3f}, many([]byte{0x2a, 0})[:size-4]...)),
		"empty names":        wrap(append([]byte{0x0a, 0xfc, 0xff, 0x3f}, many([]byte{0x0a, 0})[:size-4]...)),
		"empty opsets":       many([]byte{0x42, 0}),
		"empty metadata":     many([]byte{0x72, 0}),
		"groups":             many([]byte{0x0b}),
		"transpositions":     weight.bytes(),
		"casts":              shared.bytes(),
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			grew := allocated(func() { _, _, err = read(b, ReadOptions{}) })
			if name != "casts" { // They share their result.
				require.Error(t, err)
			}
			// Everything allocated, garbage and tables that grew included.
			require.Less(t, grew, uint64(64<<20+16*len(b)), "for a file of %d bytes", len(b))
		})
	}
}

func FuzzRead(f *testing.F) {
	for _, b := range small(f) {
		f.Add(b)
	}
	f.Add(quantizer([]float32{1}, []byte{0}, pb.Uint8).bytes())
	f.Add(image(node("Conv", []string{"x", "w"}, []string{"y"}, attrText("auto_pad", "SAME_UPPER"))).bytes())
	f.Add(xy([]*pb.Message{initializer("s", pb.Int64, []int64{2}, func(m *pb.Message) { m.Bytes(7, []byte{3, 2}) })},
		node("Shape", []string{"x"}, []string{"d"}), node("Reshape", []string{"x", "s"}, []string{"y"})).bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, o := range []ReadOptions{{}, {KeepInputLayout: true}} {
			g, _, err := read(b, o)
			if err != nil {
				if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrUnsupported) {
					t.Fatalf("error of no type: %v", err)
				}
				continue
			}
			var out bytes.Buffer
			if err := Write(&out, g, WriteOptions{}); err != nil {
				continue // Not all that can be read can be written.
			}
			if _, _, err := read(out.Bytes(), o); err != nil {
				t.Fatalf("what was written cannot be read: %v", err)
			}
		}
	})
}

func TestErrorsNameTheNode(t *testing.T) {
	f := xy(nil, message(func(m *pb.Message) {
		m.Text(1, "x")
		m.Text(2, "y")
		m.Text(3, "the node")
		m.Text(4, "Frobnicate")
	}))
	_, _, err := Read(f.bytes(), ReadOptions{})
	var ne *NodeError
	require.ErrorAs(t, err, &ne)
	require.Equal(t, "the node", ne.Node)
	require.Equal(t, "Frobnicate", ne.Op)
	require.Equal(t, 17, ne.Opset)
	require.ErrorIs(t, err, ErrUnsupported)
	require.True(t, strings.HasPrefix(err.Error(), `onnx: node "the node" (Frobnicate, opset 17): `), "%v", err)
}
