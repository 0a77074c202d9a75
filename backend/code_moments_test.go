package backend_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// exactly is CodeMoments.Of by integers without bounds, whose quotients are
// rounded as doubles are.
func exactly(a []int32, scale, bias float32) (mean, variance float64, ends [2]float32) {
	sum, squares := new(big.Int), new(big.Int)
	least, most := a[0], a[0]
	for _, v := range a {
		b := big.NewInt(int64(v))
		sum.Add(sum, b)
		squares.Add(squares, b.Mul(b, b))
		least, most = min(least, v), max(most, v)
	}
	rows := big.NewInt(int64(len(a)))
	d := new(big.Int).Sub(new(big.Int).Mul(rows, squares), new(big.Int).Mul(sum, sum))
	hi, lo := new(big.Int).Rsh(d, 64), new(big.Int).And(d, new(big.Int).SetUint64(math.MaxUint64))
	whole := rounded(toDouble(hi), '*', big.NewFloat(0x1p64))
	spread := rounded(whole, '+', toDouble(lo))
	n := toDouble(rows)
	s, b := big.NewFloat(float64(scale)), big.NewFloat(float64(bias))
	mean, _ = rounded(rounded(s, '*', rounded(toDouble(sum), '/', n)), '+', b).Float64()
	variance, _ = rounded(rounded(rounded(spread, '/', n), '/', n), '*', rounded(s, '*', s)).Float64()
	for i, v := range []int32{least, most} {
		ends[i] = float32(float32(v)*scale) + bias
	}
	return mean, variance, [2]float32{min(ends[0], ends[1]), max(ends[0], ends[1])}
}

func toDouble(v *big.Int) *big.Float { return new(big.Float).SetPrec(53).SetInt(v) }

// rounded is one operation rounded to 53 bits.
func rounded(a *big.Float, op byte, b *big.Float) *big.Float {
	z := new(big.Float).SetPrec(53)
	switch op {
	case '+':
		return z.Add(a, b)
	case '*':
		return z.Mul(a, b)
	}
	return z.Quo(a, b)
}

func takeIn(a []int32) backend.CodeMoments {
	m := backend.NoCodeMoments()
	for _, v := range a {
		m.Add(v)
	}
	return m
}

func requireMoments(t *testing.T, a []int32, m backend.CodeMoments, scale, bias float32) {
	t.Helper()
	wantMean, wantVariance, ends := exactly(a, scale, bias)
	mean, variance, least, greatest := m.Of(len(a), scale, bias)
	require.Equal(t, math.Float64bits(wantMean+0), math.Float64bits(mean+0), "mean %g, not %g", mean, wantMean)
	require.Equal(t, math.Float64bits(wantVariance), math.Float64bits(variance), "variance %g, not %g", variance, wantVariance)
	require.Equal(t, ends, [2]float32{least, greatest})
}

// TestCodeMoments compares with big integers, sums taken in at once and by
// parts in another order.
func TestCodeMoments(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, rows := range []int{1, 2, 3, 7, 127, 128, 129, 1000, 5000} {
		for try := range 20 {
			a := make([]int32, rows)
			for i := range a {
				switch try {
				case 0:
					a[i] = backend.MostCollected
				case 1:
					a[i] = -backend.MostCollected
				case 2:
					a[i] = backend.MostCollected * (1 - 2*int32(i%2))
				case 3:
					a[i] = backend.MostCollected - r.Int32N(2)
				case 4:
					a[i] = 0
				default:
					a[i] = (r.Int32N(2*backend.MostCollected+1) - backend.MostCollected) >> (try - 5)
				}
			}
			scale, bias := float32(r.NormFloat64()*0.01), float32(r.NormFloat64()*100)
			m := takeIn(a)
			requireMoments(t, a, m, scale, bias)
			parts := backend.NoCodeMoments()
			for at := len(a); at > 0; {
				n := min(at, 1+r.IntN(200))
				parts.Merge(takeIn(a[at-n : at]))
				at -= n
			}
			require.Equal(t, m, parts)
		}
	}
}

