package quant_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func TestRange(t *testing.T) {
	for _, c := range []struct {
		s      quant.Scheme
		lo, hi int32
		middle int32
	}{
		{quant.Int8(), -128, 127, 0},
		{quant.UInt8(), 0, 255, 128},
		{quant.Int8PerChannel(3), -127, 127, 0},
		{quant.Weights(4), -7, 7, 0},
		{quant.Weights(2), -1, 1, 0},
		{quant.Weights(1), -1, 0, 0},
		{quant.Activations(4, false), 0, 15, 8},
		{quant.Activations(7, false), 0, 127, 64},
		{quant.Activations(1, false), 0, 1, 0},
		{quant.Activations(1, true), -1, 0, 0},
		{quant.Scheme{}, 0, 0, 0},
		{quant.Scheme{Bits: 9}, 0, 0, 0},
		{quant.Scheme{Bits: -1, Signed: true}, 0, 0, 0},
	} {
		lo, hi := c.s.Range()
		assert.Equal(t, [2]int32{c.lo, c.hi}, [2]int32{lo, hi}, c.s)
		assert.Equal(t, c.middle, c.s.Middle(), c.s)
	}
}

func TestSchemeString(t *testing.T) {
	assert.Equal(t, "int8 symmetric narrow per_channel(0)", quant.Weights(8).String())
	assert.Equal(t, "uint4 affine per_tensor", quant.Activations(4, false).String())
	assert.Equal(t, "float32", quant.Scheme{}.String())
	assert.Equal(t, "int4 symmetric power_of_2 per_group(32)",
		quant.Scheme{Bits: 4, Signed: true, Symmetric: true, PowerOf2: true, Grain: quant.Granularity{Kind: quant.PerGroup, Group: 32}}.String())
	assert.Equal(t, "Kind(9)", quant.Kind(9).String())
	assert.Equal(t, tensor.I8, quant.Int8().DType())
	assert.Equal(t, tensor.U8, quant.UInt8().DType())
	assert.Equal(t, tensor.F32, quant.Scheme{}.DType())
}

func TestSchemeJSON(t *testing.T) {
	for _, s := range []quant.Scheme{
		{}, quant.UInt8(), quant.Int8PerChannel(-1), quant.Weights(1),
		{Bits: 4, Signed: true, PowerOf2: true, Grain: quant.Granularity{Kind: quant.PerGroup, Axis: -1, Group: 16}},
	} {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		var back quant.Scheme
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, s, back, string(b))
		assert.NoError(t, s.Validate(), s)
	}
	b, err := json.Marshal(quant.Int8PerChannel(1))
	require.NoError(t, err)
	assert.JSONEq(t, `{"bits":8,"signed":true,"symmetric":true,"narrow":true,"grain":{"kind":"per_channel","axis":1}}`, string(b))
	var s quant.Scheme
	assert.ErrorIs(t, json.Unmarshal([]byte(`{"bits":8,"grain":{"kind":"per_pixel"}}`), &s), quant.ErrScheme)
	_, err = json.Marshal(quant.Kind(7))
	assert.ErrorIs(t, err, quant.ErrScheme)
}

func TestValidateReportsEveryFault(t *testing.T) {
	s := quant.Scheme{Bits: 12, Narrow: true, Grain: quant.Granularity{Kind: quant.PerGroup, Axis: 3}}
	err := s.Validate()
	require.ErrorIs(t, err, quant.ErrScheme)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	assert.Len(t, joined.Unwrap(), 4)
	for _, s := range []quant.Scheme{
		{Signed: true},
		{Bits: 1, Signed: true, Narrow: true},
		{Bits: 8, Grain: quant.Granularity{Axis: 1}},
		{Bits: 8, Grain: quant.Granularity{Kind: quant.PerChannel, Group: 2}},
		{Bits: 8, Grain: quant.Granularity{Kind: quant.PerChannel, Axis: tensor.MaxRank}},
		{Bits: 8, Grain: quant.Granularity{Kind: 9}},
	} {
		assert.ErrorIs(t, s.Validate(), quant.ErrScheme, s)
	}
}

func TestLayout(t *testing.T) {
	grain := func(k quant.Kind, axis, group int) quant.Scheme {
		return quant.Scheme{Bits: 8, Grain: quant.Granularity{Kind: k, Axis: axis, Group: group}}
	}
	shape := tensor.Shape{2, 3, 4, 6}
	for _, c := range []struct {
		s    quant.Scheme
		want quant.Layout
	}{
		{grain(quant.PerTensor, 0, 0), quant.Layout{Outer: 1, Channels: 1, Inner: 144}},
		{grain(quant.PerChannel, 0, 0), quant.Layout{Outer: 1, Channels: 2, Inner: 72}},
		{grain(quant.PerChannel, 2, 0), quant.Layout{Outer: 6, Channels: 4, Inner: 6}},
		{grain(quant.PerChannel, -1, 0), quant.Layout{Outer: 24, Channels: 6, Inner: 1}},
		{grain(quant.PerGroup, 0, 3), quant.Layout{Outer: 1, Channels: 48, Inner: 3}},
	} {
		l, err := c.s.Layout(shape)
		require.NoError(t, err)
		assert.Equal(t, c.want, l)
		assert.Equal(t, shape.Numel(), l.Numel())
		assert.Equal(t, l.Channels, c.s.Params(shape))
	}
	for _, s := range []quant.Scheme{
		grain(quant.PerChannel, 4, 0), grain(quant.PerChannel, -5, 0), grain(quant.PerGroup, 0, 4),
		grain(quant.PerGroup, 0, 0), grain(9, 0, 0),
	} {
		_, err := s.Layout(shape)
		assert.ErrorIs(t, err, quant.ErrScheme)
		assert.Zero(t, s.Params(shape))
	}
	_, err := quant.Int8().Layout(tensor.Shape{-1})
	assert.Error(t, err)
	l, err := quant.Int8().Layout(nil)
	require.NoError(t, err)
	assert.Equal(t, quant.Layout{Outer: 1, Channels: 1, Inner: 1}, l)
}

func TestRuleNames(t *testing.T) {
	for _, r := range []quant.Rule{quant.ONNX, quant.PyTorch, quant.PyTorchFused, quant.TFLite, quant.TFLiteSingle} {
		b, err := json.Marshal(r)
		require.NoError(t, err)
		assert.Equal(t, `"`+r.Name+`"`, string(b))
		var back quant.Rule
		require.NoError(t, json.Unmarshal(b, &back))
		assert.Equal(t, r, back)
	}
	_, err := quant.RuleByName("caffe")
	assert.ErrorIs(t, err, quant.ErrRule)
	changed := quant.ONNX
	changed.Reciprocal = true
	_, err = changed.MarshalText()
	assert.ErrorIs(t, err, quant.ErrRule)
	b, err := quant.Rule{}.MarshalText()
	require.NoError(t, err)
	assert.Equal(t, "onnx", string(b))
	var r quant.Rule
	assert.ErrorIs(t, r.UnmarshalText(nil), quant.ErrRule)
}
