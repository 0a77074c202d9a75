//go:build amd64 && !purego

package gemm

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/amxtest"
)

// rowsCase is a product of rows as a convolution has them, in memory that
// ends where the last row does, off every alignment.
type rowsCase struct {
	r          intRows
	a          []byte
	packed     []byte
	n, ldc     int
	init, want []int32
}

// newRowsCase makes codes of signed or unsigned activations by code.
func newRowsCase(r intRows, n, ldc int, withInit, signed bool, codeA func() byte, codeW func() int8) *rowsCase {
	c := &rowsCase{r: r, n: n, ldc: ldc}
	c.r.reach = slices.Max(r.taps) + 4*r.groups
	c.a = make([]byte, 1+c.r.end())[1:]
	for i := range c.a {
		c.a[i] = codeA()
	}
	k := len(r.taps) * 4 * r.groups
	w := make([]int8, n*k)
	for i := range w {
		w[i] = codeW()
	}
	c.packed = make([]byte, PackedSize(n, k))
	PackB(c.packed, w, n, k)
	if withInit {
		c.init = make([]int32, Panels(n)*PanelChannels)
		for i := range c.init {
			c.init[i] = int32(i*i*12345 - 1<<20)
		}
	}
	c.want = make([]int32, (c.r.count()-1)*ldc+n)
	for i := range c.want {
		c.want[i] = -7
	}
	for i := range c.r.count() {
		row := c.a[i/r.width*r.line+i%r.width*r.stride:]
		for j := range n {
			sum := int32(0)
			if withInit {
				sum = c.init[j]
			}
			for t, at := range r.taps {
				for p, v := range row[at : at+4*r.groups] {
					x := int32(v)
					if signed {
						x = int32(int8(v))
					}
					sum += x * int32(w[j*k+t*4*r.groups+p])
				}
			}
			c.want[i*ldc+j] = sum
		}
	}
	return c
}

func (c *rowsCase) check(t *testing.T, signed bool) {
	t.Helper()
	mem := make([]int32, len(c.want)+32)
	got := mem[16 : 16+len(c.want) : 16+len(c.want)]
	for i := range mem {
		mem[i] = -7
	}
	kernel := unsignedAMX
	if signed {
		kernel = signedAMX
	}
	panel := panelBytes(len(c.r.taps) * 4 * c.r.groups)
	kernel(c.r, c.a, c.packed[:Panels(c.n)*panel], panel, c.init, got, c.ldc, c.n)
	if !slices.Equal(got, c.want) {
		i := 0
		for got[i] == c.want[i] {
			i++
		}
		t.Fatalf("%+v n=%d ldc=%d init=%v signed=%v: row %d column %d is %d, want %d", c.r, c.n, c.ldc, c.init != nil, signed,
			i/c.ldc, i%c.ldc, got[i], c.want[i])
	}
	for i, v := range mem {
		if v != -7 && (i < 16 || i >= 16+len(got)) {
			t.Fatalf("%+v n=%d: wrote outside of the sums", c.r, c.n)
		}
	}
}

// startAMX gives the test AMX and returns a function that fails it when no
// tile was multiplied since the last call.
func startAMX(t testing.TB) (used func()) {
	t.Helper()
	emulated := amxtest.Start(t)
	dots := amxtest.Dots()
	return func() {
		t.Helper()
		if now := amxtest.Dots(); emulated && now == dots {
			t.Fatal("AMX was not used")
		} else {
			dots = now
		}
	}
}

