package backendtest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

var layerNormShapes = [][]int{{5, 7}, {2, 3, 33}, {300, 4}, {70, 1030}, {9}, {0, 6}, {4, 1}}

// rowMoments returns mean and 1/sqrt(var + eps) of each row.
func rowMoments(x *tensor.Tensor, eps float64) (mean, inv []float64) {
	c := x.Shape().Last()
	for r := range x.Numel() / c {
		var m, v float64
		for i := range c {
			m += x.At(r*c+i) / float64(c)
		}
		for i := range c {
			v += (x.At(r*c+i) - m) * (x.At(r*c+i) - m) / float64(c)
		}
		mean, inv = append(mean, m), append(inv, 1/math.Sqrt(v+eps))
	}
	return mean, inv
}

func init() {
	Register(Conformance{
		Op: backend.LayerNorm{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range layerNormShapes {
				x, op, c := Normal(r, 2, s...), backend.LayerNorm{Eps: 1e-5}, s[len(s)-1]
				name := fmt.Sprint(s)
				cs = append(cs,
					Case{Name: name, Op: op, In: []*tensor.Tensor{x, Normal(r, 1, c), Normal(r, 1, c)}},
					Case{Name: name + "/beta", Op: op, In: []*tensor.Tensor{x, nil, Normal(r, 1, c)}},
					Case{Name: name + "/plain", Op: op, In: []*tensor.Tensor{x}},
					Case{Name: name + "/double", Op: op, In: []*tensor.Tensor{Double(x), Double(Normal(r, 1, c))}})
			}
			return cs
		},
		Ref: func(op backend.Op, in, out []*tensor.Tensor) {
			c := in[0].Shape().Last()
			mean, inv := rowMoments(in[0], float64(op.(backend.LayerNorm).Eps))
			for r := range mean {
				Set(out[1], r, mean[r])
				Set(out[2], r, inv[r])
				for i := range c {
					y := (in[0].At(r*c+i) - mean[r]) * inv[r]
					if len(in) > 1 && in[1] != nil {
						y *= in[1].At(i)
					}
					if len(in) > 2 && in[2] != nil {
						y += in[2].At(i)
					}
					Set(out[0], r*c+i, y)
				}
			}
		},
	})
	Register(Conformance{
		Op: backend.LayerNormGrad{},
		Cases: func(r *rand.Rand) []Case {
			var cs []Case
			for _, s := range layerNormShapes {
				x, c := Normal(r, 2, s...), s[len(s)-1]
				mean, inv := rowMoments(x, 1e-5)
				m, v := tensor.New(tensor.Of(tensor.F32, s[:len(s)-1]...)), tensor.New(tensor.Of(tensor.F32, s[:len(s)-1]...))
				for i := range mean {
					Set(m, i, mean[i])
					Set(v, i, inv[i])
				}
				in := []*tensor.Tensor{Normal(r, 1, s...), x, m, v, Normal(r, 1, c)}
				cs = append(cs,
					Case{Name: fmt.Sprint(s), Op: backend.LayerNormGrad{}, In: in},
					Case{Name: fmt.Sprint(s, "plain"), Op: backend.LayerNormGrad{}, In: in[:4]})
			}
			return cs
		},
		Ref: func(_ backend.Op, in, out []*tensor.Tensor) {
			dy, x := in[0], in[1]
			c := x.Shape().Last()
			dgamma, dbeta := make([]float64, c), make([]float64, c)
			for r := range x.Numel() / c {
				h, g := make([]float64, c), make([]float64, c)
				var mg, mh float64
				for i := range c {
					h[i] = (x.At(r*c+i) - in[2].At(r)) * in[3].At(r)
					g[i] = dy.At(r*c + i)
					dgamma[i] += g[i] * h[i]
					dbeta[i] += g[i]
					if len(in) > 4 {
						g[i] *= in[4].At(i)
					}
					mg += g[i] / float64(c)
					mh += g[i] * h[i] / float64(c)
				}
				for i := range c {
					Set(out[0], r*c+i, in[3].At(r)*(g[i]-mg-h[i]*mh))
				}
			}
			for i := range c {
				Set(out[1], i, dgamma[i])
				Set(out[2], i, dbeta[i])
			}
		},
	})
}
