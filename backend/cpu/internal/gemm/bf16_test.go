package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// bf16Twins are kernels that give the bits of the portable one: that of
// AVX512-BF16, where the machine has it, and one that wants rows of A.
func bf16Twins() map[string]bf16Kernel {
	rows := portableBF16()
	rows.rowsA = true
	ks := map[string]bf16Kernel{"rows": rows}
	if kr, ok := avx512BF16(); ok {
		ks["avx512bf16"] = kr
	}
	return ks
}

// avx512BF16 returns the kernel of AVX512-BF16.
func avx512BF16() (kr bf16Kernel, ok bool) {
	if slices.Contains(bf16Kernels.Sets(), isa.AVX512BF16) && isa.SetMax("avx512bf16") == nil {
		kr, ok = bf16Kernels.Kernel(), true
		_ = isa.SetMax("")
	}
	return kr, ok
}

// TestRoundBF16 compares with rounding by arithmetic.
func TestRoundBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	inf := float32(math.Inf(1))
	require.Equal(t, uint16(0x7F80), RoundBF16(inf))
	require.Equal(t, uint16(0xFF80), RoundBF16(-inf))
	require.Equal(t, uint16(0x7F80), RoundBF16(math.MaxFloat32))
	require.NotEqual(t, wideBF16(RoundBF16(float32(math.NaN()))), wideBF16(RoundBF16(float32(math.NaN()))))
	require.Equal(t, uint16(0x8000), RoundBF16(math.Float32frombits(0x807FFFFF)))
	for range 100000 {
		v := math.Float32frombits(rng.Uint32())
		if v != v || math.Abs(float64(v)) < 0x1p-126 || math.Abs(float64(v)) >= 0x1.FFp127 {
			continue
		}
		_, e := math.Frexp(float64(v))
		want := math.RoundToEven(math.Ldexp(float64(v), 8-e))
		require.Equal(t, math.Ldexp(want, e-8), float64(wideBF16(RoundBF16(v))), "%x", math.Float32bits(v))
	}
}

// specials are bit patterns where rounding and flushing go wrong first.
var specials = []uint32{0, 0x80000000, 1, 0x007FFFFF, 0x00800000, 0x807FFFFF, 0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F800001, 0xFFFFFFFF}

// TestBF16Layout compares what lays out operands with the portable form, on
// all sizes around the vectors and off every alignment.
func TestBF16Layout(t *testing.T) {
	kr, unit := avx512BF16()
	if !unit {
		t.Skip("the machine has no unit for bfloat16")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	twin := portableBF16()
	for n := 1; n <= 140; n++ {
		rows, pad := 1+n%4, n%3
		ld, ldDst := n+pad, n+2
		src, codes, scale := make([]float32, 2*rows*ld+1)[1:], make([]byte, 2*rows*ld+3)[3:], make([]float32, n+1)[1:]
		for i := range src {
			src[i] = math.Float32frombits(rng.Uint32())
			if i%3 == 0 {
				src[i] = math.Float32frombits(specials[rng.IntN(len(specials))])
			}
			codes[i] = byte(rng.Uint32())
		}
		for i := range scale {
			scale[i] = float32(math.Ldexp(rng.Float64(), rng.IntN(20)-10))
		}
		got, want := newGuarded(rows, n, 2, func() float32 { return 0 }), newGuarded(rows, n, 2, func() float32 { return 0 })
		both := func(f func(k *bf16Kernel, dst []uint32)) {
			t.Helper()
			f(&kr, cellsOf(got.v))
			f(&twin, cellsOf(want.v))
			require.True(t, got.outside() && want.outside())
			// NaN may keep different payloads only if rounding differs: compare bits.
			require.Equal(t, cellsOf(want.v), cellsOf(got.v), "n=%d", n)
		}
		for _, low := range []bool{false, true} {
			both(func(k *bf16Kernel, dst []uint32) { k.pair(rows, n, dst, ldDst, src, 2*ld, ld, 0.7, low) })
			both(func(k *bf16Kernel, dst []uint32) { k.join(rows, n, dst, ldDst, src, 2*ld, scale, low) })
		}
		for _, signed := range []bool{false, true} {
			zero := int32(rng.IntN(256))
			if signed {
				zero -= 128
			}
			both(func(k *bf16Kernel, dst []uint32) { k.codes(rows, n, dst, ldDst, codes, 2*ld, ld, zero, signed) })
		}
	}
}

// cellsOf returns the bits of v.
func cellsOf(v []float32) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(v))), len(v))
}

