package cpu_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/tensor"
)

// BenchmarkCrossEntropy measures loss and gradient, in one pass and in two.
func BenchmarkCrossEntropy(b *testing.B) {
	ctx := context.Background()
	c := cpu.New()
	for _, s := range [][2]int{{128, 10}, {512, 1000}, {64, 50257}} {
		r := rand.New(rand.NewPCG(1, 2))
		in := []backend.Buffer{backendtest.Normal(r, 3, s[0], s[1]), backendtest.Ints(r, tensor.I32, 0, s[1]-1, s[0])}
		loss, dx, one := tensor.New(tensor.Of(tensor.F32)), tensor.New(tensor.Of(tensor.F32, s[0], s[1])), tensor.FromF32([]float32{1})
		bind := func(op backend.Op, out, in []backend.Buffer) backend.Kernel {
			k, err := c.Bind(op, out, in)
			require.NoError(b, err)
			return k
		}
		forms := []struct {
			name    string
			kernels func() []backend.Kernel
		}{
			{"one", func() []backend.Kernel {
				return []backend.Kernel{bind(backend.SoftmaxCrossEntropyTrain{}, []backend.Buffer{loss, dx}, in)}
			}},
			{"two", func() []backend.Kernel {
				return []backend.Kernel{bind(backend.SoftmaxCrossEntropy{}, []backend.Buffer{loss, dx}, in),
					bind(backend.SoftmaxCrossEntropyGrad{}, []backend.Buffer{dx}, []backend.Buffer{one, dx, in[1]})}
			}},
		}
		for _, isa := range []string{"portable", "avx2", "avx512"} {
			if cpu.SetMaxISA(isa) != nil {
				continue
			}
			for _, f := range forms {
				kernels := f.kernels()
				b.Run(fmt.Sprintf("rows=%d/classes=%d/passes=%s/isa=%s", s[0], s[1], f.name, isa), func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						for _, k := range kernels {
							if err := k.Run(ctx); err != nil {
								b.Fatal(err)
							}
						}
					}
					b.ReportMetric(float64(s[0])*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
				})
			}
			require.NoError(b, cpu.SetMaxISA(""))
		}
	}
}
