package nn

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Embedding turns [batch, length] numbers of symbols, floats that are cut to
// integers, into [batch, length, Width]: the row of a table for the symbol,
// plus, with Positions, one for the place. Symbols are 0 to Symbols-1; a
// negative one counts from the end of the table, and any other is an error of
// the run ([backend.ErrIndex]).
type Embedding struct {
	Symbols, Width int
	Positions      bool
	Init           Init // N(0, 0.02^2) when nil, as in GPT-2
}

// Forward appends the layer.
func (l Embedding) Forward(b *Builder, x graph.Value) graph.Value {
	s := x.Shape()
	if b.G.Err() != nil {
		return graph.Value{}
	}
	if len(s) != 2 || l.Symbols < 1 || l.Width < 1 {
		return b.G.Fail(fmt.Errorf("nn: Embedding of %d symbols in %d numbers needs [batch, length], have %v", l.Symbols, l.Width, s))
	}
	init := l.Init
	if init == nil {
		init = func(r *rand.Rand, v []float64, _, _ int) { normal(r, v, 0.02) }
	}
	var y graph.Value
	b.G.Scope("embedding", func() {
		table := b.Param("table", init, l.Symbols, l.Width, l.Symbols, l.Width)
		y = first(b.G.ApplyNamed("symbol", backend.Gather{}, table, first(b.G.ApplyNamed("index", backend.Cast{To: tensor.I32}, x))))
		if l.Positions {
			y = first(b.G.ApplyNamed("place", backend.Add{}, y, b.Param("position", init, s[1], l.Width, s[1], l.Width)))
		}
	})
	return y
}

// Attention is self-attention with several heads (Vaswani et al., 2017), made
// of the operations of the registry:
//
//	softmax(q kᵀ / sqrt(width/Heads) + mask) v
//
// with projections q, k, v of [batch, length, width] and one of the result.
// With Causal no place sees a later one: the mask adds -Inf. Prepared, the
// projections and both products take codes; what softmax takes stays float.
type Attention struct {
	Heads  int
	Causal bool
	Init   Init // as of [Linear]
}

// Forward appends the layer.
func (l Attention) Forward(b *Builder, x graph.Value) graph.Value {
	s := x.Shape()
	if b.G.Err() != nil {
		return graph.Value{}
	}
	if len(s) != 3 || l.Heads < 1 || s[2]%l.Heads != 0 {
		return b.G.Fail(fmt.Errorf("nn: Attention of %d heads needs [batch, length, width] with a width that they divide, have %v", l.Heads, s))
	}
	length, width := s[1], s[2]
	head := width / l.Heads
	var y graph.Value
	b.G.Scope("attention", func() {
		// heads is [batch, length, heads, head] of a projection, permuted.
		heads := func(name string, perm ...int) graph.Value {
			v := Linear{Out: width, Init: l.Init, Name: name}.Forward(b, x)
			v = b.G.Apply(backend.Reshape{Shape: tensor.NewDims(0, length, l.Heads, head)}, v)
			return b.G.Apply(backend.Transpose{Perm: tensor.NewDims(perm...)}, v)
		}
		q, k, v := heads("query", 0, 2, 1, 3), heads("key", 0, 2, 3, 1), heads("value", 0, 2, 1, 3)
		p := first(b.G.ApplyNamed("scores", backend.MatMul{}, q, k))
		p = b.G.Apply(backend.Div{}, p, b.G.Scalar(b.DType, math.Sqrt(float64(head))))
		if l.Causal {
			p = first(b.G.ApplyNamed("masked", backend.Add{}, p, b.G.Const("mask", causalMask(b.DType, length))))
		}
		p = first(b.G.ApplyNamed("probabilities", backend.Softmax{Axis: -1}, p))
		y = first(b.G.ApplyNamed("mixed", backend.MatMul{}, p, v))
		y = b.G.Apply(backend.Transpose{Perm: tensor.NewDims(0, 2, 1, 3)}, y)
		y = b.G.Apply(backend.Reshape{Shape: tensor.NewDims(0, length, width)}, y)
		y = Linear{Out: width, Init: l.Init, Name: "out"}.Forward(b, y)
	})
	return y
}

// causalMask is 0 on and below the diagonal and -Inf above.
func causalMask(d tensor.DType, n int) *tensor.Tensor {
	t := tensor.New(tensor.Of(d, n, n))
	for i := range n {
		for j := i + 1; j < n; j++ {
			if d == tensor.F64 {
				t.F64()[i*n+j] = math.Inf(-1)
			} else {
				t.F32()[i*n+j] = float32(math.Inf(-1))
			}
		}
	}
	return t
}

// Transformer is a block of a transformer with the normalization first:
// attention added to its input, then two linear layers of Hidden and width
// outputs with gelu between them, added likewise.
type Transformer struct {
	Heads, Hidden int
	Causal        bool
}

// Forward appends the block.
func (l Transformer) Forward(b *Builder, x graph.Value) graph.Value {
	if b.G.Err() != nil {
		return graph.Value{}
	}
	width := x.Shape().Last()
	x = Named{"mix", Residual{Body: Sequential{LayerNorm{}, Attention{Heads: l.Heads, Causal: l.Causal}}}}.Forward(b, x)
	return Named{"mlp", Residual{Body: Sequential{LayerNorm{}, Linear{Out: l.Hidden}, Apply{backend.Gelu{}}, Linear{Out: width}}}}.Forward(b, x)
}

// LastPlace takes the last of [batch, length, width]: [batch, width].
type LastPlace struct{}

// Forward appends the slice.
func (LastPlace) Forward(b *Builder, x graph.Value) graph.Value {
	s := x.Shape()
	if b.G.Err() != nil {
		return graph.Value{}
	}
	if len(s) != 3 || s[1] < 1 {
		return b.G.Fail(fmt.Errorf("nn: LastPlace needs [batch, length, width], have %v", s))
	}
	one := func(v int) tensor.Dims { return tensor.NewDims(v) }
	x = b.G.Apply(backend.Slice{Axes: one(1), Starts: one(s[1] - 1), Ends: one(s[1])}, x)
	return b.G.Apply(backend.Flatten{}, x)
}
