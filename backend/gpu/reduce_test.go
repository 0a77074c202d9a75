//go:build cuda

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// TestReduceManyChunks: an output whose chunks are added up several at a time,
// and those that are left. Sums of small integers are exact in any order.
func TestReduceManyChunks(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	for _, chunks := range []int{1, 16, 17, 18, 33, 40} {
		n := chunks*reduceChunk - 7
		x := make([]float32, 3*n)
		for i := range x {
			x[i] = float32(i*7%23) - 9
		}
		x[n/2], x[2*n-1] = 100, -100
		for _, kind := range []backend.ReduceKind{backend.ReduceSum, backend.ReduceMean, backend.ReduceMax, backend.ReduceMin} {
			var got [2][]byte
			for i, on := range []backend.Backend{b, cpu.New()} {
				in, err := on.Alloc(tensor.Of(tensor.F32, 3, n))
				require.NoError(t, err)
				require.NoError(t, on.Write(ctx, in, tensor.Raw(x)))
				out, err := on.Alloc(tensor.Of(tensor.F32, 3))
				require.NoError(t, err)
				k, err := on.Bind(backend.Reduce{Kind: kind, Axes: tensor.NewDims(1)}, []backend.Buffer{out}, []backend.Buffer{in})
				require.NoError(t, err)
				require.NoError(t, k.Run(ctx))
				require.NoError(t, on.Sync(ctx))
				got[i] = make([]byte, 12)
				require.NoError(t, on.Read(ctx, got[i], out))
			}
			require.Equal(t, got[1], got[0], "%v of %d", kind, n)
		}
	}
}
