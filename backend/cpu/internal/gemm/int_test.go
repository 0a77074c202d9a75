package gemm

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/amxtest"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

func naiveInt[A Code](m, n, k int, a []A, lda int, w []int8) []int32 {
	c := make([]int32, m*n)
	for i := range m {
		for j := range n {
			for p := range k {
				c[i*n+j] += int32(a[i*lda+p]) * int32(w[j*k+p])
			}
		}
	}
	return c
}

// checkInt compares the product of codes from fillA and fillW with the naive
// one, bit for bit. The codes end at the end of their memory and are off
// every alignment.
func checkInt[A Code](t *testing.T, par Parallel, m, n, k, pad int, callback bool, fillA func() A, fillW func() int8) {
	t.Helper()
	lda := k + pad
	a := make([]A, 1+max((m-1)*lda+k, 0))[1:]
	for i := range a {
		a[i] = fillA()
	}
	w := make([]int8, n*k)
	for i := range w {
		w[i] = fillW()
	}
	want := naiveInt(m, n, k, a, lda, w)
	packed, packedIntact := scratch(PackedSize(n, k))
	PackB(packed, w, n, k)
	got := make([]int32, m*n)
	for i := range got {
		got[i] = -1 << 30
	}
	slots := slotsInUse{t: t}
	epilogue := func(b IntBlock) {
		defer slots.use(b.Slot)()
		for r := b.Lo; r < b.Hi; r++ {
			copy(got[r*n+b.From:r*n+b.To], b.Row(r))
		}
	}
	var ws []byte
	var intact func() bool
	dots := amxtest.Dots()
	if callback {
		p := NewIntRows(par, m, n, k, func(dst []A, lo, hi int) {
			if len(dst) != (hi-lo)*k {
				t.Errorf("rows got %d codes for rows [%d,%d) of %d", len(dst), lo, hi, k)
			}
			for i := lo; i < hi; i++ {
				copy(dst[(i-lo)*k:(i-lo+1)*k], a[i*lda:])
			}
		}, epilogue)
		slots.taken = make([]atomic.Bool, p.Slots())
		ws, intact = scratch(p.Workspace())
		p.RunRows(packed, ws)
	} else {
		p := NewInt[A](par, m, n, k, epilogue)
		slots.taken = make([]atomic.Bool, p.Slots())
		ws, intact = scratch(p.Workspace())
		p.Run(a, lda, packed, ws)
	}
	at := fmt.Sprintf("%T m=%d n=%d k=%d pad=%d callback=%v", a, m, n, k, pad, callback)
	if !intact() || !packedIntact() {
		t.Fatal(at, "wrote outside of the workspace")
	}
	if ISA() == isa.AMXInt8.String() && amxtest.Emulated() && len(a) > 1 && len(w) > 0 && amxtest.Dots() == dots {
		t.Fatal(at, "AMX was not used")
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s element %d is %d, want %d", at, i, got[i], want[i])
		}
	}
}

func TestIntSizes(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(21, 22))
		s8 := func() int8 { return int8(rng.IntN(256) - 128) }
		u8 := func() uint8 { return uint8(rng.IntN(256)) }
		i := 0
		sizes(func(m, n, k int) {
			i++
			if i&1 != 0 {
				checkInt(t, serial, m, n, k, i%3, i&4 != 0, s8, s8)
			} else {
				checkInt(t, serial, m, n, k, i%3, i&4 != 0, u8, s8)
			}
		})
		for _, s := range [][3]int{{300, 100, 150}, {64, 330, 350}, {1000, 16, 27}, {9, 16, 5000}, {70, 33, 2049}} {
			checkInt(t, concurrent, s[0], s[1], s[2], 0, false, s8, s8)
			checkInt(t, concurrent, s[0], s[1], s[2], 3, false, u8, s8)
			checkInt(t, backwards, s[0], s[1], s[2], 0, true, s8, s8)
		}
	})
}

func TestIntExtremes(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, k := range []int{1, 3, 4, 64, 1023, 65535} {
			m := 15
			if k > 10000 {
				m = 2
			}
			for _, x := range []int{-128, -1, 0, 127} {
				for _, w := range []int8{-128, 127} {
					checkInt(t, serial, m, 17, k, 0, false, func() int8 { return int8(x) }, func() int8 { return w })
				}
			}
			for _, w := range []int8{-128, 127} {
				checkInt(t, serial, m, 17, k, 0, false, func() uint8 { return 255 }, func() int8 { return w })
			}
			sign := int8(-128)
			checkInt(t, serial, m, 33, k, 0, true, func() uint8 { return 255 }, func() int8 { sign = ^sign; return sign })
		}
	})
}

func TestIntEmpty(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		one := func() int8 { return 1 }
		for _, s := range [][3]int{{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {0, 0, 0}} {
			checkInt(t, serial, s[0], s[1], s[2], 0, false, one, one)
			checkInt(t, serial, s[0], s[1], s[2], 1, true, func() uint8 { return 1 }, one)
		}
	})
}

func TestIntAllocations(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		const m, n, k = 100, 33, 50
		p := NewInt[int8](serial, m, n, k, func(IntBlock) {})
		a, packed := make([]int8, m*k), make([]byte, PackedSize(n, k))
		ws, _ := scratch(p.Workspace())
		require.Zero(t, testing.AllocsPerRun(10, func() { p.Run(a, k, packed, ws) }))
	})
}

func TestPackBLayout(t *testing.T) {
	const n, k = 19, 6
	w := make([]int8, n*k)
	for i := range w {
		w[i] = int8(i*7 - 100)
	}
	packed := make([]byte, PackedSize(n, k))
	PackB(packed, w, n, k)
	require.Len(t, packed, 2*2*64+2*64)
	seen := 0
	for o := range 32 {
		var sum int32
		for p := range 8 {
			var want int8
			if o < n && p < k {
				want = w[o*k+p]
				seen++
			}
			sum += int32(want)
			require.Equal(t, want, int8(packed[o/16*128+p/4*64+o%16*4+p%4]))
		}
		at := 256 + 4*o
		got := int32(packed[at]) | int32(packed[at+1])<<8 | int32(packed[at+2])<<16 | int32(packed[at+3])<<24
		require.Equal(t, -128*sum, got)
	}
	require.Equal(t, n*k, seen)
}

// slotsInUse finds blocks of one slot at the same time.
type slotsInUse struct {
	t     *testing.T
	taken []atomic.Bool
}

func (s *slotsInUse) use(slot int) (done func()) {
	if slot < 0 || slot >= len(s.taken) || !s.taken[slot].CompareAndSwap(false, true) {
		s.t.Errorf("slot %d of %d is there twice, or not at all", slot, len(s.taken))
		return func() {}
	}
	return func() { s.taken[slot].Store(false) }
}
