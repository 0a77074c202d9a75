package tensor

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShape(t *testing.T) {
	s := Shape{2, 3, 4}
	require.Equal(t, 24, s.Numel())
	require.Equal(t, []int{12, 4, 1}, s.Strides())
	require.Equal(t, "[2, 3, 4]", s.String())
	require.Equal(t, 1, Shape(nil).Numel())
	require.NoError(t, s.Check())
	require.Error(t, Shape{-1}.Check())
	require.Error(t, make(Shape, MaxRank+1).Check())
	require.Error(t, Shape{math.MaxInt32, math.MaxInt32, math.MaxInt32}.Check())
	require.Error(t, Shape{0, math.MaxInt32, math.MaxInt32, math.MaxInt32}.Check(), "a zero must not hide an overflow")
}

func TestBroadcast(t *testing.T) {
	for _, c := range []struct{ a, b, want Shape }{
		{Shape{2, 3}, Shape{3}, Shape{2, 3}}, {Shape{2, 1}, Shape{1, 4}, Shape{2, 4}}, {nil, Shape{5}, Shape{5}}, {Shape{0, 3}, Shape{1, 3}, Shape{0, 3}},
	} {
		got, err := Broadcast(c.a, c.b)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := Broadcast(Shape{2}, Shape{3})
	require.ErrorContains(t, err, "cannot broadcast [2] with [3]")
}

func TestBytes(t *testing.T) {
	for d, want := range map[DType]int{F32: 36, F64: 72, I8: 9, U8: 9, I32: 36, I64: 72, B1: 2} {
		require.Equal(t, want, d.Bytes(9), d.String())
		x := New(Of(d, 9))
		require.Len(t, x.Bytes(), want)
		require.True(t, aligned(x.Bytes(), F64), "allocated memory is aligned for every type")
	}
}

func TestViewsShareMemory(t *testing.T) {
	x := FromF32([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	v, err := x.View(1, 3)
	require.NoError(t, err)
	require.Equal(t, []float32{3, 4, 5, 6}, v.F32())
	v.F32()[0] = 30
	require.EqualValues(t, 30, x.At(2))
	r, err := x.Reshape(2, 3)
	require.NoError(t, err)
	require.EqualValues(t, 30, r.F32()[2])
	c := x.Clone()
	c.F32()[0] = 7
	require.EqualValues(t, 1, x.F32()[0])
	require.Nil(t, x.I32(), "another type is no view")
	_, err = x.View(1, 4)
	require.Error(t, err)
	_, err = x.Reshape(4)
	require.Error(t, err)
	_, err = New(Of(B1, 3, 3)).View(1, 2)
	require.ErrorContains(t, err, "not byte aligned")
	m, err := New(Of(B1, 3, 8)).View(1, 2)
	require.NoError(t, err)
	require.Len(t, m.Bytes(), 1)
}

func TestWrapChecks(t *testing.T) {
	b := New(Of(U8, 64)).Bytes()
	_, err := Wrap(Of(F32, 17), b)
	require.ErrorContains(t, err, "needs 68 bytes")
	_, err = Wrap(Of(F32, 2), b[1:])
	require.ErrorContains(t, err, "not aligned")
	x, err := Wrap(Of(I8, 3), b[1:])
	require.NoError(t, err)
	require.Len(t, x.I8(), 3)
}

func TestCastRefuses(t *testing.T) {
	b := New(Of(U8, 16)).Bytes()
	require.Len(t, Cast[int32](b, 4), 4)
	require.Panics(t, func() { Cast[int32](b, 5) })
	require.Panics(t, func() { Cast[int32](b[1:], 1) })
}

func TestAt(t *testing.T) {
	require.EqualValues(t, -3, FromI8([]int8{-3}, 1).At(0))
	require.EqualValues(t, 200, FromU8([]uint8{200}, 1).At(0))
	require.EqualValues(t, float64(-1<<40), FromI64([]int64{-1 << 40}, 1).At(0))
	require.EqualValues(t, 2.5, FromF64([]float64{2.5}, 1).At(0))
	m := New(Of(B1, 10))
	m.Bytes()[1] = 2
	require.EqualValues(t, 1, m.At(9))
	require.EqualValues(t, 0, m.At(8))
}
