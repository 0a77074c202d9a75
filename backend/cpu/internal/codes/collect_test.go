package codes

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/goqat/goqat/backend"
)

// mirrored are column moments with guards on both sides.
func mirrored(channels int) ColumnMoments {
	m := ColumnMoments{mirror(channels, int64(77)), mirror(channels, int64(77)), mirror(channels, int64(77)), mirror(channels, int32(77)), mirror(channels, int32(77))}
	inside := m.Columns(32, 32+channels)
	inside.Clear()
	return m
}

// squares returns the sums of squares: where they are cut into halves is open.
func (m *ColumnMoments) squares(from, to int) (s [][2]uint64) {
	for j := from; j < to; j++ {
		lo, carry := bits.Add64(uint64(m.High[j])<<32, uint64(m.Low[j]), 0)
		s = append(s, [2]uint64{lo, uint64(m.High[j])>>32 + carry})
	}
	return s
}

// sumsWithin returns sums acc and what is added to them, each of any size, the
// sums of which are within bound, often at its ends.
func sumsWithin(r *rand.Rand, rows, channels, bound int) (acc, add []int32) {
	acc, add = make([]int32, rows*channels), make([]int32, channels+Wrap)
	for c := range channels {
		add[c] = int32(r.Uint32()) >> r.IntN(32)
	}
	Repeat(add, channels)
	kind := r.IntN(4)
	for i := range acc {
		var a int
		switch {
		case kind == 0:
			a = bound
		case kind == 1:
			a = -bound
		case r.IntN(8) == 0:
			a = bound * (1 - 2*r.IntN(2))
		default:
			a = r.IntN(2*bound+1) - bound
		}
		acc[i] = int32(a) - add[i%channels]
	}
	return acc, add
}

// checkMoments cuts the sums acc [rows, channels] into blocks and compares with
// their definition: numbers, and what backend.CodeMoments takes in.
func checkMoments(t *testing.T, r *rand.Rand, rows, channels, bound int, acc, add []int32, scale, bias []float32) {
	t.Helper()
	n := rows * channels
	wantY, y := mirror(n, float32(7)), mirror(n, float32(7))
	want, got := mirrored(channels), mirrored(channels)
	for c := range channels {
		m := backend.NoCodeMoments()
		for i := c; i < n; i += channels {
			a := acc[i] + add[c]
			m.Add(a)
			wantY[32+i] = float32(float32(a)*scale[c]) + bias[c]
		}
		j := 32 + c
		want.Sum[j], want.Low[j], want.High[j], want.Least[j], want.Most[j] = m.Sum, int64(m.Low), int64(m.High), m.Least, m.Most
	}
	step, high := []int{16, 32, 64, 96}[r.IntN(4)], 1+r.IntN(60)
	if r.IntN(4) == 0 {
		high = rows
	}
	// Blocks in any order.
	tops := r.Perm((rows + high - 1) / high)
	for _, top := range tops {
		lo := top * high
		for c := 0; c < channels; c += step {
			to := min(c+step, channels)
			b := blockOf(acc, channels, lo, min(lo+high, rows), c, to, step+r.IntN(2)*16)
			DequantizeMoments(y[32:32+n], b, add, scale, bias, channels, bound, got.Columns(32+c, 32+to))
		}
	}
	same(t, floats(wantY), floats(y), "numbers of %d x %d", rows, channels)
	same(t, want.Sum, got.Sum, "sums of %d x %d", rows, channels)
	same(t, want.squares(32, 32+channels), got.squares(32, 32+channels), "squares of %d x %d", rows, channels)
	same(t, want.Low[:32], got.Low[:32], "low before")
	same(t, want.Low[32+channels:], got.Low[32+channels:], "low behind")
	same(t, want.High[:32], got.High[:32], "high before")
	same(t, want.High[32+channels:], got.High[32+channels:], "high behind")
	same(t, want.Least, got.Least, "least of %d x %d", rows, channels)
	same(t, want.Most, got.Most, "most of %d x %d", rows, channels)
}

var collectBounds = []int{0, 1, 100, 1<<16 + 3, 1<<22 - 1, 1 << 25, backend.MostCollected - 1, backend.MostCollected}

func TestCollectMomentsBlock(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(55, 56))
		for channels := 1; channels <= 100; channels++ {
			for try := range 6 {
				rows, bound := 1+r.IntN(70), collectBounds[r.IntN(len(collectBounds))]
				if try == 0 {
					rows, bound = 140+r.IntN(300), backend.MostCollected
				}
				acc, add := sumsWithin(r, rows, channels, bound)
				scale, bias := column(r, channels, 0.01), column(r, channels, 100)
				if try > 3 { // All kinds of numbers, and what is none.
					scale, bias = reals(r, channels+Wrap, 1), reals(r, channels+Wrap, 10)
				}
				checkMoments(t, r, rows, channels, bound, acc, add, scale, bias)
			}
		}
	})
}

