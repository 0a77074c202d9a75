package op_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/op"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// codeOps are the operations on codes with attributes that are valid.
func codeOps() []backend.Op {
	inf := float32(math.Inf(1))
	pool := backend.AveragePool{Kernel: [2]int{2, 2}}
	return []backend.Op{
		backend.ConvInteger{}, backend.ConvDequant{}, backend.QLinearConv{Scheme: quant.UInt8(), Lo: -inf, Hi: inf},
		backend.GemmDequant{}, backend.QLinearGemm{Scheme: quant.Int8(), Lo: -inf, Hi: inf},
		backend.MatMulInteger{}, backend.MatMulInteger{MatMul: backend.MatMul{TransA: true, TransB: true}},
		backend.MatMulDequant{}, backend.QLinearMatMul{Scheme: quant.Int8()},
		backend.FoldBatchNorm{}, backend.FoldBatchNormGrad{},
		backend.QLinearAveragePool{AveragePool: pool, Scheme: quant.Int8()}, backend.QLinearGlobalAveragePool{Scheme: quant.UInt8()},
	}
}

// Inference answers any inputs with types or an error, and the types have
// valid shapes.
func TestInferOnCodesNeverPanics(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	types := []tensor.DType{tensor.Invalid, tensor.I8, tensor.U8, tensor.I32, tensor.F32, tensor.F32, tensor.F64, tensor.B1, tensor.I64}
	fits := 0
	for range 20000 {
		for _, o := range codeOps() {
			in := make([]tensor.Spec, r.IntN(11))
			for i := range in {
				if d := types[r.IntN(len(types))]; d != tensor.Invalid {
					in[i].DType = d
					for range r.IntN(6) {
						in[i].Shape = append(in[i].Shape, r.IntN(4))
					}
				}
			}
			out, err := graph.Lookup(o.OpName()).Infer(o, in)
			if err == nil {
				fits++
				for _, s := range out {
					require.NoError(t, s.Shape.Check())
				}
			}
		}
	}
	assert.Positive(t, fits)
}

// Every sum whose length could overflow the accumulator is refused, the
// longest safe one is not.
func TestAccumulatorBound(t *testing.T) {
	one, zero := tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1)
	infer := func(o backend.Op, in ...tensor.Spec) error {
		_, err := graph.Lookup(o.OpName()).Infer(o, in)
		return err
	}
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name string
		most int
		try  func(k int) error
	}{
		{"conv_integer without zero points", 131071, func(k int) error {
			return infer(backend.ConvInteger{}, tensor.Of(tensor.I8, 1, 1, 1, k), tensor.Of(tensor.I8, 2, 1, 1, k))
		}},
		{"conv_integer", 33025, func(k int) error {
			return infer(backend.ConvInteger{}, tensor.Of(tensor.U8, 1, 1, 1, k), tensor.Of(tensor.I8, 2, 1, 1, k), zero, zero)
		}},
		{"conv_dequant", 65793, func(k int) error {
			return infer(backend.ConvDequant{}, tensor.Of(tensor.U8, 1, 1, k), one, zero, tensor.Of(tensor.I8, 2, 1, k), one)
		}},
		{"qlinear_gemm without bias", 65793, func(k int) error {
			return infer(backend.QLinearGemm{Scheme: quant.Int8(), Lo: -inf, Hi: inf}, tensor.Of(tensor.I8, 3, k), one, zero, tensor.Of(tensor.I8, 2, k), one, tensor.Spec{}, one, zero)
		}},
		{"qlinear_gemm with bias", 32896, func(k int) error {
			return infer(backend.QLinearGemm{Scheme: quant.Int8(), Lo: -inf, Hi: inf}, tensor.Of(tensor.I8, 3, k), one, zero, tensor.Of(tensor.I8, 2, k), one, tensor.Spec{}, one, zero, tensor.Of(tensor.I32, 2))
		}},
		{"qlinear_matmul", 33025, func(k int) error {
			return infer(backend.QLinearMatMul{Scheme: quant.Int8()}, tensor.Of(tensor.I8, 3, k), one, zero, tensor.Of(tensor.I8, k, 2), one, zero, one, zero)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.NoError(t, c.try(c.most))
			assert.ErrorIs(t, c.try(c.most+1), op.ErrAccumulator)
		})
	}
}

// Faults of the inputs name the input and what it should be.
func TestLayersOnCodesRefuse(t *testing.T) {
	f := func(n ...int) tensor.Spec { return tensor.Of(tensor.F32, n...) }
	i := func(n ...int) tensor.Spec { return tensor.Of(tensor.I32, n...) }
	c := func(n ...int) tensor.Spec { return tensor.Of(tensor.I8, n...) }
	u := func(n ...int) tensor.Spec { return tensor.Of(tensor.U8, n...) }
	inf := float32(math.Inf(1))
	gemm := backend.QLinearGemm{Scheme: quant.Int8(), Lo: -inf, Hi: inf}
	swapped, perChannel, none := gemm, gemm, gemm
	swapped.Lo, swapped.Hi = 6, 0
	perChannel.Scheme = quant.Int8PerChannel(1)
	none.Scheme = quant.Scheme{}
	for _, x := range []struct {
		want string
		op   backend.Op
		in   []tensor.Spec
	}{
		{"input 4 is absent", backend.ConvDequant{}, []tensor.Spec{c(1, 3, 3, 4), f(1), i(1), c(2, 1, 1, 4)}},
		{"want int8 with zero point 0", backend.ConvDequant{}, []tensor.Spec{c(1, 3, 3, 4), f(1), i(1), u(2, 1, 1, 4), f(2)}},
		{"want int8 or uint8 codes", backend.ConvInteger{}, []tensor.Spec{f(1, 3, 3, 4), c(2, 1, 1, 4)}},
		{"3 groups", backend.ConvInteger{Conv: backend.Conv{Groups: 3}}, []tensor.Spec{c(1, 3, 3, 4), c(2, 1, 1, 4)}},
		{"larger than the input", backend.ConvInteger{}, []tensor.Spec{c(1, 3, 3, 4), c(2, 5, 1, 4)}},
		{"the scale of w", backend.GemmDequant{}, []tensor.Spec{c(5, 4), f(1), i(1), c(3, 4), f(2)}},
		{"the bias", gemm, []tensor.Spec{c(5, 4), f(1), i(1), c(3, 4), f(3), {}, f(1), i(1), f(3)}},
		{"bounds 6 and 0", swapped, []tensor.Spec{c(5, 4), f(1), i(1), c(3, 4), f(3), {}, f(1), i(1)}},
		{"want one scale", perChannel, []tensor.Spec{c(5, 4), f(1), i(1), c(3, 4), f(3), {}, f(1), i(1)}},
		{"no scheme", none, []tensor.Spec{c(5, 4), f(1), i(1), c(3, 4), f(3), {}, f(1), i(1)}},
		{"do not fit", backend.MatMulInteger{}, []tensor.Spec{c(5, 4), c(5, 4)}},
		{"cannot broadcast", backend.MatMulInteger{}, []tensor.Spec{c(2, 5, 4), c(3, 4, 5)}},
		{"come together", backend.FoldBatchNorm{}, []tensor.Spec{c(3, 4), f(3), f(1), f(3), f(3), f(3), f(3)}},
		{"want codes of scheme", backend.QLinearGlobalAveragePool{Scheme: quant.UInt8()}, []tensor.Spec{c(1, 3, 3, 4), i(1)}},
	} {
		_, err := graph.Lookup(x.op.OpName()).Infer(x.op, x.in)
		assert.ErrorContains(t, err, x.want)
	}
}
