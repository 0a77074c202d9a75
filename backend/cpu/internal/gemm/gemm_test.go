package gemm

import (
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend/cpu/internal/amxtest"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// serial runs the tiles in order on one goroutine.
func serial(n, grain int, body func(lo, hi int)) {
	for lo := 0; lo < n; lo += grain {
		body(lo, min(lo+grain, n))
	}
}

// backwards runs the tiles in the opposite order.
func backwards(n, grain int, body func(lo, hi int)) {
	for lo := (n - 1) / grain * grain; lo >= 0; lo -= grain {
		body(lo, min(lo+grain, n))
	}
}

// whole runs all tiles in one call.
func whole(n, _ int, body func(lo, hi int)) {
	if n > 0 {
		body(0, n)
	}
}

// concurrent runs every tile on a goroutine of its own.
func concurrent(n, grain int, body func(lo, hi int)) {
	var wg sync.WaitGroup
	for lo := 0; lo < n; lo += grain {
		wg.Go(func() { body(lo, min(lo+grain, n)) })
	}
	wg.Wait()
}

// eachISA runs test for every instruction set of the machine that has a kernel
// of integers.
func eachISA(t *testing.T, test func(t *testing.T)) {
	eachSet(t, setsWithAMX(t, intKernels.Sets), test)
}

// eachFloatISA is eachISA for kernels of float32.
func eachFloatISA(t *testing.T, test func(t *testing.T)) { eachSet(t, floatKernels.Sets(), test) }

// setsWithAMX returns sets() with AMX, emulated if need be.
func setsWithAMX(t *testing.T, sets func() []isa.Set) []isa.Set {
	amxtest.Try(t)
	return sets()
}

func eachSet(t *testing.T, sets []isa.Set, test func(t *testing.T)) {
	t.Cleanup(func() { require.NoError(t, SetMaxISA("")) })
	for _, s := range sets {
		require.NoError(t, SetMaxISA(s.String()))
		t.Run(s.String(), test)
	}
}

// scratch returns n bytes that start on a cache line, filled with garbage and
// followed by a canary that intact checks.
func scratch(n int) (ws []byte, intact func() bool) {
	b := make([]byte, n+3*alignment)
	for i := range b {
		b[i] = 0xA5
	}
	off := alignment
	if r := int(uintptr(unsafe.Pointer(&b[0])) % alignment); r != 0 {
		off += alignment - r
	}
	return b[off : off+n : off+n], func() bool {
		for _, v := range b[:off] {
			if v != 0xA5 {
				return false
			}
		}
		for _, v := range b[off+n:] {
			if v != 0xA5 {
				return false
			}
		}
		return true
	}
}

// edges are sizes around the tiles of all kernels.
var edges = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 16, 17, 27, 28, 29, 31, 32, 33, 48, 49, 63, 64, 65, 70}

// sizes calls f with every combination of edges where at most one size is
// large, and with all of 1..70 in one size beside odd others.
func sizes(f func(m, n, k int)) {
	for i := 1; i <= 70; i++ {
		f(i, 33, 9)
		f(17, i, 11)
		f(15, 31, i)
	}
	for _, m := range edges {
		for _, n := range edges {
			f(m, n, 1+(m*7+n*13)%70)
			f(m, 1+(m*5+n*11)%70, n)
			f(1+(m*3+n*17)%70, m, n)
		}
	}
}

func TestSetMaxISA(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, SetMaxISA("")) })
	require.NoError(t, SetMaxISA("portable"))
	require.Equal(t, "portable", ISA())
	require.ErrorContains(t, SetMaxISA("mmx"), `"mmx"`)
	require.Equal(t, "portable", ISA())
	eachISA(t, func(t *testing.T) { require.Equal(t, t.Name(), "TestSetMaxISA/"+ISA()) })
}

func TestSlotsBlock(t *testing.T) {
	s := newSlots(1000, 100)
	require.Equal(t, min(runtime.GOMAXPROCS(0), maxSlots)*128, s.size())
	var mu sync.Mutex
	used := map[int]bool{}
	concurrent(200, 1, func(int, int) {
		i := s.take()
		mu.Lock()
		taken := used[i]
		used[i] = true
		mu.Unlock()
		if taken {
			t.Error("a slot was given out twice")
		}
		mu.Lock()
		used[i] = false
		mu.Unlock()
		s.give(i)
	})
}
