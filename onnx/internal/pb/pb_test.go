package pb

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func encode(t *testing.T, m *Message) []byte {
	var b bytes.Buffer
	n, err := m.WriteTo(&b)
	require.NoError(t, err)
	require.Equal(t, int64(m.Size()), n)
	require.Len(t, b.Bytes(), m.Size())
	return b.Bytes()
}

func TestTensorFields(t *testing.T) {
	large := bytes.Repeat([]byte{1, 2, 3, 4}, 1000)
	m := &Message{}
	m.Ints(1, []int64{1000, -1})
	m.Int(1, 7) // Not packed.
	m.Int(2, int64(Float))
	m.Text(8, "w")
	m.Bytes(9, large)
	m.Text(12, "a doc, skipped")
	x, err := DecodeTensor(encode(t, m))
	require.NoError(t, err)
	require.Equal(t, []int64{1000, -1, 7}, x.Dims)
	require.Equal(t, Float, x.Type)
	require.Equal(t, "w", x.Name)
	require.Equal(t, large, x.Raw)
	require.True(t, x.HasRaw)
	require.False(t, x.Typed())
}

func TestTypedNumbers(t *testing.T) {
	m := &Message{}
	m.Float(FloatData, 1.5)
	m.Bytes(FloatData, []byte{0, 0, 0x20, 0x40, 0, 0, 0x80, 0xbf})
	m.Ints(Int64Data, []int64{3, -4})
	m.Int(Int64Data, math.MinInt64)
	x, err := DecodeTensor(encode(t, m))
	require.NoError(t, err)
	require.True(t, x.Typed())
	n, err := x.Count(FloatData)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	var f []float32
	require.NoError(t, x.Each(FloatData, func(b uint64) { f = append(f, math.Float32frombits(uint32(b))) }))
	require.Equal(t, []float32{1.5, 2.5, -1}, f)
	var i []int64
	require.NoError(t, x.Each(Int64Data, func(b uint64) { i = append(i, int64(b)) }))
	require.Equal(t, []int64{3, -4, math.MinInt64}, i)
}

func TestNestedMessages(t *testing.T) {
	inner := &Message{}
	inner.Text(1, "x")
	inner.Bytes(5, bytes.Repeat([]byte{0}, 0))
	outer := &Message{}
	outer.Message(1, inner)
	big := &Message{}
	big.Bytes(9, make([]byte, 5000))
	outer.Message(5, big)
	outer.Text(2, "after")
	model := &Message{}
	model.Int(1, 8)
	model.Message(7, outer)
	b := encode(t, model)
	m, err := DecodeModel(b)
	require.NoError(t, err)
	require.Equal(t, int64(8), m.IRVersion)
	require.Equal(t, "after", m.Graph.Name)
	require.Equal(t, []string{"x"}, m.Graph.Nodes[0].Inputs)
	require.Len(t, m.Graph.Initializers[0].Raw, 5000)
}

func TestFaultsHaveAnOffset(t *testing.T) {
	m := &Message{}
	m.Int(1, 8)
	g := &Message{}
	g.Text(2, "name")
	at := m.Size() + 2 + g.Size()
	g.Text(2, "\xff\xfe")
	m.Message(7, g)
	_, err := DecodeModel(encode(t, m))
	var f *FormatError
	require.ErrorAs(t, err, &f)
	require.Equal(t, "GraphProto", f.Message)
	require.Equal(t, at, f.Offset)
	for _, b := range [][]byte{{0x0b}, {0x3a, 5, 1}, {0x3a, 0, 0x3a, 0}, {0xff}, {0x0d, 0, 0, 0, 0}} {
		_, err := DecodeModel(b)
		require.ErrorAs(t, err, &f, "%x", b)
	}
}

func TestAttributeLists(t *testing.T) {
	a := &Message{}
	a.Text(1, "pads")
	a.Int(8, 1)
	a.Ints(8, []int64{2, -3})
	a.Float(7, 0.5)
	a.Int(20, int64(AttributeInts))
	n, g, model := &Message{}, &Message{}, &Message{}
	n.Message(5, a)
	g.Message(1, n)
	model.Message(7, g)
	m, err := DecodeModel(encode(t, model))
	require.NoError(t, err)
	x := &m.Graph.Nodes[0].Attributes[0]
	ints, err := x.Ints()
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, -3}, ints)
	floats, err := x.Floats()
	require.NoError(t, err)
	require.Equal(t, []float32{0.5}, floats)
	require.Equal(t, "ints", x.Type.String())
}
