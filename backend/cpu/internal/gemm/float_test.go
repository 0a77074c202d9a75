package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

const canary = 12345.5

// guarded is a matrix inside a larger array, off every alignment.
type guarded[T Float] struct {
	all        []T
	v          []T
	rows, cols int
	ld         int
}

func newGuarded[T Float](rows, cols, pad int, fill func() T) guarded[T] {
	const margin = 67
	g := guarded[T]{rows: rows, cols: cols, ld: cols + pad}
	size := max((rows-1)*g.ld+cols, 0)
	g.all = make([]T, size+2*margin)
	for i := range g.all {
		g.all[i] = canary
	}
	g.v = g.all[margin : margin+size : margin+size]
	for i := range rows {
		for j := range cols {
			g.v[i*g.ld+j] = fill()
		}
	}
	return g
}

// outside reports whether all elements outside of the matrix are canaries.
func (g guarded[T]) outside() bool {
	margin := (len(g.all) - len(g.v)) / 2
	for i, v := range g.all {
		at := i - margin
		if at >= 0 && at < len(g.v) && g.cols > 0 && at%g.ld < g.cols {
			continue
		}
		if v != canary {
			return false
		}
	}
	return true
}

func naive[T Float](transA, transB bool, m, n, k int, a []T, lda int, b []T, ldb int, accumulate bool, c []T, ldc int) {
	rsA, csA, rsB, csB := lda, 1, ldb, 1
	if transA {
		rsA, csA = 1, lda
	}
	if transB {
		rsB, csB = 1, ldb
	}
	for i := range m {
		for j := range n {
			var s float64
			x, y := i*rsA, j*csB
			for range k {
				s += float64(a[x]) * float64(b[y])
				x += csA
				y += rsB
			}
			if accumulate {
				s += float64(c[i*ldc+j])
			}
			c[i*ldc+j] = T(s)
		}
	}
}

// checkProduct multiplies small integers, whose sums are exact in any order,
// and compares bits.
func checkProduct[T Float](t *testing.T, rng *rand.Rand, par Parallel, transA, transB, accumulate bool, m, n, k, pad int) {
	t.Helper()
	integer := func() T { return T(rng.IntN(17) - 8) }
	rowsA, colsA, rowsB, colsB := m, k, k, n
	if transA {
		rowsA, colsA = k, m
	}
	if transB {
		rowsB, colsB = n, k
	}
	a := newGuarded(rowsA, colsA, pad, integer)
	b := newGuarded(rowsB, colsB, pad, integer)
	c := newGuarded(m, n, pad, integer)
	want := append([]T(nil), c.v...)
	naive(transA, transB, m, n, k, a.v, a.ld, b.v, b.ld, accumulate, want, c.ld)
	p := New[T](par, transA, transB, m, n, k)
	ws, intact := scratch(p.Workspace())
	p.Run(a.v, a.ld, b.v, b.ld, accumulate, c.v, c.ld, ws)
	at := fmt.Sprintf("m=%d n=%d k=%d transA=%v transB=%v accumulate=%v pad=%d", m, n, k, transA, transB, accumulate, pad)
	if !c.outside() || !intact() {
		t.Fatal(at, "wrote outside of C or the workspace")
	}
	for i := range want {
		if c.v[i] != want[i] {
			t.Fatalf("%s element %d is %v, want %v", at, i, c.v[i], want[i])
		}
	}
}

func TestFloatSizes(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		i := 0
		sizes(func(m, n, k int) {
			i++
			checkProduct[float32](t, rng, serial, i&1 != 0, i&2 != 0, i&4 != 0, m, n, k, i%3)
		})
	})
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 200 {
		checkProduct[float64](t, rng, serial, i&1 != 0, i&2 != 0, i&4 != 0, 1+rng.IntN(40), 1+rng.IntN(40), 1+rng.IntN(40), i%3)
	}
}

// TestFloatBlocks has sizes beyond the blocks of every loop.
func TestFloatBlocks(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for i := range 8 {
			transA, transB, accumulate := i&1 != 0, i&2 != 0, i&4 != 0
			for _, s := range [][3]int{
				{150, 100, 330}, {40, 330, 321}, {3, 500, 20}, {1000, 16, 27},
				{9, 16, 5000}, {20, 33, 4097}, {70, 10, 5000}, {1, 1, 20000},
			} {
				checkProduct[float32](t, rng, concurrent, transA, transB, accumulate, s[0], s[1], s[2], 5*(i%2))
			}
		}
	})
}

func TestFloatEmpty(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 8))
		for i := range 8 {
			for _, s := range [][3]int{{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {0, 0, 0}} {
				checkProduct[float32](t, rng, serial, i&1 != 0, i&2 != 0, i&4 != 0, s[0], s[1], s[2], 1)
			}
		}
	})
}