// TestBF16Tile compares the bits of tiles with those of the portable one on
// every kind of number, sizes around the tiles and several blocks.
func TestBF16Tile(t *testing.T) {
	kr, unit := avx512BF16()
	if !unit {
		t.Skip("the machine has no unit for bfloat16")
	}
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range 3000 {
		rows, k, cols := 1+rng.IntN(40), 1+rng.IntN(9), 1+rng.IntN(kr.wide)
		checkBF16Tile(t, rng, &kr, rows, k, cols, 1+rng.IntN(4), i%2 == 0, i%3)
	}
}

func checkBF16Tile(t *testing.T, rng *rand.Rand, kr *bf16Kernel, rows, k, cols, count int, add bool, kind int) {
	t.Helper()
	cell := func() uint32 {
		switch kind {
		case 0:
			return rng.Uint32()
		case 1:
			return PairBF16(uint16(specials[rng.IntN(len(specials))]>>16), RoundBF16(float32(rng.NormFloat64())))
		}
		return PairBF16(RoundBF16(float32(rng.NormFloat64())), RoundBF16(float32(rng.NormFloat64())))
	}
	rsA, csA, rsB, ldc := k+1, 1, roundUp(cols, 4)+3, cols+2
	if rng.IntN(2) == 0 {
		rsA, csA = 1, rows+3
	}
	a, b := make([]uint32, 3+(rows-1)*rsA+k*max(csA, 1)+40*count), make([]uint32, 1+k*rsB+50*count)
	for i := range a {
		a[i] = cell()
	}
	for i := range b {
		b[i] = cell()
	}
	blocks := make([]Block, count)
	for i := range blocks {
		blocks[i] = Block{rng.IntN(40 * count), rng.IntN(40 * count)}
	}
	got := newGuarded(rows, cols, 2, func() float32 { return float32(rng.NormFloat64()) })
	want := newGuarded(rows, cols, 2, func() float32 { return 0 })
	copy(want.v, got.v)
	kr.tile(blocks, rows, k, a, rsA, csA, b, rsB, got.v, ldc, cols, add)
	for j := 0; j < cols; j += 4 {
		tilePortableBF16(blocks, rows, k, a, rsA, csA, b[j:], rsB, want.v[j:], ldc, min(cols-j, 4), add)
	}
	require.True(t, got.outside())
	for i, w := range want.v {
		if g := got.v[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			t.Fatalf("rows=%d k=%d cols=%d blocks=%v add=%v: element %d is %v, want %v", rows, k, cols, blocks, add, i, g, w)
		}
	}
}

// FuzzBF16Tile is TestBF16Tile on shapes of the fuzzer's choice.
func FuzzBF16Tile(f *testing.F) {
	f.Add(uint64(1), uint8(14), uint8(3), uint8(32), uint8(2), true)
	f.Fuzz(func(t *testing.T, seed uint64, rows, k, cols, count uint8, add bool) {
		kr, unit := avx512BF16()
		if !unit {
			t.Skip("the machine has no unit for bfloat16")
		}
		rng := rand.New(rand.NewPCG(seed, 1))
		checkBF16Tile(t, rng, &kr, 1+int(rows)%70, 1+int(k)%70, 1+int(cols)%kr.wide, 1+int(count)%5, add, int(seed%3))
	})
}

