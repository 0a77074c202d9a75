//go:build amd64 && !purego

package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// tileTDPBF16PS is tileBF16AMX in Go: of a chunk of 16 pairs the first and the
// second elements are summed apart, each product added with one rounding, and
// subnormal numbers are zeros.
func tileTDPBF16PS(blocks []Block, rows, k int, a []uint32, rsA, csA int, b []uint32, rsB int, c []float32, ldc, cols int, add bool) {
	fma := func(s float32, x, y uint16) float32 {
		return flush(float32(float64(s) + float64(wideBF16(x))*float64(wideBF16(y))))
	}
	for i := range rows {
		for j := range cols {
			at := &c[i*ldc+j]
			sum := float32(0)
			if add {
				sum = *at
			}
			chunk := func(t Block, lo, hi int) {
				var first, second float32
				for p := lo; p < hi; p++ {
					x, y := a[t.A+i*rsA+p*csA], b[t.B+p*rsB+j]
					first = fma(first, uint16(x), uint16(y))
					second = fma(second, uint16(x>>16), uint16(y>>16))
				}
				sum = flush(flush(sum) + flush(first+second))
			}
			// All whole chunks, then what is left of each block.
			for _, t := range blocks {
				for p := 0; p+tileRows <= k; p += tileRows {
					chunk(t, p, p+tileRows)
				}
			}
			for _, t := range blocks {
				if rest := k % tileRows; rest > 0 {
					chunk(t, k-rest, k)
				}
			}
			*at = sum
		}
	}
}

// checkBF16AMX compares the bits of the kernel with tileTDPBF16PS. Numbers
// that are none compare equal to each other.
func checkBF16AMX(t testing.TB, rng *rand.Rand, blocks, rows, k, cols, pad int, add bool, cell func() uint32) {
	t.Helper()
	rsA, rsB, ldc := k+pad, cols+pad, cols+pad
	var bs []Block
	sizeA, sizeB := (rows-1)*rsA+k, (k-1)*rsB+cols
	most := Block{}
	for range blocks {
		bl := Block{rng.IntN(20), rng.IntN(20)}
		most.A, most.B = max(most.A, bl.A), max(most.B, bl.B)
		bs = append(bs, bl)
	}
	a, b := make([]uint32, most.A+sizeA), make([]uint32, most.B+sizeB)
	for i := range a {
		a[i] = cell()
	}
	for i := range b {
		b[i] = cell()
	}
	got, want := make([]float32, (rows-1)*ldc+cols+16), make([]float32, (rows-1)*ldc+cols+16)
	for i := range got {
		got[i] = rng.Float32()
		want[i] = got[i]
	}
	tileBF16AMX(bs, rows, k, a, rsA, 1, b, rsB, got[:len(got)-16], ldc, cols, add)
	tileTDPBF16PS(bs, rows, k, a, rsA, 1, b, rsB, want, ldc, cols, add)
	for i := range want {
		if g, w := math.Float32bits(got[i]), math.Float32bits(want[i]); g != w && (got[i] == got[i] || want[i] == want[i]) {
			t.Fatalf("rows=%d k=%d cols=%d blocks=%v add=%v: element %d is %x, want %x", rows, k, cols, bs, add, i, g, w)
		}
	}
}

func TestAMXBF16(t *testing.T) {
	used := startAMX(t)
	rng := rand.New(rand.NewPCG(41, 42))
	normal := func() uint32 {
		return PairBF16(RoundBF16(float32(rng.NormFloat64())), RoundBF16(float32(rng.NormFloat64())))
	}
	any := func() uint32 {
		if rng.IntN(50) == 0 {
			return specials[rng.IntN(len(specials))]
		}
		return rng.Uint32()
	}
	for size := 1; size <= 70; size++ {
		checkBF16AMX(t, rng, 1, size, 17, 32, 1, false, normal)
		checkBF16AMX(t, rng, 2, 33, size, 17, 0, true, any)
		checkBF16AMX(t, rng, 1, 20, 16, 1+size%32, 3, size&1 != 0, any)
		used()
	}
	for range 200 {
		checkBF16AMX(t, rng, 1+rng.IntN(3), 1+rng.IntN(70), 1+rng.IntN(70), 1+rng.IntN(32), rng.IntN(4), rng.IntN(2) == 0, normal)
	}
}

