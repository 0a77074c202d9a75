package codes

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/quant"
)

func checkLargest[T quant.Code](t *testing.T, r *rand.Rand, pixels, channels, stride int, taps []int) {
	t.Helper()
	most := 0
	for _, v := range taps {
		most = max(most, v)
	}
	x := make([]T, (pixels-1)*stride+most+channels)
	for i := range x {
		x[i] = T(r.Uint32())
	}
	want, got := mirror(pixels*channels, T(77)), mirror(pixels*channels, T(77))
	for p := range pixels {
		for c := range channels {
			best := x[p*stride+taps[0]+c]
			for _, v := range taps {
				best = max(best, x[p*stride+v+c])
			}
			want[32+p*channels+c] = best
		}
	}
	if !Largest(got[32:32+pixels*channels], x, pixels, channels, stride, taps) {
		lanes := width.Kernel()
		require.True(t, lanes == 0 || lanes == 8 && channels < 32, "%d lanes leave %d channels", lanes, channels)
		return
	}
	same(t, want, got, "%d pixels of %d channels, %d apart, taps %v", pixels, channels, stride, taps)
}

func TestLargest(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(61, 62))
		for channels := 1; channels < 200; channels++ {
			taps := make([]int, 1+r.IntN(10))
			for i := range taps {
				taps[i] = r.IntN(500)
			}
			checkLargest[int8](t, r, 1+r.IntN(9), channels, r.IntN(3*channels), taps)
			checkLargest[uint8](t, r, 1+r.IntN(9), channels, r.IntN(3*channels), taps)
		}
	})
}
