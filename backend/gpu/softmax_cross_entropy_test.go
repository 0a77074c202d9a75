//go:build cuda

package gpu

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/tensor"
)

func init() {
	in := []tensor.Spec{tensor.Of(tensor.F32, 64, 4096), tensor.Of(tensor.I32, 64)}
	movements = append(movements,
		movement{"softmax_cross_entropy_rows", backend.SoftmaxCrossEntropyTrain{}, in, 4, 4},
		movement{"softmax_cross_entropy_short_rows", backend.SoftmaxCrossEntropyTrain{Smoothing: 0.1},
			[]tensor.Spec{tensor.Of(tensor.F32, 2048, 128), tensor.Of(tensor.I32, 2048)}, 4 + 4.0/128, 4 + 8.0/128})
}

// TestCrossEntropyInOnePass: loss and gradient are, bit for bit, those of the
// two operations.
func TestCrossEntropyInOnePass(t *testing.T) {
	ctx := context.Background()
	b := open(t)
	r := rand.New(rand.NewPCG(7, 8))
	for _, s := range [][2]int{{1, 1}, {9, 2}, {67, 10}, {5, 128}, {5, 129}, {4, 1000}, {2, 1025}, {2, 5000}} {
		for _, eps := range []float32{0, 0.1} {
			t.Run(fmt.Sprintf("%v/smoothing=%v", s, eps), func(t *testing.T) {
				put := func(x *tensor.Tensor) backend.Buffer {
					y, err := b.Alloc(x.Spec())
					require.NoError(t, err)
					require.NoError(t, b.Write(ctx, y, x.Bytes()))
					return y
				}
				logits := tensor.Of(tensor.F32, s[0], s[1])
				x, labels := put(backendtest.Normal(r, 3, s[0], s[1])), put(backendtest.Ints(r, tensor.I32, 0, s[1]-1, s[0]))
				run := func(op backend.Op, out, in []backend.Buffer) {
					require.NoError(t, backend.Run(ctx, b, op, out, in))
				}
				get := func(x backend.Buffer) *tensor.Tensor {
					y := tensor.New(x.Spec())
					require.NoError(t, b.Read(ctx, y.Bytes(), x))
					return y
				}
				loss, p, dx := put(tensor.New(tensor.Of(tensor.F32))), put(tensor.New(logits)), put(tensor.New(logits))
				run(backend.SoftmaxCrossEntropy{Smoothing: eps}, []backend.Buffer{loss, p}, []backend.Buffer{x, labels})
				run(backend.SoftmaxCrossEntropyGrad{Smoothing: eps}, []backend.Buffer{dx}, []backend.Buffer{put(tensor.FromF32([]float32{1})), p, labels})
				wantLoss, want := get(loss), get(dx)
				loss, dx = put(tensor.New(tensor.Of(tensor.F32))), put(tensor.New(logits))
				run(backend.SoftmaxCrossEntropyTrain{Smoothing: eps}, []backend.Buffer{loss, dx}, []backend.Buffer{x, labels})
				require.Equal(t, wantLoss.F32(), get(loss).F32())
				require.Equal(t, want.F32(), get(dx).F32())
			})
		}
	}
}
