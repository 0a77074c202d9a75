package op

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.QLinearMul{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			return inferCodePair(op.(backend.QLinearMul).Scheme, in)
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			dy := g.Apply(backend.STEGrad{}, d[0], n.Out[1])
			times := func(i, to int) graph.Value {
				real := g.Apply(dequantizeOf(n.In[i]), n.In[i], n.In[i+1], n.In[i+2])
				return unbroadcast(g, g.Apply(backend.Mul{}, dy, real), n.In[to].Shape())
			}
			return []graph.Value{times(3, 0), {}, {}, times(0, 3)}
		},
		ONNX: "com.microsoft:QLinearMul",
	})
}

// dequantizeOf returns the operation that dequantizes codes of one scale.
func dequantizeOf(codes graph.Value) backend.DequantizeLinear {
	if codes.DType() == tensor.I8 {
		return backend.DequantizeLinear{Scheme: quant.Int8()}
	}
	return backend.DequantizeLinear{Scheme: quant.UInt8()}
}
