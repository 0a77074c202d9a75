package backend_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// TestCollects: what cannot be collected is refused when it is asked, not
// forgotten when it runs.
func TestCollects(t *testing.T) {
	x, w, long := tensor.Of(tensor.U8, 4, 16), tensor.Of(tensor.I8, 8, 16), 1<<15
	one, zero := tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1)
	for _, c := range []struct {
		collect backend.Collect
		result  tensor.DType
		want    bool
	}{
		{backend.CollectNothing, tensor.Invalid, true},
		{backend.CollectNothing, tensor.BF16, true},
		{backend.CollectMoments, tensor.Invalid, true},
		{backend.CollectMoments, tensor.F32, true},
		{backend.CollectMoments, tensor.BF16, false},
		{backend.CollectEnds, tensor.F32, true},
		{backend.CollectEnds, tensor.BF16, false},
	} {
		require.Equal(t, c.want, backend.Collects(c.collect, c.result, x, w), "%+v", c)
		require.Equal(t, c.want, cpu.New().Supports(backend.GemmDequant{Collect: c.collect, Result: c.result}, x, one, zero, w, one), "%+v", c)
	}
	x, w = tensor.Of(tensor.U8, 4, long), tensor.Of(tensor.I8, 8, long)
	require.False(t, backend.Collects(backend.CollectMoments, tensor.F32, x, w), "their squares may be too large")
	require.True(t, backend.Collects(backend.CollectEnds, tensor.F32, x, w))
}
