//go:build cuda

package cuda_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/internal/cudasim"
)

// BenchmarkStep is what it costs the host to run a step of kernels that do
// next to nothing: as a list of launches in one crossing, and as a graph.
func BenchmarkStep(b *testing.B) {
	if cudasim.Running() {
		cudasim.Reset()
	}
	c, err := cuda.Open(0)
	if errors.Is(err, cuda.ErrNoDriver) || errors.Is(err, cuda.ErrNoDevice) {
		b.Skip(err)
	}
	require.NoError(b, err)
	defer c.Close()
	q, err := c.NewQueue(false)
	require.NoError(b, err)
	defer q.Close()
	p, err := c.Alloc(4096)
	require.NoError(b, err)
	defer func() { _ = c.Free(p, 4096) }()
	ctx := context.Background()
	for _, n := range []int{1, 100, 1000} {
		cmds, tags := make([]cuda.Command, n), make([]any, n)
		for i := range cmds {
			cmds[i], tags[i] = cuda.Fill32(p, 1, 4), "fill"
		}
		b.Run(fmt.Sprintf("list/kernels=%d", n), func(b *testing.B) {
			for b.Loop() {
				_ = q.Add("step", cmds...)
				_ = q.Wait(ctx)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/kernel")
		})
		b.Run(fmt.Sprintf("graph/kernels=%d", n), func(b *testing.B) {
			g, err := q.Record(cmds, tags)
			require.NoError(b, err)
			defer g.Close()
			for b.Loop() {
				_ = q.Add("step", g.Command())
				_ = q.Wait(ctx)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/kernel")
		})
	}
}
