//go:build cuda

package gpu

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// huge is a buffer of any size without the memory: for launches that are bound
// and never run.
func huge(t *testing.T, b *Backend, d tensor.DType, shape ...int) backend.Buffer {
	x, err := b.Alloc(tensor.Of(d, 1))
	require.NoError(t, err)
	return &Buffer{spec: tensor.Of(d, shape...), mem: x.(*Buffer).mem, ptr: x.(*Buffer).ptr}
}

// TestHugeTensors: tensors of 2^31 elements and more are walked with 64 bits,
// grids fit a device, and what 32 bits cannot count is refused.
func TestHugeTensors(t *testing.T) {
	const rows, many = 1 << 27, 1<<31 + 1
	b := open(t)
	f := func(shape ...int) backend.Buffer { return huge(t, b, tensor.F32, shape...) }
	codes := func(shape ...int) backend.Buffer { return huge(t, b, tensor.I8, shape...) }
	ints := func(shape ...int) backend.Buffer { return huge(t, b, tensor.I32, shape...) }
	channels := backend.ObserveMinMax{Grain: quant.Granularity{Kind: quant.PerChannel, Axis: 1}}
	bs := func(b ...backend.Buffer) []backend.Buffer { return b }
	for _, x := range []struct {
		name    string
		op      backend.Op
		out, in []backend.Buffer
		refused bool
	}{
		{"neg", backend.Neg{}, bs(f(rows, 64)), bs(f(rows, 64)), false},
		{"neg of too many rows", backend.Neg{}, bs(f(many, 2)), bs(f(many, 2)), true},
		{"neg of one dimension", backend.Neg{}, bs(f(many)), bs(f(many)), true},
		{"rows of many dimensions", backend.Neg{}, bs(f(1<<16, 1<<16, 2)), bs(f(1<<16, 1<<16, 2)), true},
		{"add to all", backend.Add{}, bs(f(rows, 64)), bs(f(rows, 64), f(1)), false},
		{"bias", backend.Add{}, bs(f(rows, 64)), bs(f(rows, 64), f(64)), false},
		{"concat", backend.Concat{}, bs(codes(2*rows, 64)), bs(codes(rows, 64), codes(rows, 64)), false},
		{"observe", channels, bs(f(3), f(3)), bs(f(rows, 3), f(3), f(3)), false},
		{"bias gradient", backend.BiasGrad{}, bs(f(64)), bs(f(rows, 64)), false},
		{"batch norm", backend.BatchNormEval{}, bs(f(rows, 8, 8, 1)), bs(f(rows, 8, 8, 1), f(1), f(1), f(1), f(1)), true},
		{"convolution", backend.Conv{}, bs(f(1<<20, 32, 32, 8)), bs(f(1<<20, 32, 32, 8), f(8, 1, 1, 8)), false},
		{"convolution of too many pixels", backend.Conv{}, bs(f(1<<20, 64, 64, 8)), bs(f(1<<20, 64, 64, 8), f(8, 1, 1, 8)), true},
		{"product", backend.MatMul{}, bs(f(rows, 64)), bs(f(rows, 4), f(4, 64)), false},
		{"product of too many columns", backend.MatMul{}, bs(f(4, 1<<23)), bs(f(4, 4), f(4, 1<<23)), true},
		{"product of codes", backend.MatMulInteger{}, bs(ints(rows, 64)), bs(codes(rows, 64), codes(64, 64)), false},
		{"product of codes with too many columns", backend.MatMulInteger{}, bs(ints(4, 1<<23)), bs(codes(4, 4), codes(4, 1<<23)), true},
	} {
		t.Run(x.name, func(t *testing.T) {
			k, err := b.Bind(x.op, x.out, x.in)
			if x.refused {
				require.ErrorIs(t, err, backend.ErrUnsupported)
				return
			}
			require.NoError(t, err)
			b.Release(nil, []backend.Kernel{k})
		})
	}
}

// TestLaunchLimits: a grid that a device refuses is an error when it is bound.
func TestLaunchLimits(t *testing.T) {
	b := open(t)
	k := &build{Backend: b, k: b.newBound(nil, nil), module: "neg"}
	defer func() { k.k.r.release() }()
	for _, d := range []cuda.Dim{{X: 1 << 31}, {X: 1, Y: 65536}, {X: 1, Y: 1, Z: 65536}} {
		require.ErrorIs(t, k.launch("neg_f32", cuda.Launch{Grid: d, Block: cuda.Dim{X: 1}}), backend.ErrUnsupported)
	}
}

// TestWalksFit: dimensions that are walked as one stay within 32 bits.
func TestWalksFit(t *testing.T) {
	s := tensor.Shape{3, 1 << 16, 1 << 16}
	w, ok := newBroadcast(s, tensor.Shape{1})
	require.True(t, ok)
	n := 1
	for _, d := range w.dims {
		require.LessOrEqual(t, d, math.MaxInt32)
		n *= d
	}
	require.Equal(t, s.Numel(), n)
	dims, to, from := walkOf(s, s.Strides(), s.Strides())
	last := 0
	for i, d := range dims {
		require.Positive(t, d)
		require.Equal(t, to[i], from[i])
		last += (int(d) - 1) * int(to[i])
	}
	require.Equal(t, s.Numel()-1, last)
}

// TestObserveManyRows: more rows than blocks of a grid's second dimension read.
func TestObserveManyRows(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	const rows = maxGridYZ*64 + 100
	x, err := b.Alloc(tensor.Of(tensor.F32, rows, 1))
	require.NoError(t, err)
	last, err := b.View(x, 4*(rows-2), tensor.Of(tensor.F32, 2))
	require.NoError(t, err)
	require.NoError(t, b.Write(ctx, last, tensor.Raw([]float32{-7, 5})))
	lo, hi := f32Buffer(t, b, float32(math.Inf(1))), f32Buffer(t, b, float32(math.Inf(-1)))
	o := backend.ObserveMinMax{Grain: quant.Granularity{Kind: quant.PerChannel, Axis: 1}, Momentum: 1}
	k, err := b.Bind(o, []backend.Buffer{lo, hi}, []backend.Buffer{x, lo, hi})
	require.NoError(t, err)
	require.NoError(t, k.Run(ctx))
	require.NoError(t, b.Sync(ctx))
	for _, c := range []struct {
		x    backend.Buffer
		want float32
	}{{lo, -7}, {hi, 5}} {
		got := make([]byte, 4)
		require.NoError(t, b.Read(ctx, got, c.x))
		require.Equal(t, tensor.Raw([]float32{c.want}), got)
	}
}

func f32Buffer(t *testing.T, b *Backend, v float32) backend.Buffer {
	x, err := b.Alloc(tensor.Of(tensor.F32, 1))
	require.NoError(t, err)
	require.NoError(t, b.Write(context.Background(), x, tensor.Raw([]float32{v})))
	return x
}