// TestAMXBF16Plan: products of integers are exact, whole and in parts, so
// that AMX and the portable kernel give the same.
func TestAMXBF16Plan(t *testing.T) {
	used := startAMX(t)
	t.Cleanup(func() { require.NoError(t, SetMaxISA("")) })
	require.NoError(t, SetMaxISA("amx-bf16"))
	require.Equal(t, "amx-bf16", bf16Kernels.Set().String())
	amx := bf16Kernels.Kernel()
	rng := rand.New(rand.NewPCG(43, 44))
	small := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.IntN(61) - 30)
		}
		return v
	}
	product := func(kr bf16Kernel, par Parallel, transA, transB bool, m, n, k, terms int, a, b, c []float32) []float32 {
		p := newBF16(kr, par, transA, transB, m, n, k, terms)
		lda, ldb := k, n
		if transA {
			lda = m
		}
		if transB {
			ldb = k
		}
		out := append([]float32(nil), c...)
		ws, intact := scratch(p.Workspace())
		p.Run(a, lda, nil, Operand{Float: b, Stride: ldb}, true, out, n, ws)
		require.True(t, intact())
		return out
	}
	shape := func(m, n, k int) {
		for form := range 4 {
			a, b, c := small(m*k), small(n*k), small(m*n)
			transA, transB, terms := form&1 != 0, form&2 != 0, 1+rng.IntN(2)
			want := product(portableBF16(), serial, transA, transB, m, n, k, terms, a, b, c)
			require.Equal(t, want, product(amx, concurrent, transA, transB, m, n, k, terms, a, b, c), "form %d m=%d n=%d k=%d", form, m, n, k)
			used()
		}
	}
	step := 3
	if testing.Short() {
		step = 11
	}
	for size := 1; size <= 70; size += step {
		shape(size, 33, 40)
		shape(20, size, 33)
		shape(17, 34, size)
	}
	shape(300, 70, 300)
	shape(5, 7, 5000)
}

// TestAMXBF16Columns: rows of A whose cells are apart take the way without
// tiles, which has the bits of the portable one.
func TestAMXBF16Columns(t *testing.T) {
	startAMX(t)
	rng := rand.New(rand.NewPCG(45, 46))
	for range 100 {
		rows, k, cols := 2+rng.IntN(40), 1+rng.IntN(20), 1+rng.IntN(32)
		a, b := make([]uint32, rows*k), make([]uint32, k*cols)
		for i := range a {
			a[i] = PairBF16(RoundBF16(float32(rng.NormFloat64())), RoundBF16(float32(rng.NormFloat64())))
		}
		for i := range b {
			b[i] = PairBF16(RoundBF16(float32(rng.NormFloat64())), RoundBF16(float32(rng.NormFloat64())))
		}
		got, want := make([]float32, rows*cols), make([]float32, rows*cols)
		for i := range got {
			got[i] = float32(i)
			want[i] = float32(i)
		}
		add := rng.IntN(2) == 0
		tileBF16AMX(oneBlock, rows, k, a, 1, rows, b, cols, got, cols, cols, add)
		tileLoopBF16(oneBlock, rows, k, a, 1, rows, b, cols, want, cols, cols, add)
		require.Equal(t, want, got)
	}
}

func FuzzAMXBF16(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint8(1), uint8(1), uint8(1), false)
	f.Add(uint64(2), uint8(33), uint8(17), uint8(17), uint8(2), true)
	f.Fuzz(func(t *testing.T, seed uint64, rows, k, cols, blocks uint8, add bool) {
		used := startAMX(t)
		rng := rand.New(rand.NewPCG(seed, 1))
		checkBF16AMX(t, rng, 1+int(blocks%4), 1+int(rows%100), 1+int(k%100), 1+int(cols%32), int(seed%5), add, rng.Uint32)
		used()
	})
}
