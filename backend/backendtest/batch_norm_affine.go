package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	inf := float32(math.Inf(1))
	Register(Conformance{
		Op: backend.BatchNormAffine{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for i, s := range append(batchNormShapes, tensor.Shape{4, 0}, tensor.Shape{40, 16}, tensor.Shape{31, 70}) {
				for _, offset := range []float32{0, 100} {
					x := Normal(r, 2, s...)
					for i := range x.F32() {
						// Far from zero the variance must not cancel.
						x.F32()[i] += offset
					}
					op := backend.BatchNormAffine{Eps: 1e-5, Momentum: 0.1, Lo: -inf, Hi: inf}
					switch i % 3 {
					case 0:
						op.Lo = 0
					case 1:
						op.Lo, op.Hi = 0, 6
					}
					in := append([]*tensor.Tensor{x}, batchNormInputs(r, s.Last())...)
					moments := tensor.New(tensor.Of(tensor.F64, 4, s.Last()))
					refMoments(x, moments)
					cs = append(cs, Case{Name: fmt.Sprint(s, offset), Op: op, In: in},
						Case{Name: fmt.Sprint(s, offset, ", moments"), Op: op, In: append(in[:len(in):len(in)], moments)})
				}
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			bn := op.(backend.BatchNormAffine)
			mean, variance := batchStatistics(in[0])
			n := len(mean)
			rows := float64(in[0].Shape()[:len(in[0].Shape())-1].Numel())
			for c := range mean {
				inv := 1 / math.Sqrt(variance[c]+float64(bn.Eps))
				Set(out[0], c, in[1].At(c)*inv)
				Set(out[0], n+c, in[2].At(c)-in[1].At(c)*inv*mean[c])
				Set(out[0], 2*n+c, mean[c])
				Set(out[0], 3*n+c, inv)
				Set(out[2], c, in[3].At(c)+float64(bn.Momentum)*(mean[c]-in[3].At(c)))
				Set(out[3], c, in[4].At(c)+float64(bn.Momentum)*(variance[c]*rows/(rows-1)-in[4].At(c)))
			}
			lo, hi := math.Inf(1), math.Inf(-1)
			for i := range in[0].Numel() {
				v := in[0].At(i)*out[0].At(i%n) + out[0].At(n+i%n)
				v = math.Min(math.Max(v, float64(bn.Lo)), float64(bn.Hi))
				lo, hi = math.Min(lo, v), math.Max(hi, v)
			}
			Set(out[1], 0, lo)
			Set(out[1], 1, hi)
		},
	})
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