func TestAMXRows(t *testing.T) {
	used := startAMX(t)
	rng := rand.New(rand.NewPCG(31, 32))
	u8 := func() byte { return byte(rng.IntN(256)) }
	s8 := func() int8 { return int8(rng.IntN(256) - 128) }
	count := 600
	if testing.Short() {
		count = 100
	}
	for i := range count {
		r := intRows{lines: 1 + rng.IntN(5), width: 1 + rng.IntN(70), groups: 1 + rng.IntN(40)}
		if i%50 == 0 {
			r.width, r.groups = 1+rng.IntN(20), 250+rng.IntN(300)
		}
		for range 1 + rng.IntN(4) {
			r.taps = append(r.taps, rng.IntN(100))
		}
		r.stride = 1 + rng.IntN(80)
		r.line = r.width * r.stride
		if i%3 != 0 {
			r.line += rng.IntN(100)
		}
		n := 1 + rng.IntN(32)
		signed := i&1 != 0
		newRowsCase(r, n, n+rng.IntN(3), i&2 != 0, signed, u8, s8).check(t, signed)
		used()
	}
}

// TestAMXTails runs every size of a tail of rows, of columns and of codes.
func TestAMXTails(t *testing.T) {
	used := startAMX(t)
	rng := rand.New(rand.NewPCG(33, 34))
	u8 := func() byte { return byte(rng.IntN(256)) }
	s8 := func() int8 { return int8(rng.IntN(256) - 128) }
	for size := 1; size <= 70; size++ {
		for _, signed := range []bool{false, true} {
			newRowsCase(matrixRows(size, 17, 70), 32, 33, false, signed, u8, s8).check(t, signed)
			newRowsCase(matrixRows(33, size, 4*size+1), 17, 17, false, signed, u8, s8).check(t, signed)
			if size <= 32 {
				newRowsCase(matrixRows(35, 16, 64), size, 32, false, signed, u8, s8).check(t, signed)
			}
		}
	}
	used()
}

func TestAMXExtremes(t *testing.T) {
	used := startAMX(t)
	for _, k := range []int{4, 64, 68, 4096, 65532} {
		m := 33
		if k > 4096 {
			m = 1
		}
		for _, w := range []int8{-128, 127} {
			for _, x := range []int8{-128, -1, 0, 127} {
				newRowsCase(matrixRows(m, k/4, k), 17, 17, false, true, func() byte { return byte(x) }, func() int8 { return w }).check(t, true)
			}
			newRowsCase(matrixRows(m, k/4, k), 17, 17, false, false, func() byte { return 255 }, func() int8 { return w }).check(t, false)
		}
	}
	used()
}

// TestAMXNoCodes: sums of nothing are what they begin with, and no tile is
// touched.
func TestAMXNoCodes(t *testing.T) {
	startAMX(t)
	r := matrixRows(5, 0, 0)
	c := []int32{5, 5, 5, 5, 5, 5, 5, 5, 5}
	unsignedAMX(r, nil, nil, 0, nil, c, 2, 1)
	require.Equal(t, []int32{0, 5, 0, 5, 0, 5, 0, 5, 0}, c)
	signedAMX(r, nil, nil, 0, []int32{3}, c, 2, 1)
	require.Equal(t, []int32{3, 5, 3, 5, 3, 5, 3, 5, 3}, c)
}

// TestTileGroups: every row is in one group, and within the rows of A.
func TestTileGroups(t *testing.T) {
	for lines := 1; lines <= 9; lines++ {
		for width := 1; width <= 100; width++ {
			for _, gap := range []int{0, 7} {
				const stride = 3
				line := width*stride + gap
				seen := make([]int, lines*width)
				tileGroups(lines, width, line, stride, func(g tileGroup) {
					for p := range g.passes {
						for half, rows := range [2]int{g.top, g.bottom} {
							for i := range rows {
								row := g.row + p*g.nextC + half*g.jumpC + i
								at := g.at + p*g.next + half*g.jump + i*stride
								require.Equal(t, row/width*line+row%width*stride, at)
								seen[row]++
							}
						}
					}
					require.LessOrEqual(t, g.top, tileRows)
					require.LessOrEqual(t, g.bottom, tileRows)
					require.Positive(t, g.top)
				})
				for _, n := range seen {
					require.Equal(t, 1, n, "lines=%d width=%d gap=%d", lines, width, gap)
				}
			}
		}
	}
}

