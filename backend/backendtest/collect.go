package backendtest

import (
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// refCollect fills out[1] with what c says of out[0].
func refCollect(c backend.Collect, out []*tensor.Tensor) {
	switch c {
	case backend.CollectMoments:
		refMoments(out[0], out[1])
	case backend.CollectEnds:
		lo, hi := math.Inf(1), math.Inf(-1)
		for i := range out[0].Numel() {
			lo, hi = math.Min(lo, out[0].At(i)), math.Max(hi, out[0].At(i))
		}
		Set(out[1], 0, lo)
		Set(out[1], 1, hi)
	}
}

// refMoments fills m float64 [4, channels] with mean, variance, least and
// greatest of the channels of x.
func refMoments(x, m *tensor.Tensor) {
	n := m.Shape()[1]
	mean, variance := batchStatistics(x)
	for c := range n {
		least, most := math.Inf(1), math.Inf(-1)
		for i := c; i < x.Numel(); i += n {
			least, most = math.Min(least, x.At(i)), math.Max(most, x.At(i))
		}
		Set(m, c, mean[c])
		Set(m, n+c, variance[c])
		Set(m, 2*n+c, least)
		Set(m, 3*n+c, most)
	}
}
