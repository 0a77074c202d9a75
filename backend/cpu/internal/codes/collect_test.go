package codes

import (
	"math"
	"math/rand/v2"
	"testing"
)

// collecting is what the two functions of collect.go write.
type collecting struct {
	y           []float32
	sum, square []float64
	least, most []float32
}

func newCollecting(n, channels int) *collecting {
	c := &collecting{y: mirror(n, float32(7)), sum: mirror(channels, 77.0), square: mirror(channels, 77.0),
		least: mirror(channels, float32(77)), most: mirror(channels, float32(77))}
	for j := range channels {
		c.sum[32+j], c.square[32+j] = float64(j), 1e-3*float64(j)
		c.least[32+j], c.most[32+j] = float32(math.Inf(1)), float32(math.Inf(-1))
	}
	return c
}

func bits64(v []float64) []uint64 {
	b := make([]uint64, len(v))
	for i, f := range v {
		if f != f {
			f = math.NaN()
		}
		b[i] = math.Float64bits(f)
	}
	return b
}

// checkCollect cuts the sums acc [rows, channels] into blocks and compares
// with their definition: numbers, sums down a column of a block, and ends.
func checkCollect(t *testing.T, r *rand.Rand, rows, channels int, acc, add []int32, scale, bias, shift []float32) {
	t.Helper()
	n := rows * channels
	want, moments, ends := newCollecting(n, channels), newCollecting(n, channels), newCollecting(n, channels)
	step, high := []int{16, 32, 64, 96}[r.IntN(4)], 1+r.IntN(60)
	nan := make([]bool, channels)
	for lo := 0; lo < rows; lo += high {
		hi := min(lo+high, rows)
		for c := range channels {
			var sum, square float32
			for i := lo; i < hi; i++ {
				v := float32(float32(acc[i*channels+c]+add[c])*scale[c]) + bias[c]
				want.y[32+i*channels+c] = v
				d := v - shift[c]
				sum += d
				square += float32(d * d)
				nan[c] = nan[c] || v != v
				want.least[32+c], want.most[32+c] = min(want.least[32+c], v), max(want.most[32+c], v)
			}
			want.sum[32+c] += float64(sum)
			want.square[32+c] += float64(square)
		}
		for c := 0; c < channels; c += step {
			to := min(c+step, channels)
			b := blockOf(acc, channels, lo, hi, c, to, step+r.IntN(2)*16)
			part := func(v []float32) []float32 { return v[32+c : 32+to] }
			DequantizeMoments(moments.y[32:32+n], b, add, scale, bias, channels, ColumnMoments{Shift: shift[c:to],
				Sum: moments.sum[32+c : 32+to], Square: moments.square[32+c : 32+to], Least: part(moments.least), Most: part(moments.most)})
			DequantizeEnds(ends.y[32:32+n], b, add, scale, bias, channels, part(ends.least), part(ends.most))
		}
	}
	same(t, floats(want.y), floats(moments.y), "numbers of %d x %d with moments", rows, channels)
	same(t, floats(want.y), floats(ends.y), "numbers of %d x %d with ends", rows, channels)
	same(t, bits64(want.sum), bits64(moments.sum), "sums of %d x %d", rows, channels)
	same(t, bits64(want.square), bits64(moments.square), "squares of %d x %d", rows, channels)
	ofZero := func(v []float32) []uint32 { // A zero may have either sign.
		for i := range v {
			v[i] += 0
		}
		return floats(v)
	}
	same(t, ofZero(want.least), ofZero(ends.least), "least of %d x %d", rows, channels)
	same(t, ofZero(want.most), ofZero(ends.most), "most of %d x %d", rows, channels)
	for c := range channels {
		if nan[c] { // Then they say nothing.
			moments.least[32+c], moments.most[32+c] = float32(math.NaN()), float32(math.NaN())
		}
	}
	same(t, ofZero(want.least), ofZero(moments.least), "least with moments of %d x %d", rows, channels)
	same(t, ofZero(want.most), ofZero(moments.most), "most with moments of %d x %d", rows, channels)
}