func TestTileShape(t *testing.T) {
	s := newTileShape(16, 3, 17, 8)
	require.Equal(t, [8]byte{16, 16, 3, 3, 16, 3, 2, 2}, *(*[8]byte)(unsafe.Pointer(&s.rows)))
	require.Equal(t, [4]uint16{64, 4, 64, 4}, *(*[4]uint16)(unsafe.Pointer(&s.sums)))
	require.Equal(t, [4]uint16{8, 8, 64, 4}, *(*[4]uint16)(unsafe.Pointer(&s.bytes)))
	s = newTileShape(1, 0, 16, 64)
	require.Equal(t, [8]byte{1, 0, 0, 0, 1, 0, 16, 0}, *(*[8]byte)(unsafe.Pointer(&s.rows)))
}

// TestAMXStorm runs products on many goroutines while the garbage collector
// stops the world, so that the runtime interrupts kernels between tile
// instructions all the time, and other goroutines take over the threads.
func TestAMXStorm(t *testing.T) {
	used := startAMX(t)
	t.Cleanup(func() { require.NoError(t, SetMaxISA("")) })
	require.NoError(t, SetMaxISA("amx-int8"))
	require.Equal(t, "amx-int8", ISA())
	stop := make(chan struct{})
	var noise, work sync.WaitGroup
	for range 2 {
		noise.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
					runtime.Gosched()
				}
			}
		})
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for g := range 8 {
		work.Go(func() {
			rng := rand.New(rand.NewPCG(51, uint64(g)))
			s8 := func() int8 { return int8(rng.IntN(256) - 128) }
			for range rounds {
				m, n, k := 1+rng.IntN(70), 1+rng.IntN(70), 1+rng.IntN(200)
				a, w := make([]int8, m*k), make([]int8, n*k)
				for i := range a {
					a[i] = s8()
				}
				for i := range w {
					w[i] = s8()
				}
				packed := make([]byte, PackedSize(n, k))
				PackB(packed, w, n, k)
				got, want := make([]int32, m*n), naiveInt(m, n, k, a, k, w)
				p := NewInt[int8](concurrent, m, n, k, func(b IntBlock) {
					for r := b.Lo; r < b.Hi; r++ {
						copy(got[r*n+b.From:r*n+b.To], b.Row(r))
					}
				})
				ws, _ := scratch(p.Workspace())
				p.Run(a, k, packed, ws)
				if !slices.Equal(want, got) {
					t.Errorf("m=%d n=%d k=%d: wrong sums", m, n, k)
				}
			}
		})
	}
	work.Wait()
	close(stop)
	noise.Wait()
	used()
}

func FuzzAMXInt8(f *testing.F) {
	f.Add(uint64(1), uint8(1), uint8(1), uint8(1), uint16(1), uint8(1), false)
	f.Add(uint64(2), uint8(3), uint8(33), uint8(31), uint16(300), uint8(3), true)
	f.Fuzz(func(t *testing.T, seed uint64, lines, width, n uint8, groups uint16, taps uint8, signed bool) {
		used := startAMX(t)
		rng := rand.New(rand.NewPCG(seed, 2))
		r := intRows{lines: 1 + int(lines%6), width: 1 + int(width%80), groups: 1 + int(groups%600)}
		for range 1 + int(taps%5) {
			r.taps = append(r.taps, rng.IntN(200))
		}
		r.stride = 1 + rng.IntN(80)
		r.line = r.width*r.stride + rng.IntN(3)*rng.IntN(90)
		cols := 1 + int(n%32)
		extreme := []int8{-128, 127}
		newRowsCase(r, cols, cols+rng.IntN(3), seed&1 != 0, signed,
			func() byte { return byte(rng.Uint32()) },
			func() int8 {
				if seed&2 != 0 {
					return extreme[rng.IntN(2)]
				}
				return int8(rng.Uint32())
			}).check(t, signed)
		used()
	})
}