type bf16Case struct {
	transA, transB, codes, signed, accumulate bool
	m, n, k, terms, pad                       int
}

// runBF16 computes a case on kernel kr and returns C.
func runBF16(t *testing.T, kr bf16Kernel, par Parallel, s bf16Case, a, b, c guarded[float32], codes []byte, zero int32, scale []float32) []float32 {
	t.Helper()
	op := Operand{Float: b.v, Stride: b.ld}
	if s.codes {
		op = Operand{Codes: codes, Signed: s.signed, Zero: zero, Stride: b.ld}
	}
	p := newBF16(kr, par, s.transA, s.transB, s.m, s.n, s.k, s.terms)
	ws, intact := scratch(p.Workspace())
	out := guarded[float32]{all: append([]float32(nil), c.all...), rows: c.rows, cols: c.cols, ld: c.ld}
	margin := (len(c.all) - len(c.v)) / 2
	out.v = out.all[margin : margin+len(c.v)]
	p.Run(a.v, a.ld, scale, op, s.accumulate, out.v, c.ld, ws)
	require.True(t, intact() && out.outside(), "%+v wrote outside", s)
	return out.v
}

// checkBF16 compares a product with the exact one, within the rounding of its
// operands and sums, and kernels with each other, bit for bit.
func checkBF16(t *testing.T, rng *rand.Rand, par Parallel, s bf16Case) {
	t.Helper()
	normal := func() float32 { return float32(rng.NormFloat64()) }
	rowsA, colsA, rowsB, colsB := s.m, s.k, s.k, s.n
	if s.transA {
		rowsA, colsA = s.k, s.m
	}
	if s.transB {
		rowsB, colsB = s.n, s.k
	}
	a, b, c := newGuarded(rowsA, colsA, s.pad, normal), newGuarded(rowsB, colsB, s.pad, normal), newGuarded(s.m, s.n, s.pad, normal)
	codes := make([]byte, len(b.v))
	zero := int32(rng.IntN(256))
	if s.signed {
		zero -= 128
	}
	if s.codes {
		for i := range codes {
			codes[i] = byte([]uint32{0, 127, 128, 255, rng.Uint32()}[rng.IntN(5)])
		}
	}
	var scale []float32
	switch rng.IntN(3) {
	case 1:
		scale = []float32{rng.Float32() + 0.5}
	case 2:
		if !s.transA {
			for range s.k {
				scale = append(scale, rng.Float32()+0.5)
			}
			if s.k == 0 {
				scale = nil
			}
		}
	}
	want := runBF16(t, portableBF16(), par, s, a, b, c, codes, zero, scale)
	for name, kr := range bf16Twins() {
		require.Equal(t, want, runBF16(t, kr, par, s, a, b, c, codes, zero, scale), "%s %+v", name, s)
	}
	// A of one term is off by 2^-8 of itself, of two by 2^-16, B of floats by
	// 2^-8, and each of the sums by 2^-23.
	bound := 1.01 * math.Ldexp(1, -8*s.terms)
	if !s.codes {
		bound += 1.01 * 0x1p-8
	}
	bound += float64(s.k+2) * 0x1p-23
	for i := range s.m {
		for j := range s.n {
			sum, size := 0.0, 0.0
			for q := range s.k {
				at := i*a.ld + q
				if s.transA {
					at = q*a.ld + i
				}
				x := a.v[at]
				f := 1.0
				if len(scale) == 1 {
					f = float64(scale[0])
				} else if len(scale) > 1 {
					f = float64(scale[q])
				}
				var y float64
				switch at := q*b.ld + j; {
				case s.transB:
					y = float64(b.v[j*b.ld+q])
				case s.codes && s.signed:
					y = float64(int32(int8(codes[at])) - zero)
				case s.codes:
					y = float64(int32(codes[at]) - zero)
				default:
					y = float64(b.v[at])
				}
				v := float64(x) * f * y
				sum += v
				size += math.Abs(v)
			}
			if s.accumulate {
				sum += float64(c.v[i*c.ld+j])
				size += math.Abs(float64(c.v[i*c.ld+j]))
			}
			require.InDelta(t, sum, want[i*c.ld+j], bound*size+1e-30, "%+v at %d, %d", s, i, j)
		}
	}
}

