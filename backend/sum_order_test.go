package backend_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
)

// TestSumOrder: blocks cover all terms once, none is longer than a block may be
// or crosses a period, and parts have whole blocks.
func TestSumOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	check := func(o backend.SumOrder, most, parts int) {
		require.LessOrEqual(t, o.Parts(), parts, "%+v", o)
		blocks := o.Blocks()
		require.Equal(t, o.Length == 0, blocks == 0)
		require.Equal(t, o.Length, o.Start(blocks))
		for b := range blocks {
			lo, hi := o.Start(b), o.Start(b+1)
			require.Less(t, lo, hi, "%+v, block %d", o, b)
			require.LessOrEqual(t, hi-lo, most, "%+v, block %d", o, b)
			require.Equal(t, lo/o.Period, (hi-1)/o.Period, "%+v, block %d", o, b)
		}
	}
	for range 300 {
		m, n, k := 1+r.IntN(1<<r.IntN(12)), 1+r.IntN(1<<r.IntN(12)), 1+r.IntN(1<<r.IntN(17))
		check(backend.ProductOrder(m, n, k), 320, 32)
		check(backend.OneSum(k), k, 1)
		images, high, wide := 1+r.IntN(64), 1+r.IntN(64), 1+r.IntN(1<<r.IntN(11))
		check(backend.WeightGradOrder(images, high, wide, 1+r.IntN(128<<10)), 512, 16)
		check(backend.WeightGradOrder(images, high, wide, 200<<10), 512, 1)
		require.GreaterOrEqual(t, 64*backend.DepthwiseLines(images*high, wide), images*high)
	}
	check(backend.ProductOrder(3, 4, 0), 0, 0)
	check(backend.WeightGradOrder(0, 3, 3, 9), 0, 0)
	require.Equal(t, backend.SumOrder{Length: 5000, Depth: 320, Period: 5000, Part: 4}, backend.ProductOrder(7, 9, 5000))
	require.Equal(t, backend.SumOrder{Length: 6272, Depth: 392, Period: 784, Part: 1}, backend.WeightGradOrder(8, 28, 28, 144))
}