func TestCollectBlock(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(51, 52))
		for channels := 1; channels <= 100; channels++ {
			for try := range 4 {
				rows := 1 + r.IntN(70)
				acc, add := make([]int32, rows*channels+3)[3:], make([]int32, channels+Wrap)
				for _, v := range [][]int32{acc, add} {
					for i := range v {
						v[i] = int32(r.Uint32()) >> (8*(try%2) + r.IntN(16))
					}
				}
				scale, bias, shift := column(r, channels, 0.01), column(r, channels, 100), column(r, channels, 100)
				if try > 1 { // All kinds of numbers, and what is none.
					scale, bias = reals(r, channels+Wrap, 1), reals(r, channels+Wrap, 10)
				}
				checkCollect(t, r, rows, channels, acc, add, scale, bias, shift)
			}
		}
	})
}

// TestCollectBlockOfNaN has one NaN, of an infinite factor and a sum of zero,
// anywhere among infinities of both signs.
func TestCollectBlockOfNaN(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(53, 54))
		for channels := 1; channels <= 40; channels += 3 {
			for row := range 9 {
				acc, add := make([]int32, 9*channels), make([]int32, channels+Wrap)
				for i := range acc {
					acc[i] = 1 - 2*r.Int32N(2)
				}
				acc[row*channels+r.IntN(channels)] = 0
				scale, bias := column(r, channels, 1), column(r, channels, 1)
				for c := range scale {
					scale[c] = float32(math.Inf(1))
				}
				checkCollect(t, r, 9, channels, acc, add, scale, bias, column(r, channels, 1))
			}
		}
	})
}

// TestColumnMomentsBegin: the first block gives the shift and nothing else, and
// nobody else's columns are touched.
func TestColumnMomentsBegin(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(55, 56))
		for channels := 1; channels <= 70; channels++ {
			rows, from := 1+r.IntN(9), r.IntN(channels)
			to := from + 1 + r.IntN(channels-from)
			acc, add := make([]int32, rows*channels), make([]int32, channels+Wrap)
			for i := range acc {
				acc[i] = r.Int32N(1000)
			}
			scale, bias := column(r, channels, 0.01), column(r, channels, 100)
			want, got := newCollecting(0, channels), newCollecting(0, channels)
			shift, wantShift := mirror(channels, float32(77)), mirror(channels, float32(77))
			for _, v := range [][]float32{want.least[32:], want.most[32:], got.least[32:], got.most[32:]} {
				for j := range channels {
					v[j] = 5
				}
			}
			for c := from; c < to; c++ {
				wantShift[32+c] = float32(float32(acc[rows/2*channels+c])*scale[c]) + bias[c]
				want.sum[32+c], want.square[32+c] = 0, 0
				want.least[32+c], want.most[32+c] = float32(math.Inf(1)), float32(math.Inf(-1))
			}
			m := ColumnMoments{Shift: shift[32+from : 32+to], Sum: got.sum[32+from : 32+to], Square: got.square[32+from : 32+to],
				Least: got.least[32+from : 32+to], Most: got.most[32+from : 32+to]}
			m.Begin(blockOf(acc, channels, 0, rows, from, to, 80), add, scale, bias, channels)
			same(t, wantShift, shift, "shift of [%d, %d)", from, to)
			same(t, want.sum, got.sum, "sum")
			same(t, want.square, got.square, "square")
			same(t, want.least, got.least, "least")
			same(t, want.most, got.most, "most")
		}
	})
}

func FuzzCollectBlock(f *testing.F) {
	f.Add(uint64(1), uint8(9), uint8(33), float32(0.1), float32(3))
	f.Fuzz(func(t *testing.T, seed uint64, rows, channels uint8, scale, bias float32) {
		if rows == 0 || channels == 0 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		n := int(channels)
		acc, add := make([]int32, int(rows)*n), make([]int32, n+Wrap)
		for i := range acc {
			acc[i] = int32(r.Uint32()) >> r.IntN(32)
		}
		s, b, k := column(r, n, 1), column(r, n, 1), column(r, n, 1)
		s[r.IntN(n)], b[r.IntN(n)] = scale, bias
		eachISA(t, func(t *testing.T) { checkCollect(t, r, int(rows), n, acc, add, s, b, k) })
	})
}
