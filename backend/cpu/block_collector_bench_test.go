package cpu

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// BenchmarkCollectMoments is a layer on codes and the affine of its batch
// normalization, which reads the layer's result or has its moments collected.
func BenchmarkCollectMoments(b *testing.B) {
	for name, l := range map[string]collectLayer{
		"28x28x16": {op: backend.ConvDequant{Conv: backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}}, x: []int{128, 28, 28, 1}, w: []int{16, 3, 3, 1}},
		"14x14x32": {op: backend.ConvDequant{Conv: backend.Conv{Window: backend.Window{Pad: [4]int{1, 1, 1, 1}}}}, x: []int{128, 14, 14, 16}, w: []int{32, 3, 3, 16}},
	} {
		for how, c := range map[string]backend.Collect{"apart": backend.CollectNothing, "collected": backend.CollectMoments} {
			b.Run(name+"/"+how, func(b *testing.B) {
				in, o := l.inputs(rand.New(rand.NewPCG(9, 9))), l.w[0]
				column := func() *tensor.Tensor { return tensor.New(tensor.Of(tensor.F32, o)) }
				y := tensor.New(tensor.Of(tensor.F32, l.x[0], l.x[1], l.x[2], o))
				out, norm := []backend.Buffer{y}, []backend.Buffer{y, column(), column(), column(), column()}
				if c != backend.CollectNothing {
					moments := tensor.New(tensor.Of(tensor.F64, 4, o))
					out, norm = append(out, moments), append(norm, moments)
				}
				cpu := New()
				layer, err := cpu.Bind(l.op.Collecting(c), out, in)
				require.NoError(b, err)
				affine, err := cpu.Bind(backend.BatchNormAffine{Eps: 1e-5, Momentum: 0.1}, []backend.Buffer{tensor.New(tensor.Of(tensor.F32, 4, o)), tensor.New(tensor.Of(tensor.F32, 2)), norm[3], norm[4]}, norm)
				require.NoError(b, err)
				for b.Loop() {
					require.NoError(b, layer.Run(context.Background()))
					require.NoError(b, affine.Run(context.Background()))
				}
			})
		}
	}
}
