package op

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

func init() {
	graph.Register(backend.MatMul{}, graph.Def{
		Infer: func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error) {
			if err := want(in, 2, 2); err != nil {
				return nil, err
			}
			if err := wantFloat(in...); err != nil {
				return nil, err
			}
			s, err := matMulShape(op.(backend.MatMul), in[0].Shape, in[1].Shape)
			if err != nil {
				return nil, err
			}
			return one(tensor.Spec{DType: in[0].DType, Shape: s}), nil
		},
		Grad: func(g *graph.Graph, n *graph.Node, d []graph.Value) []graph.Value {
			a, b, dy := n.In[0], n.In[1], d[0]
			if len(a.Shape()) > 1 && len(b.Shape()) > 1 {
				da, db := matMulGrad(g, n.Op.(backend.MatMul), a, b, dy)
				return []graph.Value{da, db}
			}
			// A row or a column: the gradient of the product of matrices,
			// with the missing dimensions put in and taken out again.
			am, bm, dm := a.Shape(), b.Shape(), dy.Shape()
			if len(bm) == 1 {
				bm, dm = tensor.Shape{bm[0], 1}, append(dm.Clone(), 1)
			}
			if len(am) == 1 {
				am = tensor.Shape{1, am[0]}
				last := len(dm) - 1
				dm = append(append(dm[:last:last], 1), dm[last])
			}
			da, db := matMulGrad(g, n.Op.(backend.MatMul), reshape(g, a, am), reshape(g, b, bm), reshape(g, dy, dm))
			return []graph.Value{reshape(g, da, a.Shape()), reshape(g, db, b.Shape())}
		},
		ONNX:    "MatMul",
		Integer: matmulInteger,
	})
}

// matMulShape returns the shape of the product of a and b.
func matMulShape(m backend.MatMul, a, b tensor.Shape) (tensor.Shape, error) {
	if len(a) == 0 || len(b) == 0 {
		return nil, fmt.Errorf("op: product of %v and %v: a scalar is no matrix", a, b)
	}
	if len(a) == 1 && m.TransA || len(b) == 1 && m.TransB {
		return nil, fmt.Errorf("op: product of %v and %v: one dimension cannot be transposed", a, b)
	}
	rows, inner := 1, a.Last()
	var lead, leadB tensor.Shape
	if len(a) > 1 {
		lead, rows = a[:len(a)-2], a[len(a)-2]
		if m.TransA {
			rows, inner = inner, rows
		}
	}
	innerB, cols := b[0], 1
	if len(b) > 1 {
		leadB, innerB, cols = b[:len(b)-2], b[len(b)-2], b.Last()
		if m.TransB {
			innerB, cols = cols, innerB
		}
	}
	if inner != innerB {
		return nil, fmt.Errorf("op: product of %v and %v: inner dimensions %d and %d differ", a, b, inner, innerB)
	}
	y, err := tensor.Broadcast(lead, leadB)
	if err != nil {
		return nil, fmt.Errorf("op: product of %v and %v: %w", a, b, err)
	}
	if len(a) > 1 {
		y = append(y, rows)
	}
	if len(b) > 1 {
		y = append(y, cols)
	}
	return y, nil
}

// matMulGrad returns the gradients of a product of matrices.
func matMulGrad(g *graph.Graph, m backend.MatMul, a, b, dy graph.Value) (da, db graph.Value) {
	mul := func(ta, tb bool, x, y graph.Value) graph.Value {
		return g.Apply(backend.MatMul{TransA: ta, TransB: tb}, x, y)
	}
	if m.TransA {
		da = mul(m.TransB, true, b, dy)
	} else {
		da = mul(false, !m.TransB, dy, b)
	}
	da = sumLeading(g, da, a.Shape())
	if as := a.Shape(); !m.TransA && len(b.Shape()) == 2 && len(as) > 2 && as.Numel() > 0 && dy.Shape().Numel() > 0 {
		// One matrix b for all: the sum over the leading dimensions is part
		// of one product.
		a = reshape(g, a, tensor.Shape{-1, as.Last()})
		dy = reshape(g, dy, tensor.Shape{-1, dy.Shape().Last()})
	}
	if m.TransB {
		db = mul(true, m.TransA, dy, a)
	} else {
		db = mul(!m.TransA, false, a, dy)
	}
	return da, sumLeading(g, db, b.Shape())
}

// reshape returns v with the dimensions s.
func reshape(g *graph.Graph, v graph.Value, s tensor.Shape) graph.Value {
	if v.Shape().Equal(s) {
		return v
	}
	return g.Apply(backend.Reshape{Shape: tensor.NewDims(s...)}, v)
}

// sumLeading sums v over the dimensions along which an operand of shape s was
// broadcast.
func sumLeading(g *graph.Graph, v graph.Value, s tensor.Shape) graph.Value {
	if v.Absent() || v.Shape().Equal(s) {
		return v
	}
	more := len(v.Shape()) - len(s)
	var axes []int
	for i, d := range v.Shape() {
		if i < more || d != 1 && s[i-more] == 1 {
			axes = append(axes, i)
		}
	}
	if len(axes) > 0 {
		v = g.Apply(backend.Reduce{Kind: backend.ReduceSum, Axes: tensor.NewDims(axes...), KeepDims: true}, v)
	}
	return reshape(g, v, s)
}
