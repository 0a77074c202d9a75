package cpu

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// TestCodesWithoutMask: inference, where nobody wants the mask and kernels may
// make the codes themselves, gives the codes of training, on every instruction
// set those of portable Go.
func TestCodesWithoutMask(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, isa.SetMax("")) })
	r := rand.New(rand.NewPCG(81, 82))
	for range 60 {
		groups := []int{1, 1, 2, 0}[r.IntN(4)] // 0 is depthwise.
		c, o := 1+r.IntN(40), 1+r.IntN(70)
		switch groups {
		case 0:
			c += r.IntN(100)
			groups, o = c, c
		case 2:
			c, o = 2*c, 2*o
		}
		k, stride, dilation := 1+r.IntN(4), 1+r.IntN(2), 1+r.IntN(2)
		side := dilation*(k-1) + 1 + r.IntN(16)
		pad := [4]int{}
		for i := range pad {
			pad[i] = r.IntN(dilation*(k-1) + 1)
		}
		op := backend.QLinearConv{Conv: backend.Conv{Window: backend.Window{Stride: [2]int{stride, stride}, Dilation: [2]int{dilation, dilation}, Pad: pad}, Groups: groups},
			Rule: []quant.Rule{quant.ONNX, quant.ONNX, quant.TFLite, quant.TFLiteSingle}[r.IntN(4)], Lo: float32(math.Inf(-1)), Hi: float32(math.Inf(1)), Scheme: quant.Activations(8, r.IntN(2) == 0)}
		if r.IntN(2) == 0 {
			op.Lo, op.Hi = 0, 6
		}
		types := []tensor.DType{tensor.U8, tensor.I8}
		x, w := tensor.New(tensor.Of(types[r.IntN(2)], 1+r.IntN(3), side, side, c)), tensor.New(tensor.Of(tensor.I8, o, k, k, c/groups))
		for _, b := range [][]byte{x.Bytes(), w.Bytes()} {
			for i := range b {
				b[i] = byte(r.Uint32())
			}
		}
		sw, bias := make([]float32, o), make([]int32, o)
		for i := range sw {
			sw[i], bias[i] = float32(r.ExpFloat64())*0.01, r.Int32N(2000)-1000
		}
		lo, hi := op.Scheme.Range()
		one := func(v int32) *tensor.Tensor { return tensor.FromI32([]int32{v}, 1) }
		scale := func(v float32) *tensor.Tensor { return tensor.FromF32([]float32{v}, 1) }
		sy := scale([]float32{0.05, 1}[r.IntN(2)])
		in := []backend.Buffer{x, scale(0.1), one(r.Int32N(100)), w, tensor.FromF32(sw, o), nil, sy, one(lo + r.Int32N(hi-lo+1)), tensor.FromI32(bias, o)}
		g := newConvShape(op.Conv, x.Shape(), w.Shape())
		var want []byte
		for _, set := range isa.Sets() {
			if set.Missing() != nil {
				continue
			}
			require.NoError(t, isa.SetMax(set.String()))
			for _, masked := range []bool{true, false} {
				y := tensor.New(tensor.Of(op.Scheme.DType(), g.n, g.oh, g.ow, o))
				out := []backend.Buffer{y, nil}
				if masked {
					out[1] = tensor.New(tensor.Of(tensor.B1, g.n, g.oh, g.ow, o))
				}
				kernel, err := New().Bind(op, out, in)
				require.NoError(t, err)
				for range 2 { // The second run finds what the first has kept.
					require.NoError(t, kernel.Run(context.Background()))
				}
				if want == nil {
					want = y.Bytes()
				}
				require.Equal(t, want, y.Bytes(), "%v masked %v: %+v x %v w %v", set, masked, op, x.Spec(), w.Spec())
			}
		}
	}
}