// TestFloatError bounds the error against the exact product by k roundings.
func TestFloatError(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(9, 10))
		const m, n, k = 37, 41, 777
		normal := func() float32 { return float32(rng.NormFloat64()) }
		a, b, c := newGuarded(m, k, 0, normal), newGuarded(k, n, 0, normal), newGuarded(m, n, 0, normal)
		p := New[float32](serial, false, false, m, n, k)
		ws, _ := scratch(p.Workspace())
		p.Run(a.v, k, b.v, n, false, c.v, n, ws)
		for i := range m {
			for j := range n {
				var s, size float64
				for q := range k {
					v := float64(a.v[i*k+q]) * float64(b.v[q*n+j])
					s += v
					size += math.Abs(v)
				}
				require.InDelta(t, s, c.v[i*n+j], k*0x1p-24*size)
			}
		}
	})
}

func TestFloatRows(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(11, 12))
		for i, s := range [][3]int{{1, 1, 1}, {70, 33, 9}, {500, 16, 27}, {333, 40, 1500}, {40, 7, 5000}, {0, 3, 3}, {3, 3, 0}} {
			m, n, k := s[0], s[1], s[2]
			integer := func() float32 { return float32(rng.IntN(17) - 8) }
			a := newGuarded(m, k, 0, integer)
			b := newGuarded(k, n, 3, integer)
			if i&1 != 0 {
				b = newGuarded(n, k, 3, integer)
			}
			c := newGuarded(m, n, 2, integer)
			want := append([]float32{}, c.v...)
			naive(false, i&1 != 0, m, n, k, a.v, a.ld, b.v, b.ld, true, want, c.ld)
			p := NewRows(concurrent, i&1 != 0, m, n, k, func(dst []float32, lo, hi int) {
				if len(dst) != (hi-lo)*k {
					t.Errorf("rows got %d elements for rows [%d,%d) of %d", len(dst), lo, hi, k)
				}
				copy(dst, a.v[lo*k:hi*k])
			})
			ws, intact := scratch(p.Workspace())
			p.RunRows(b.v, b.ld, true, c.v, c.ld, ws)
			require.Equal(t, want, c.v)
			require.True(t, intact() && c.outside())
		}
	})
}

// TestFloatThreads compares the bits of different orders of tiles.
func TestFloatThreads(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, s := range []struct {
			transA, transB bool
			m, n, k        int
		}{{false, true, 300, 200, 700}, {true, false, 70, 33, 9001}, {false, false, 1000, 20, 27}, {true, true, 150, 150, 330}} {
			a, b := make([]float32, s.m*s.k), make([]float32, s.k*s.n)
			for i := range a {
				a[i] = float32(rng.NormFloat64())
			}
			for i := range b {
				b[i] = float32(rng.NormFloat64())
			}
			lda, ldb := s.k, s.n
			if s.transA {
				lda = s.m
			}
			if s.transB {
				ldb = s.k
			}
			var first []float32
			for _, par := range []Parallel{serial, backwards, whole, concurrent} {
				c := make([]float32, s.m*s.n)
				p := New[float32](par, s.transA, s.transB, s.m, s.n, s.k)
				ws, _ := scratch(p.Workspace())
				p.Run(a, lda, b, ldb, false, c, s.n, ws)
				if first == nil {
					first = c
				}
				require.Equal(t, first, c)
			}
		}
	})
}

func TestFloatAllocations(t *testing.T) {
	eachFloatISA(t, func(t *testing.T) {
		for _, s := range []struct {
			transA bool
			m      int
			n, k   int
		}{{false, 200, 70, 30}, {true, 9, 10, 5000}} {
			lda := s.k
			if s.transA {
				lda = s.m
			}
			a, b, c := make([]float32, s.m*s.k), make([]float32, s.k*s.n), make([]float32, s.m*s.n)
			p := New[float32](serial, s.transA, false, s.m, s.n, s.k)
			ws, _ := scratch(p.Workspace())
			require.Zero(t, testing.AllocsPerRun(10, func() { p.Run(a, lda, b, s.n, false, c, s.n, ws) }))
		}
	})
}

func TestShortMatrixPanics(t *testing.T) {
	p := New[float32](serial, false, false, 3, 4, 5)
	ws, _ := scratch(p.Workspace())
	v := make([]float32, 20)
	require.Panics(t, func() { p.Run(v[:14], 5, v, 4, false, v, 4, ws) })
	require.Panics(t, func() { p.Run(v, 4, v, 4, false, v, 4, ws) })
	require.Panics(t, func() { p.Run(v, 5, v[:19], 4, false, v, 4, ws) })
	require.Panics(t, func() { p.Run(v, 5, v, 4, false, v[:11], 4, ws) })
	require.Panics(t, func() { New[float32](serial, false, false, -1, 4, 5) })
}
