package gemm

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// packedByFormula is the packed layout, element by element.
func packedByFormula(w []int8, n, runs, k int) []byte {
	k4 := (k + 3) / 4 * 4
	depth := runs * k4
	panels := (n + 15) / 16
	dst := make([]byte, panels*16*depth+panels*16*4)
	for o := range n {
		var sum int32
		for r := range runs {
			for p := range k {
				v, q := w[(o*runs+r)*k+p], r*k4+p
				dst[o/16*depth*16+q/4*64+o%16*4+q%4] = byte(v)
				sum += int32(v)
			}
		}
		binary.LittleEndian.PutUint32(dst[panels*16*depth+4*o:], uint32(-128*sum))
	}
	return dst
}

// TestPackPanels: whole matrices and single panels have the bytes of the
// formula, whatever was in memory, from weights that end at the end of their
// memory and are off every alignment; nothing else is written.
func TestPackPanels(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, n := range []int{1, 7, 8, 9, 15, 16, 17, 24, 40} {
			for _, runs := range []int{1, 3} {
				for _, k := range []int{0, 1, 3, 4, 5, 31, 32, 33, 36, 63, 64, 67, 100} {
					w := make([]int8, n*runs*k+1)[1:]
					for i := range w {
						w[i] = int8(r.IntN(256) - 128)
					}
					want := packedByFormula(w, n, runs, k)
					name := fmt.Sprintf("n=%d runs=%d k=%d", n, runs, k)
					got, intact := scratch(PackedRuns(n, runs, k))
					PackRuns(got, w, n, runs, k)
					require.Equal(t, want, got, name)
					require.True(t, intact(), name)
					for p := range Panels(n) {
						got, _ := scratch(PackedRuns(n, runs, k))
						before := append([]byte(nil), got...)
						PackPanels(got, w, n, runs, k, p, p+1)
						size := runs * panelBytes(k)
						sums := Panels(n) * size
						copy(before[p*size:], want[p*size:(p+1)*size])
						copy(before[sums+64*p:], want[sums+64*p:sums+64*(p+1)])
						require.Equal(t, before, got, "%s, panel %d", name, p)
					}
				}
			}
		}
	})
}

// TestSumCodes: ends of the codes fill the 16 bits of a lane.
func TestSumCodes(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{0, 1, 7, 8, 9, 63, 64, 65, 130, 191, 1023, 1024, 1025, 1032, 5000} {
			for _, fill := range []func() int8{
				func() int8 { return 127 }, func() int8 { return -128 }, func() int8 { return int8(r.IntN(256) - 128) },
			} {
				w := make([]int8, n+1)[1:]
				var want int32
				for i := range w {
					w[i] = fill()
					want += int32(w[i])
				}
				require.Equal(t, want, SumCodes(w), "%d codes", n)
			}
		}
	})
}

func BenchmarkPackB(b *testing.B) {
	const n, k = 1024, 1024
	w, dst := make([]int8, n*k), make([]byte, PackedSize(n, k))
	benchISA(b, intKernels.Sets(), fmt.Sprintf("n=%d/k=%d", n, k), func(b *testing.B) {
		b.SetBytes(2 * n * k)
		for b.Loop() {
			PackB(dst, w, n, k)
		}
	})
}
