package cpu_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// filled returns a tensor of codes that all are v.
func filled(d tensor.DType, v int, dims ...int) *tensor.Tensor {
	t := tensor.New(tensor.Of(d, dims...))
	b := t.Bytes()
	for i := range b {
		b[i] = byte(v)
	}
	return t
}

func number[T int32 | float32](d tensor.DType, v T) *tensor.Tensor {
	t := tensor.New(tensor.Of(d, 1))
	if d == tensor.I32 {
		t.I32()[0] = int32(v)
	} else {
		t.F32()[0] = float32(v)
	}
	return t
}

// TestSumBound: operations on codes whose sums are one too long are refused
// when they are bound, by an error that names the operation and the length;
// those that are not are exact for the codes that make the largest sums, on
// every instruction set.
func TestSumBound(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, cpu.SetMaxISA("")) })
	inf := float32(math.Inf(1))
	one, zero := number(tensor.F32, float32(1)), number(tensor.I32, int32(0))
	i8, u8, i32, f32 := tensor.I8, tensor.U8, tensor.I32, tensor.F32
	for _, c := range []struct {
		name string
		most int
		op   backend.Op
		in   func(k int) []*tensor.Tensor
		out  tensor.Spec
		want int // of every sum of most products; 0 where it is not shown as it is
	}{
		{"s8 x s8", 131071, backend.ConvInteger{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(i8, -128, 1, 1, 1, k), filled(i8, -128, 2, 1, 1, k)}
		}, tensor.Of(i32, 1, 1, 1, 2), 131071 * 128 * 128},
		{"u8 x s8", 65793, backend.ConvInteger{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(u8, 255, 1, 1, 1, k), filled(i8, -128, 2, 1, 1, k)}
		}, tensor.Of(i32, 1, 1, 1, 2), -65793 * 255 * 128},
		{"u8 with a zero point x s8", 65793, backend.ConvDequant{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(u8, 255, 1, 1, 1, k), one, zero, filled(i8, -128, 2, 1, 1, k), one}
		}, tensor.Of(f32, 1, 1, 1, 2), 0},
		{"gemm", 65793, backend.GemmDequant{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(i8, 127, 1, k), one, zero, filled(i8, -128, 2, k), one}
		}, tensor.Of(f32, 1, 2), 0},
		{"qlinear gemm", 65793, backend.QLinearGemm{Scheme: quant.Int8(), Lo: -inf, Hi: inf}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(i8, 127, 1, k), one, zero, filled(i8, -128, 2, k), one, nil, one, zero}
		}, tensor.Of(i8, 1, 2), 0},
		{"matmul s8 x s8", 131071, backend.MatMulInteger{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(i8, -128, 1, k), filled(i8, -128, k, 2)}
		}, tensor.Of(i32, 1, 2), 131071 * 128 * 128},
		{"matmul s8 x u8", 65793, backend.MatMulInteger{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(i8, -128, 1, k), filled(u8, 255, k, 2)}
		}, tensor.Of(i32, 1, 2), -65793 * 255 * 128},
		{"matmul with zero points", 33025, backend.MatMulDequant{}, func(k int) []*tensor.Tensor {
			return []*tensor.Tensor{filled(u8, 255, 1, k), one, zero, filled(u8, 255, k, 2), one, zero}
		}, tensor.Of(f32, 1, 2), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := cpu.New()
			bind := func(k int) (backend.Kernel, *tensor.Tensor, error) {
				out := tensor.New(c.out)
				buffers := []backend.Buffer{out}
				if _, ok := c.op.(backend.QLinearGemm); ok {
					buffers = append(buffers, nil)
				}
				var in []backend.Buffer
				for _, x := range c.in(k) {
					if x == nil {
						in = append(in, nil)
					} else {
						in = append(in, x)
					}
				}
				kr, err := b.Bind(c.op, buffers, in)
				return kr, out, err
			}
			_, _, err := bind(c.most + 1)
			var sum *backend.SumError
			require.True(t, errors.As(err, &sum), "%v", err)
			assert.Equal(t, backend.SumError{K: c.most + 1, Most: c.most}, *sum)
			var of *backend.Error
			require.True(t, errors.As(err, &of))
			assert.Equal(t, c.op.OpName(), of.Op)
			for _, s := range cpu.InstructionSets() {
				if !s.Usable {
					continue
				}
				require.NoError(t, cpu.SetMaxISA(s.Name))
				kr, out, err := bind(c.most)
				require.NoError(t, err)
				require.NoError(t, kr.Run(context.Background()))
				if c.want != 0 {
					assert.Equal(t, []int32{int32(c.want), int32(c.want)}, out.I32(), s.Name)
				}
			}
		})
	}
}
