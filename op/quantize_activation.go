package op

import (
	"errors"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QuantizeActivation{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.QuantizeActivation)
			if err := want(in, 3, 6); err != nil {
				return nil, err
			}
			affine, gamma, beta := at(in, 3), at(in, 4), at(in, 5)
			err := errors.Join(wantQuantizer(o.Scheme, in[:3], 3), wantScheme(o.Scheme), wantAffine(in[0], affine, gamma))
			if err == nil && !beta.Equal(gamma) {
				err = errShapes(in)
			}
			out := []tensor.Spec{{DType: o.Scheme.DType(), Shape: in[0].Shape}, {DType: tensor.B1, Shape: in[0].Shape}}
			if affine.DType == tensor.Invalid {
				out = append(out, tensor.Of(tensor.F32, 2))
			}
			return out, err
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			o := n.Op.(backend.QuantizeActivation)
			affine, gamma := value(n.In, 3), value(n.In, 4)
			if d[0].Absent() {
				return nil
			}
			if affine.Absent() && !o.Learn {
				return []graph.Value{g.Apply(backend.STEGrad{}, d[0], n.Out[1])}
			}
			in := []graph.Value{d[0], n.Out[1], n.In[0], n.In[1], n.In[2]}
			if !affine.Absent() {
				in = append(in, affine, gamma)
			}
			r := g.ApplyN(backend.QuantizeActivationGrad(o), in...)
			if len(r) < 2 {
				return nil
			}
			out := make([]graph.Value, len(n.In))
			out[0] = r[0]
			if o.Learn {
				out[1] = r[1]
			}
			if !affine.Absent() {
				out[4], out[5] = r[2], r[3]
			}
			return out
		},
		NoONNX: fusedNoONNX,
	})
	graph.Register(backend.QuantizeActivationGrad{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			o := op.(backend.QuantizeActivationGrad)
			if err := want(in, 5, 7); err != nil {
				return nil, err
			}
			affine, gamma := at(in, 5), at(in, 6)
			err := errors.Join(wantQuantizer(o.Scheme, in[2:5], 3), wantScheme(o.Scheme), wantAffine(in[2], affine, gamma))
			if !in[0].Equal(in[2]) || in[1].DType != tensor.B1 || !in[1].Shape.Equal(in[2].Shape) {
				err = errors.Join(err, errShapes(in))
			}
			out := []tensor.Spec{in[2], in[3]}
			if affine.DType != tensor.Invalid {
				out = append(out, gamma, gamma)
			}
			return out, err
		},
		NoGrad: noSecond,
		NoONNX: backwardOnly,
	})
	graph.RegisterFusion(fuseActivations)
	graph.RegisterFusion(fuseCollect) // Behind what makes the readers.
}

// wantAffine returns an error unless affine and gamma are absent or fit x.
func wantAffine(x, affine, gamma tensor.Spec) error {
	if affine.DType == tensor.Invalid && gamma.DType == tensor.Invalid {
		return nil
	}
	c := 0
	if len(x.Shape) > 1 {
		c = x.Shape.Last()
	}
	if !affine.Equal(tensor.Of(tensor.F32, 4, c)) || !gamma.Equal(tensor.Of(tensor.F32, c)) {
		return fmt.Errorf("op: affine is %v, gamma %v, want float32[4, %d] and float32[%d] for %v", affine, gamma, c, c, x)
	}
	return nil
}