// TestMergeColumns: those of two halves are those of the whole.
func TestMergeColumns(t *testing.T) {
	r := rand.New(rand.NewPCG(57, 58))
	const rows, channels = 31, 37
	acc, add := sumsWithin(r, rows, channels, backend.MostCollected)
	scale, bias, y := column(r, channels, 1), column(r, channels, 1), make([]float32, rows*channels)
	of := func(lo, hi int) ColumnMoments {
		m := mirrored(channels)
		m = m.Columns(32, 32+channels)
		DequantizeMoments(y, blockOf(acc, channels, lo, hi, 0, channels, channels), add, scale, bias, channels, backend.MostCollected, m)
		return m
	}
	none, got, rest, want := of(3, 3), of(0, 11), of(11, rows), of(0, rows)
	got.Merge(&rest)
	got.Merge(&none)
	for j := range channels {
		code := func(m *ColumnMoments) backend.CodeMoments {
			return backend.CodeMoments{Sum: m.Sum[j], Low: uint64(m.Low[j]), High: uint64(m.High[j]), Least: m.Least[j], Most: m.Most[j]}
		}
		wm, wv, wl, wg := code(&want).Of(rows, scale[j], bias[j])
		gm, gv, gl, gg := code(&got).Of(rows, scale[j], bias[j])
		same(t, []float64{wm, wv, float64(wl), float64(wg)}, []float64{gm, gv, float64(gl), float64(gg)}, "moments of column %d", j)
	}
}

// checkEnds cuts the sums acc [rows, channels] into blocks and compares with
// their definition: numbers and ends.
func checkEnds(t *testing.T, r *rand.Rand, rows, channels int, acc, add []int32, scale, bias []float32) {
	t.Helper()
	n := rows * channels
	newEnds := func() (y, least, most []float32) {
		y, least, most = mirror(n, float32(7)), mirror(channels, float32(77)), mirror(channels, float32(77))
		NoEnds(least[32:32+channels], most[32:32+channels])
		return y, least, most
	}
	wantY, wantLeast, wantMost := newEnds()
	y, least, most := newEnds()
	for i, a := range acc[:n] {
		c := i % channels
		v := float32(float32(a+add[c])*scale[c]) + bias[c]
		wantY[32+i], wantLeast[32+c], wantMost[32+c] = v, min(wantLeast[32+c], v), max(wantMost[32+c], v)
	}
	step, high := []int{16, 32, 64, 96}[r.IntN(4)], 1+r.IntN(60)
	for lo := 0; lo < rows; lo += high {
		for c := 0; c < channels; c += step {
			to := min(c+step, channels)
			b := blockOf(acc, channels, lo, min(lo+high, rows), c, to, step+r.IntN(2)*16)
			DequantizeEnds(y[32:32+n], b, add, scale, bias, channels, least[32+c:32+to], most[32+c:32+to])
		}
	}
	same(t, floats(wantY), floats(y), "numbers of %d x %d", rows, channels)
	ofZero := func(v []float32) []uint32 { // A zero may have either sign.
		for i := range v {
			v[i] += 0
		}
		return floats(v)
	}
	same(t, ofZero(wantLeast), ofZero(least), "least of %d x %d", rows, channels)
	same(t, ofZero(wantMost), ofZero(most), "most of %d x %d", rows, channels)
}

func TestCollectEndsBlock(t *testing.T) {
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
				scale, bias := column(r, channels, 0.01), column(r, channels, 100)
				if try > 1 { // All kinds of numbers, and what is none.
					scale, bias = reals(r, channels+Wrap, 1), reals(r, channels+Wrap, 10)
				}
				checkEnds(t, r, rows, channels, acc, add, scale, bias)
			}
		}
	})
}

// TestCollectEndsOfNaN has one NaN, of an infinite factor and a sum of zero,
// anywhere among infinities of both signs.
func TestCollectEndsOfNaN(t *testing.T) {
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
				checkEnds(t, r, 9, channels, acc, add, scale, bias)
			}
		}
	})
}

func FuzzCollectBlock(f *testing.F) {
	f.Add(uint64(1), uint16(9), uint8(33), uint32(1000), float32(0.1), float32(3))
	f.Fuzz(func(t *testing.T, seed uint64, rows uint16, channels uint8, bound uint32, scale, bias float32) {
		if channels == 0 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 1))
		n, height, most := int(channels), int(rows%512)+1, int(bound%(backend.MostCollected+1))
		acc, add := sumsWithin(r, height, n, most)
		s, b := column(r, n, 1), column(r, n, 1)
		s[r.IntN(n)], b[r.IntN(n)] = scale, bias
		Repeat(s, n)
		Repeat(b, n)
		eachISA(t, func(t *testing.T) {
			checkMoments(t, r, height, n, most, acc, add, s, b)
			checkEnds(t, r, height, n, acc, add, s, b)
		})
	})
}
