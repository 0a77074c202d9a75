package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// withProcs runs the test with some numbers of threads, more than there are
// cores among them: there nobody spins.
func withProcs(t *testing.T, test func(t *testing.T)) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	for _, procs := range []int{1, 2, runtime.NumCPU() + 3} {
		runtime.GOMAXPROCS(procs)
		test(t)
	}
}

func TestParallelCallsEachTileOnce(t *testing.T) {
	withProcs(t, func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 64, 1000} {
			for _, grain := range []int{0, 1, 3, 64, 2000} {
				calls := make([]atomic.Int32, n)
				parallel(n, grain, func(lo, hi int) {
					if lo%max(grain, 1) != 0 || hi != min(lo+max(grain, 1), n) {
						t.Errorf("tile [%d, %d) of %d by %d", lo, hi, n, grain)
					}
					for i := lo; i < hi; i++ {
						calls[i].Add(1)
					}
				})
				for i := range calls {
					require.EqualValues(t, 1, calls[i].Load(), "%d of %d by %d", i, n, grain)
				}
			}
		}
	})
}

// TestParallelWithinParallel has programs run loops at once, each with loops
// in its tiles: all take part in their own, so none waits for ever.
func TestParallelWithinParallel(t *testing.T) {
	withProcs(t, func(t *testing.T) {
		var programs sync.WaitGroup
		var sum atomic.Int64
		for range 8 {
			programs.Go(func() {
				for range 20 {
					parallel(6, 1, func(lo, _ int) {
						parallel(5, 2, func(from, to int) { sum.Add(int64(lo * (to - from))) })
					})
				}
			})
		}
		programs.Wait()
		require.EqualValues(t, 8*20*5*(0+1+2+3+4+5), sum.Load())
	})
}

func TestParallelRaisesPanics(t *testing.T) {
	withProcs(t, func(t *testing.T) {
		var done atomic.Int32
		caught := func() (v any) {
			defer func() { v = recover() }()
			parallel(9, 1, func(lo, _ int) {
				done.Add(1)
				if lo == 4 {
					panic("tile 4")
				}
			})
			return nil
		}()
		if runtime.GOMAXPROCS(0) == 1 {
			require.Equal(t, "tile 4", caught)
			return
		}
		require.ErrorContains(t, caught.(error), "tile 4")
		require.ErrorContains(t, caught.(error), "parallel_test.go", "it names the place")
		require.EqualValues(t, 9, done.Load(), "the other tiles run")
	})
}

func TestSpin(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	looks := 0
	require.True(t, spin(func() bool { looks++; return looks == 10 }))
	require.Equal(t, 10, looks)
	begin := time.Now()
	require.False(t, spin(func() bool { return false }))
	require.GreaterOrEqual(t, time.Since(begin), spinTime)

	runtime.GOMAXPROCS(runtime.NumCPU() + 1)
	looks = 0
	require.False(t, spin(func() bool { looks++; return false }))
	require.Equal(t, 1, looks, "more threads than cores")
}

// BenchmarkParallel is loops of four tiles, and what they take beyond the time
// of two tiles, with two threads: waking the second one, and waiting for it.
func BenchmarkParallel(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	for _, d := range []time.Duration{5 * time.Microsecond, 50 * time.Microsecond} {
		b.Run("tile="+d.String(), func(b *testing.B) {
			body := func(_, _ int) {
				for begin := time.Now(); time.Since(begin) < d; {
				}
			}
			for b.Loop() {
				parallel(4, 1, body)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)-float64(2*d), "ns-beyond/op")
		})
	}
}
