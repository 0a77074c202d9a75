//go:build cuda

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/tensor"
)

func TestMeasure(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	require.Positive(t, b.Device().L2)
	x, err := b.Alloc(tensor.Of(tensor.U8, 100))
	require.NoError(t, err)
	y, err := b.Alloc(tensor.Of(tensor.U8, 100))
	require.NoError(t, err)
	fill, err := b.BindFill(x, 0xa5)
	require.NoError(t, err)
	same, err := b.BindCopy(y, x)
	require.NoError(t, err)
	short, err := b.Alloc(tensor.Of(tensor.U8, 99))
	require.NoError(t, err)
	_, err = b.BindCopy(short, x)
	require.ErrorContains(t, err, "copy of 100 bytes to 99")
	start, err := b.NewMark()
	require.NoError(t, err)
	end, err := b.NewMark()
	require.NoError(t, err)
	for _, k := range []interface{ Run(context.Context) error }{start, fill, same, end} {
		require.NoError(t, k.Run(ctx))
	}
	require.NoError(t, b.Sync(ctx))
	d, err := end.Since(start)
	require.NoError(t, err)
	require.GreaterOrEqual(t, d.Nanoseconds(), int64(0))
	got := make([]byte, 100)
	require.NoError(t, b.Read(ctx, got, y))
	for _, v := range got {
		require.EqualValues(t, 0xa5, v)
	}
	require.NoError(t, start.Close())
	require.NoError(t, end.Close())
}
