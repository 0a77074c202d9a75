package tensorcore

import (
	"math/rand/v2"
	"testing"

	"github.com/goqat/goqat/tensor"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Worked numbers, evaluated by other implementations: cuBLASLt's definition
// and FasterTransformer, oneDNN 2.6.3's reorders, XLA's cuDNN support.
func TestWorkedOffsets(t *testing.T) {
	at := func(l Blocked, shape tensor.Shape, i ...int) int { return l.Offset(shape, i...) }
	assert.Equal(t, 77, at(VNNI4, tensor.Shape{8, 16}, 5, 3))
	m := tensor.Shape{64, 96}
	for _, c := range []struct{ r, c, col32, col4, col32_2r int }{
		{0, 31, 31, 115, 31},
		{1, 0, 32, 128, 32},
		{2, 0, 64, 4, 256},
		{7, 31, 255, 255, 831},
		{8, 0, 256, 256, 64},
		{9, 5, 293, 401, 101},
		{33, 40, 3112, 3232, 3112},
	} {
		assert.Equal(t, c.col32, at(Col32, m, c.r, c.c))
		assert.Equal(t, c.col4, Col4x4R2x8C.At(c.r, c.c, 64))
		assert.Equal(t, c.col32_2r, Col32x2R4R4.At(c.r, c.c, 64))
	}
	// oneDNN's formulas, at O=20, I=70, H=3, W=2.
	s := tensor.Shape{20, 70, 3, 2}
	for o := range 20 {
		for i := range 70 {
			for h := range 3 {
				for w := range 2 {
					require.Equal(t, ((((o/16)*5+i/16)*3+h)*2+w)*256+(i%16)/4*64+o%16*4+i%4, at(OIhw4i16o4i, s, o, i, h, w))
					require.Equal(t, ((((o/16)*2+i/64)*3+h)*2+w)*1024+(i%64)/4*64+o%16*4+i%4, at(OIhw16i16o4i, s, o, i, h, w))
					require.Equal(t, ((((o/8)*9+i/8)*3+h)*2+w)*64+(i%8)/4*32+o%8*4+i%4, at(OIhw2i8o4i, s, o, i, h, w))
					require.Equal(t, ((o*5+i/16)*3+h)*2*16+w*16+i%16, at(NChw16c, s, o, i, h, w))
					require.Equal(t, ((o*18+i/4)*3+h)*2*4+w*4+i%4, at(NCxHW4, s, o, i, h, w))
					require.Equal(t, ((o*3+h)*2+w)*80+i, at(HWC16, s, o, i, h, w))
					require.Equal(t, i/32*3*2*20*32+h*2*20*32+w*20*32+o*32+i%32, at(CxRSK32, s, o, i, h, w))
				}
			}
		}
	}
	// NC/32HW32 is Ascend's int8 NC1HWC0: C40 H3 W5, (c35, h1, w2).
	assert.Equal(t, 707, at(NCxHW32, tensor.Shape{1, 40, 3, 5}, 0, 35, 1, 2))
	// COL4_4R2_8C with 1x1 kernels is cuDNN's reordered INT8x32 filter.
	for o := range 64 {
		for i := range 96 {
			want := i/32*(64/8)*256 + o/8*256 + o%2*128 + i%32/4*16 + o%8/2*4 + i%4
			require.Equal(t, want, Col4x4R2x8C.At(o, i, 64))
		}
	}
	// CUTLASS's interleaved layouts.
	assert.Equal(t, 40/32*32*64+7*32+40%32, at(Col32, m, 7, 40))
	assert.Equal(t, 40/32*32*96+7*32+40%32, at(RowInterleaved32, m, 40, 7))
	// AMX: a B tile has rows of 16 n by 4 k; an A tile is 16 rows of 64 bytes.
	assert.Equal(t, 1024+(5/4)*64+3*4+5%4, at(AMXB, tensor.Shape{128, 16}, 64+5, 3))
	assert.Equal(t, 1024+3*64+7, at(AMXA, tensor.Shape{16, 128}, 3, 64+7))
	// The CPU backend's panels.
	assert.Equal(t, 10*64+(9/4)*64+(17%16)*4+9%4, at(VNNI4Panel, tensor.Shape{20, 37}, 17, 9))
}

// Packing is a bijection onto the packed elements without the padding, which
// is zero, and unpacking undoes it, for sizes off every block.
func TestBlockedPackUnpack(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, l := range Blockeds() {
		for range 10 {
			shape := make(tensor.Shape, len(l.Outer))
			for d := range shape {
				shape[d] = 1 + r.IntN(70/len(shape))
			}
			size, err := l.Size(shape)
			require.NoError(t, err)
			src := make([]int8, shape.Numel())
			for i := range src {
				src[i] = int8(1 + r.IntN(127))
			}
			dst := make([]int8, size+3)
			for i := range dst {
				dst[i] = 99
			}
			require.NoError(t, PackBlocked(l, dst, src, shape))
			assert.Equal(t, []int8{99, 99, 99}, dst[size:])
			filled := 0
			for _, v := range dst[:size] {
				if v != 0 {
					filled++
				}
			}
			assert.Equal(t, len(src), filled, "%s %v", l, shape)
			back := make([]int8, len(src))
			require.NoError(t, UnpackBlocked(l, back, dst, shape))
			require.Equal(t, src, back, "%s %v", l, shape)
			// The offset function agrees.
			at := make([]int, len(shape))
			for i, v := range src {
				rest := i
				for d := len(shape) - 1; d >= 0; d-- {
					at[d] = rest % shape[d]
					rest /= shape[d]
				}
				require.Equal(t, v, dst[l.Offset(shape, at...)])
			}
		}
	}
}

func TestBlockedRefuses(t *testing.T) {
	_, err := VNNI4.Size(tensor.Shape{1, 2, 3})
	require.ErrorIs(t, err, ErrLayout)
	_, err = VNNI4.Size(tensor.Shape{-1, 2})
	require.ErrorIs(t, err, ErrLayout)
	require.ErrorIs(t, PackBlocked(VNNI4, make([]int8, 7), make([]int8, 4), tensor.Shape{2, 2}), ErrLayout)
	require.ErrorIs(t, UnpackBlocked(VNNI4, make([]int8, 3), make([]int8, 8), tensor.Shape{2, 2}), ErrLayout)
	require.NoError(t, PackBlocked(VNNI4, make([]int8, 0), make([]int8, 0), tensor.Shape{0, 2}))
}

func TestMatrixOrders(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for _, o := range []MatrixOrder{Col4x4R2x8C, Col32x2R4R4} {
		for range 10 {
			rows, cols := 1+r.IntN(90), 1+r.IntN(90)
			src := make([]int8, rows*cols)
			for i := range src {
				src[i] = int8(1 + r.IntN(127))
			}
			dst := make([]int8, o.Size(rows, cols))
			require.NoError(t, PackMatrix(o, dst, src, rows, cols))
			filled := 0
			for _, v := range dst {
				if v != 0 {
					filled++
				}
			}
			require.Equal(t, len(src), filled, "%s [%d, %d]", o.Name, rows, cols)
			back := make([]int8, len(src))
			require.NoError(t, UnpackMatrix(o, back, dst, rows, cols))
			require.Equal(t, src, back)
		}
		require.Equal(t, 3*2048, o.Size(64, 96))
		require.ErrorIs(t, PackMatrix(o, make([]int8, 10), make([]int8, 4), 2, 2), ErrLayout)
		require.ErrorIs(t, UnpackMatrix(o, make([]int8, 3), make([]int8, 4096), 2, 2), ErrLayout)
		require.ErrorIs(t, PackMatrix(o, make([]int8, 10), make([]int8, 4), -2, 2), ErrLayout)
	}
}
