package cpu

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/tensor"
)

// TestMaxPoolWithoutPositions: the codes are those that come with positions,
// whatever the instruction set.
func TestMaxPoolWithoutPositions(t *testing.T) {
	t.Cleanup(func() { require.NoError(t, isa.SetMax("")) })
	r := rand.New(rand.NewPCG(91, 92))
	for range 200 {
		var p backend.MaxPool
		var in [2]int
		for i := range 2 {
			p.Kernel[i], p.Stride[i], p.Dilation[i] = 1+r.IntN(4), 1+r.IntN(3), 1+r.IntN(2)
			span := p.Dilation[i] * (p.Kernel[i] - 1)
			p.Pad[i], p.Pad[i+2] = r.IntN(span+1), r.IntN(span+1)
			in[i] = span + 1 + r.IntN(12)
		}
		size, err := p.Output(in, p.Kernel)
		require.NoError(t, err)
		n, c, d := 1+r.IntN(2), 1+r.IntN(150), []tensor.DType{tensor.I8, tensor.U8}[r.IntN(2)]
		x := tensor.New(tensor.Of(d, n, in[0], in[1], c))
		for i := range x.Bytes() {
			x.Bytes()[i] = byte(r.Uint32())
		}
		var want []byte
		for _, set := range isa.Sets() {
			if set.Missing() != nil {
				continue
			}
			require.NoError(t, isa.SetMax(set.String()))
			for _, positions := range []bool{true, false} {
				y := tensor.New(tensor.Of(d, n, size[0], size[1], c))
				out := []backend.Buffer{y, nil}
				if positions {
					out[1] = tensor.New(tensor.Of(tensor.I32, n, size[0], size[1], c))
				}
				kernel, err := New().Bind(p, out, []backend.Buffer{x})
				require.NoError(t, err)
				require.NoError(t, kernel.Run(context.Background()))
				if want == nil {
					want = y.Bytes()
				}
				require.Equal(t, want, y.Bytes(), "%v positions %v: %+v of %v", set, positions, p, x.Spec())
			}
		}
	}
}
