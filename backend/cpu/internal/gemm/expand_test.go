package gemm

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExpandCodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	eachSet(t, expandKernels.Sets(), func(t *testing.T) {
		for n := range 150 {
			src := make([]byte, n+3)[3:]
			for i := range src {
				src[i] = byte(rng.Uint32())
			}
			for _, signed := range []bool{false, true} {
				zero := int32(rng.IntN(256))
				got := newGuarded(1, n, 0, func() float32 { return 0 })
				ExpandCodes(got.v, src, signed, zero, 0.37)
				for i, c := range src {
					v := int32(c)
					if signed {
						v = int32(int8(c))
					}
					require.Equal(t, float32(v-zero)*0.37, got.v[i])
				}
				require.True(t, got.outside())
			}
		}
	})
}