func TestBF16Sizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	i := 0
	each := func(m, n, k int) {
		i++
		checkBF16(t, rng, serial, bf16Case{transA: i&1 != 0, transB: i%5 == 0, codes: i%5 != 0 && i&2 != 0, signed: i&4 != 0, accumulate: i&8 != 0,
			m: m, n: n, k: k, terms: 1 + i%2, pad: i % 3})
	}
	for i := 1; i <= 70; i++ {
		each(i, 33, 9)
		each(17, i, 11)
		each(15, 31, i)
	}
	for range 200 {
		each(1+rng.IntN(70), 1+rng.IntN(70), 1+rng.IntN(70))
	}
	for _, s := range [][3]int{{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {0, 0, 0}} {
		for range 10 {
			each(s[0], s[1], s[2])
		}
	}
}

// TestBF16Blocks has sizes beyond the blocks of every loop.
func TestBF16Blocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for i, s := range [][3]int{{150, 100, 530}, {40, 330, 521}, {3, 500, 20}, {1000, 16, 27}, {9, 16, 5001}, {20, 33, 2500}, {300, 290, 600}, {1, 1, 9000}} {
		for _, transA := range []bool{false, true} {
			checkBF16(t, rng, concurrent, bf16Case{transA: transA, codes: i&1 == 0, signed: i&2 != 0, transB: i == 3 || i == 5, m: s[0], n: s[1], k: s[2], terms: 1 + i%2, pad: 5 * (i % 2)})
		}
	}
}

// TestBF16Threads compares the bits of different orders of tiles.
func TestBF16Threads(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	kr := bf16Kernels.Kernel()
	for _, s := range []bf16Case{
		{m: 300, n: 200, k: 700, terms: 1, codes: true}, {transA: true, m: 70, n: 33, k: 9001, terms: 2, codes: true},
		{m: 1000, n: 20, k: 27, terms: 1}, {transA: true, transB: true, m: 150, n: 150, k: 330, terms: 1},
	} {
		normal := func() float32 { return float32(rng.NormFloat64()) }
		rowsA, colsA, rowsB, colsB := s.m, s.k, s.k, s.n
		if s.transA {
			rowsA, colsA = s.k, s.m
		}
		if s.transB {
			rowsB, colsB = s.n, s.k
		}
		a, b, c := newGuarded(rowsA, colsA, 0, normal), newGuarded(rowsB, colsB, 0, normal), newGuarded(s.m, s.n, 0, normal)
		codes := make([]byte, len(b.v))
		for i := range codes {
			codes[i] = byte(rng.Uint32())
		}
		first := runBF16(t, kr, serial, s, a, b, c, codes, 7, nil)
		for i, par := range []Parallel{backwards, whole, concurrent} {
			require.Equal(t, first, runBF16(t, kr, par, s, a, b, c, codes, 7, nil), fmt.Sprint(i))
		}
	}
}

func TestBF16Allocations(t *testing.T) {
	for _, s := range []struct {
		transA bool
		m      int
		n, k   int
	}{{false, 200, 70, 30}, {true, 9, 10, 5000}, {true, 300, 300, 128}} {
		lda := s.k
		if s.transA {
			lda = s.m
		}
		a, b, c := make([]float32, s.m*s.k), make([]byte, s.k*s.n), make([]float32, s.m*s.n)
		p := NewBF16(serial, s.transA, false, s.m, s.n, s.k, 2)
		ws, _ := scratch(p.Workspace())
		require.Zero(t, testing.AllocsPerRun(10, func() {
			p.Run(a, lda, nil, Operand{Codes: b, Stride: s.n}, false, c, s.n, ws)
		}))
	}
}
