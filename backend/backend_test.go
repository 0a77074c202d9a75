package backend_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	_ "github.com/goqat/goqat/backend/cpu"
	_ "github.com/goqat/goqat/backend/gpu"
	"github.com/goqat/goqat/tensor"
)

func TestOpen(t *testing.T) {
	require.Equal(t, []string{"cpu", "gpu"}, backend.Names())
	b, err := backend.Open("auto")
	require.NoError(t, err)
	require.Equal(t, "cpu", b.Name())
	require.NoError(t, b.Close())
	_, err = backend.Open("gpu")
	require.ErrorIs(t, err, backend.ErrNotBuilt)
	_, err = backend.Open("tpu:3")
	require.ErrorContains(t, err, `unknown backend "tpu:3"`)
	_, err = backend.Open("cpu:1")
	require.ErrorContains(t, err, "one device")
	require.Panics(t, func() { backend.Register("cpu", nil) })
}

// unknown is an operation that no backend has.
type unknown struct{}

func (unknown) OpName() string { return "unknown" }

func TestRun(t *testing.T) {
	ctx := context.Background()
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	x, err := b.Alloc(tensor.Of(tensor.F32, 3))
	require.NoError(t, err)
	y, err := b.Alloc(tensor.Of(tensor.F32, 3))
	require.NoError(t, err)
	require.NoError(t, b.Write(ctx, x, tensor.FromF32([]float32{-1, 0, 2}, 3).Bytes()))
	require.NoError(t, backend.Run(ctx, b, backend.Relu{}, []backend.Buffer{y}, []backend.Buffer{x}))
	got := tensor.New(y.Spec())
	require.NoError(t, b.Read(ctx, got.Bytes(), y))
	require.Equal(t, []float32{0, 0, 2}, got.F32())

	require.ErrorContains(t, b.Write(ctx, x, make([]byte, 5)), "write of 5 bytes")
	_, err = b.View(x, 8, tensor.Of(tensor.F32, 2))
	require.ErrorContains(t, err, "needs 8 bytes")
	_, err = b.View(x, 99, tensor.Of(tensor.F32, 0))
	require.ErrorContains(t, err, "offset 99")

	err = backend.Run(ctx, b, unknown{}, nil, []backend.Buffer{x, nil})
	require.ErrorIs(t, err, backend.ErrUnsupported)
	var e *backend.Error
	require.True(t, errors.As(err, &e))
	require.Equal(t, "unknown", e.Op)
	require.ErrorContains(t, err, "float32[3]")
}