// TestCodeMomentsOfMany: sums whose squares need more than 64 bits, and
// 128 bits times their number.
func TestCodeMomentsOfMany(t *testing.T) {
	const double = 24 // times
	a := []int32{backend.MostCollected, -backend.MostCollected, 12345, backend.MostCollected, backend.MostCollected - 1}
	m, n := takeIn(a), new(big.Int).SetInt64(int64(len(a)))
	for range double {
		m.Merge(m)
		n.Lsh(n, 1)
	}
	sum, squares := big.NewInt(0), big.NewInt(0)
	for _, v := range a {
		b := big.NewInt(int64(v))
		sum.Add(sum, b)
		squares.Add(squares, new(big.Int).Mul(b, b))
	}
	sum.Lsh(sum, double)
	squares.Lsh(squares, double)
	require.Equal(t, sum.Int64(), m.Sum)
	require.Greater(t, squares.BitLen(), 64)
	d := new(big.Int).Sub(new(big.Int).Mul(n, squares), new(big.Int).Mul(sum, sum))
	require.Greater(t, d.BitLen(), 100)
	hi, lo := new(big.Int).Rsh(d, 64), new(big.Int).And(d, new(big.Int).SetUint64(math.MaxUint64))
	want, _ := rounded(rounded(toDouble(hi), '*', big.NewFloat(0x1p64)), '+', toDouble(lo)).Float64()
	rows := float64(n.Int64())
	_, variance, _, _ := m.Of(int(n.Int64()), 1, 0)
	require.Equal(t, want/rows/rows, variance)
}

func TestCodeMomentsNotFinite(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	m := takeIn([]int32{-1 << 20, 0, 1 << 20})
	for _, c := range [][2]float32{{inf, 0}, {-inf, 0}, {nan, 0}, {1, inf}, {1, -inf}, {1, nan}, {math.MaxFloat32, 0}, {-math.MaxFloat32, 1}} {
		mean, variance, _, _ := m.Of(3, c[0], c[1])
		require.True(t, math.IsNaN(mean) && math.IsNaN(variance), "%v", c)
	}
	// One end alone.
	mean, variance, _, _ := takeIn([]int32{0, 1 << 20}).Of(2, math.MaxFloat32, 0)
	require.True(t, math.IsNaN(mean) && math.IsNaN(variance))

	mean, variance, least, greatest := backend.NoCodeMoments().Of(0, nan, inf)
	require.Equal(t, [4]float64{0, 0, math.Inf(1), math.Inf(-1)}, [4]float64{mean, variance, float64(least), float64(greatest)})
}

func TestMomentsFit(t *testing.T) {
	x, w := backend.CodeSpan(tensor.U8, true), backend.CodeSpan(tensor.I8, false)
	const most = backend.MostCollected / 255 / 128
	require.True(t, backend.MomentsFit(most, x, w))
	require.False(t, backend.MomentsFit(most+1, x, w))
	require.False(t, backend.MomentsFit(math.MaxInt, x, w))
	require.True(t, backend.MomentsFit(0, x, w))

	codes := tensor.Of(tensor.U8, 2, 3, 3, most)
	require.True(t, backend.CollectsMoments(codes, tensor.Of(tensor.I8, 5, 1, 1, most)))
	require.False(t, backend.CollectsMoments(codes, tensor.Of(tensor.I8, 5, 1, 1, most+1)))
	require.False(t, backend.CollectsMoments(codes, tensor.Of(tensor.I8, 5, 2, 1, most/2+1)))
}

func FuzzCodeMoments(f *testing.F) {
	f.Add(uint64(1), uint16(200), float32(0.01), float32(3), uint8(0))
	f.Fuzz(func(t *testing.T, seed uint64, rows uint16, scale, bias float32, shift uint8) {
		r := rand.New(rand.NewPCG(seed, 2))
		a := make([]int32, int(rows)+1)
		for i := range a {
			a[i] = (r.Int32N(2*backend.MostCollected+1) - backend.MostCollected) >> (shift % 29)
		}
		m := takeIn(a)
		mean, _, _, _ := m.Of(len(a), scale, bias)
		if math.IsNaN(mean) {
			bad := false
			for _, v := range []float32{scale, bias, float32(float32(m.Least)*scale) + bias, float32(float32(m.Most)*scale) + bias} {
				bad = bad || v-v != 0
			}
			require.True(t, bad)
			return
		}
		requireMoments(t, a, m, scale, bias)
	})
}
