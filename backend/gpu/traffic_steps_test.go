//go:build cuda

package gpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// Kernels of a training step on [movementElements] numbers of 64 channels or
// groups: each number of a tensor once, whatever else is asked for in the pass.
func init() {
	const channels, groupSize = 64, 32
	byRow := tensor.Of(tensor.F32, movementElements/channels, channels)
	codes := tensor.Of(tensor.I8, byRow.Shape...)
	mask := tensor.Of(tensor.B1, byRow.Shape...)
	one, zero, each := tensor.Of(tensor.F32, 1), tensor.Of(tensor.I32, 1), tensor.Of(tensor.F32, channels)
	affine := tensor.Of(tensor.F32, 4, channels)
	grouped := quant.Int8()
	grouped.Grain = quant.Granularity{Kind: quant.PerGroup, Group: groupSize}
	groups := []int{movementElements / channels, channels / groupSize}
	x8 := tensor.Of(tensor.I8, 64, movementElements/64)
	movements = append(movements, []movement{
		// A scale and a zero point of 4 bytes each for 32 elements.
		{"fake_quant", backend.FakeQuant{Scheme: grouped}, []tensor.Spec{byRow, tensor.Of(tensor.F32, groups...), tensor.Of(tensor.I32, groups...)}, 4.25, 4.125},
		{"quantize_activation", backend.QuantizeActivation{Scheme: quant.Int8(), Lo: 0, Hi: 6}, []tensor.Spec{byRow, one, zero, affine, each, each}, 4, 1.125},
		{"quantize_activation_grad", backend.QuantizeActivationGrad{Scheme: quant.Int8(), Lo: 0, Hi: 6}, []tensor.Spec{byRow, mask, byRow, one, zero, affine, each}, 8.125, 4},
		{"batch_norm_affine_moments", backend.BatchNormAffine{Eps: 1e-5, Momentum: 0.1, Hi: 6}, []tensor.Spec{byRow, each, each, each, each}, 4, 0.0645}, // Sums of parts.
		{"observe_runs", backend.ObserveMinMax{Grain: quant.Granularity{Kind: quant.PerChannel}}, []tensor.Spec{tensor.Of(tensor.F32, channels, movementElements/channels), each, each}, 4, 0},
		{"dequantize_linear_i8", backend.DequantizeLinear{Scheme: quant.Int8()}, []tensor.Spec{codes, one, zero}, 1, 4},
		// Codes of x and of the weight once, and 64 x 64 results.
		{"conv_dequant_64_i8", backend.GemmDequant{}, []tensor.Spec{x8, one, zero, x8, one}, 2, 4. * 64 * 64 / movementElements},
	}...)
}
