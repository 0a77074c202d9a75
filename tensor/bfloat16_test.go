package tensor

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestBFloat16 goes through all bfloat16: each is itself as float32, and a
// float32 between two neighbours goes to the nearer one, or to the even one.
func TestBFloat16(t *testing.T) {
	for i := range 1 << 16 {
		b := BFloat16(i)
		v := b.Float32()
		if v != v {
			require.True(t, i&0x7f80 == 0x7f80 && i&0x7f != 0)
			got := ToBFloat16(v)
			require.EqualValues(t, i|0x40, got, "a NaN stays one, and quiet")
			require.True(t, math.IsNaN(float64(ToBFloat16F64(float64(v)).Float32())))
			continue
		}
		require.Equal(t, b, ToBFloat16(v))
		require.Equal(t, b, ToBFloat16F64(float64(v)))
		if math.IsInf(float64(v), 0) {
			continue
		}
		// The next one away from 0, which may be infinity.
		u := math.Float32bits(v)
		up, even := BFloat16(i+1), b
		if i&1 == 1 {
			even = up
		}
		for _, c := range []struct {
			low  uint32
			want BFloat16
		}{{1, b}, {0x7fff, b}, {0x8000, even}, {0x8001, up}, {0xffff, up}} {
			x := math.Float32frombits(u + c.low)
			require.Equal(t, c.want, ToBFloat16(x), "%#x", u+c.low)
			require.Equal(t, c.want, ToBFloat16F64(float64(x)), "%#x", u+c.low)
		}
		// Beside the tie by less than a float32 tells.
		tie := float64(math.Float32frombits(u + 0x8000))
		away := math.Copysign(math.Inf(1), float64(v))
		require.Equal(t, up, ToBFloat16F64(math.Nextafter(tie, away)))
		require.Equal(t, b, ToBFloat16F64(math.Nextafter(tie, 0)))
	}
	require.EqualValues(t, 0x7f80, ToBFloat16(math.MaxFloat32), "the largest float32 is nearer to infinity")
	require.EqualValues(t, 0xffc0|0x7f, ToBFloat16(math.Float32frombits(0xffffffff)))
	require.EqualValues(t, 0x7fc0, ToBFloat16(math.Float32frombits(0x7f800001)), "payload bits below do not vanish into an infinity")
}

// TestBFloat16IsNearest compares with big.Float, which rounds to any precision.
func TestBFloat16IsNearest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 100000 {
		v := math.Float32frombits(r.Uint32())
		if a := math.Abs(float64(v)); a != a || a < 0x1p-126 || a > 0x1p126 {
			continue
		}
		want, _ := new(big.Float).SetPrec(8).SetMode(big.ToNearestEven).SetFloat64(float64(v)).Float32()
		require.Equal(t, want, ToBFloat16(v).Float32(), "%v", v)
	}
}

func TestBFloat16Tensor(t *testing.T) {
	x := FromBF16([]BFloat16{0x3f80, 0xc000, 0x0001}, 3)
	require.Equal(t, "bfloat16[3]", x.String())
	require.Len(t, x.Bytes(), 6)
	require.True(t, BF16.Float())
	require.False(t, BF16.Code())
	require.EqualValues(t, -2, x.At(1))
	require.EqualValues(t, 0x1p-133, x.At(2))
	require.Nil(t, x.F32())
	require.Equal(t, []BFloat16{0xc000}, must(t)(x.View(1, 2)).BF16())
	var wide [3]float32
	WidenBF16(wide[:], x.BF16())
	require.Equal(t, [3]float32{1, -2, 0x1p-133}, wide)
	y := New(Of(BF16, 3))
	NarrowBF16(y.BF16(), wide[:])
	require.Equal(t, x.Bytes(), y.Bytes())
	_, err := Wrap(Of(BF16, 1), New(Of(U8, 8)).Bytes()[1:])
	require.ErrorContains(t, err, "not aligned")
}

func must(t *testing.T) func(*Tensor, error) *Tensor {
	return func(x *Tensor, err error) *Tensor {
		require.NoError(t, err)
		return x
	}
}
