//go:build cuda

package gpu

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// movement is what a kernel may move, in bytes an element of its first input;
// inputs are of n elements where the type has a length of -1.
type movement struct {
	kernel        string
	op            backend.Op
	in            []tensor.Spec
	read, written float64
}

// movements has the kernels whose traffic is stated; a file of an operation's
// tests adds its own in init.
var movements = []movement{
	{"fake_quant", backend.FakeQuant{Scheme: quant.Int8()}, specs(tensor.F32, -1, tensor.F32, 1, tensor.I32, 1), 4, 4.125},
	{"fake_quant", backend.FakeQuant{Scheme: perRow()}, []tensor.Spec{tensor.Of(tensor.F32, 64, movementElements/64), tensor.Of(tensor.F32, 64), tensor.Of(tensor.I32, 64)}, 4, 4.125},
	{"ste_grad", backend.STEGrad{}, specs(tensor.F32, -1, tensor.B1, -1), 4.125, 4},
	{"quantize_linear", backend.QuantizeLinear{Scheme: quant.Int8()}, specs(tensor.F32, -1, tensor.F32, 1, tensor.I32, 1), 4, 1.125},
	{"dequantize_linear_i8", backend.DequantizeLinear{Scheme: quant.Int8()}, specs(tensor.I8, -1, tensor.F32, 1, tensor.I32, 1), 1, 4},
	{"quantize_activation", backend.QuantizeActivation{Scheme: quant.Int8(), Lo: 0, Hi: 6}, specs(tensor.F32, -1, tensor.F32, 1, tensor.I32, 1), 4, 1.125},
	{"lsq_grad", backend.LSQGrad{Scheme: quant.Int8()}, specs(tensor.F32, -1, tensor.F32, -1, tensor.F32, 1, tensor.I32, 1), 8, 4},
	{"observe_runs", backend.ObserveMinMax{}, specs(tensor.F32, -1, tensor.F32, 1, tensor.F32, 1), 4, 0},
	{"histogram_count", backend.ObserveHistogram{Bins: 64}, specs(tensor.F32, -1, tensor.I64, 64, tensor.F32, 2), 4, 0},
	{"requantize_codes", backend.Requantize{In: quant.Int8(), Scheme: quant.Int8()}, specs(tensor.I8, -1, tensor.F32, 1, tensor.I32, 1, tensor.F32, 1, tensor.I32, 1), 1, 1.125},
	{"qlinear_add", backend.QLinearAdd{Scheme: quant.Int8()}, specs(tensor.I8, -1, tensor.F32, 1, tensor.I32, 1, tensor.I8, -1, tensor.F32, 1, tensor.I32, 1, tensor.F32, 1, tensor.I32, 1), 2, 1.125},
	{"sgd", backend.SGD{Momentum: 0.9}, specs(tensor.F32, -1, tensor.F32, -1, tensor.F32, -1, tensor.F32, 1), 12, 8},
	{"adam", backend.Adam{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, specs(tensor.F32, -1, tensor.F32, -1, tensor.F32, -1, tensor.F32, -1, tensor.F32, 1, tensor.I64, 1), 16, 12},
	{"dequantize_linear_i8_bf16", backend.DequantizeLinear{Scheme: quant.Int8(), Result: tensor.BF16}, specs(tensor.I8, -1, tensor.F32, 1, tensor.I32, 1), 1, 2},
	{"dynamic_quantize_rows_bf16", backend.DynamicQuantizeRows{}, []tensor.Spec{tensor.Of(tensor.BF16, 64, movementElements/64)}, 2, 1},
	{"quantize_linear_bf16", backend.QuantizeLinear{Scheme: quant.Int8()}, specs(tensor.BF16, -1, tensor.F32, 1, tensor.I32, 1), 2, 1.125},
	{"fake_quant_bf16", backend.FakeQuant{Scheme: quant.Int8()}, specs(tensor.BF16, -1, tensor.F32, 1, tensor.I32, 1), 2, 2.125},
	{"ste_grad_bf16", backend.STEGrad{}, specs(tensor.BF16, -1, tensor.B1, -1), 2.125, 2},
	{"lsq_grad_bf16", backend.LSQGrad{Scheme: quant.Int8()}, specs(tensor.BF16, -1, tensor.BF16, -1, tensor.F32, 1, tensor.I32, 1), 4, 2},
	{"observe_runs_bf16", backend.ObserveMinMax{}, specs(tensor.BF16, -1, tensor.F32, 1, tensor.F32, 1), 2, 0},
	{"histogram_count_bf16", backend.ObserveHistogram{Bins: 64}, specs(tensor.BF16, -1, tensor.I64, 64, tensor.F32, 2), 2, 0},
	{"cast_f32_bf16", backend.Cast{To: tensor.BF16}, specs(tensor.F32, -1), 4, 2},
	{"cast_bf16_f32", backend.Cast{To: tensor.F32}, specs(tensor.BF16, -1), 2, 4},
	{"sgd_quantize_weight", backend.SGDQuantizeWeight{SGD: backend.SGD{Momentum: 0.9}, Scheme: quant.Weights(8)}, []tensor.Spec{rows, rows, rows, tensor.Of(tensor.F32, 1), {}, rowCodes, ends, ends}, 12, 9},
	{"adam_quantize_weight", backend.AdamQuantizeWeight{Adam: backend.Adam{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, Scheme: quant.Weights(8)},
		[]tensor.Spec{rows, rows, rows, rows, tensor.Of(tensor.F32, 1), tensor.Of(tensor.I64, 1), rowCodes, ends, ends}, 16, 13},
	{"weight_codes", backend.WeightCodes{Scheme: quant.Weights(8)}, []tensor.Spec{rows}, 4, 1},
	{"relu", backend.Relu{}, specs(tensor.F32, -1), 4, 4},
	{"relu_grad", backend.ReluGrad{}, specs(tensor.F32, -1, tensor.F32, -1), 8, 4},
}

const movementElements = 1 << 18

// The types of a weight of 64 rows, and of its codes and ranges.
var (
	rows     = tensor.Of(tensor.F32, 64, movementElements/64)
	rowCodes = tensor.Of(tensor.I8, 64, movementElements/64)
	ends     = tensor.Of(tensor.F32, 64)
)

// specs returns vectors of types and lengths in turns.
func specs(pairs ...any) []tensor.Spec {
	var s []tensor.Spec
	for i := 0; i < len(pairs); i += 2 {
		n := pairs[i+1].(int)
		if n < 0 {
			n = movementElements
		}
		s = append(s, tensor.Of(pairs[i].(tensor.DType), n))
	}
	return s
}

func perRow() quant.Scheme {
	s := quant.Int8()
	s.Grain = quant.Granularity{Kind: quant.PerChannel}
	return s
}

// TestTraffic: kernels touch no more memory than is stated: the simulator counts
// the distinct sectors of 32 bytes, which a device has to move at least.
func TestTraffic(t *testing.T) {
	needSim(t)
	ctx := context.Background()
	b := open(t)
	for _, m := range movements {
		t.Run(m.kernel, func(t *testing.T) {
			out, err := graph.Lookup(m.op.OpName()).Infer(m.op, m.in)
			require.NoError(t, err)
			var in, to []backend.Buffer
			for _, s := range m.in {
				if s.DType == tensor.Invalid { // Absent.
					in = append(in, nil)
					continue
				}
				x, err := b.Alloc(s)
				require.NoError(t, err)
				if s.DType == tensor.F32 { // A scale must not be 0.
					v := make([]float32, s.Numel())
					for i := range v {
						v[i] = 0.5
					}
					require.NoError(t, b.Write(ctx, x, tensor.Raw(v)))
				}
				in = append(in, x)
			}
			upd, _ := m.op.(backend.Updater)
			for i, s := range out {
				if upd != nil && upd.Updates(i) >= 0 {
					to = append(to, in[upd.Updates(i)])
					continue
				}
				x, err := b.Alloc(s)
				require.NoError(t, err)
				to = append(to, x)
			}
			k, err := b.Bind(m.op, to, in)
			require.NoError(t, err)
			require.NoError(t, b.Sync(ctx))
			cudasim.ClearKernels()
			require.NoError(t, k.Run(ctx))
			require.NoError(t, b.Sync(ctx))
			c, ok := cudasim.KernelCount(m.kernel)
			require.True(t, ok, "the kernel did not run")
			n := float64(m.in[0].Numel())
			// A few sectors more for scales and zero points.
			read, written := float64(32*c.ReadSectors)/n, float64(32*c.WrittenSectors)/n
			t.Logf("%.3f bytes an element read, %.3f written", read, written)
			require.InDelta(t, m.read, read, 0.01)
			require.InDelta(t, m.written, written, 0.01)
		})
	}
}
