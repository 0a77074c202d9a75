package qat

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
)

const (
	// equalizeRounds and equalizeStop end the iteration: after so many rounds
	// over all pairs, or when no factor moves by more than a part in 10,000.
	equalizeRounds = 100
	equalizeStop   = 1e-4
	// equalizeLimit bounds the factor of a channel either way: the bias of a
	// channel that is nearly dead must not widen the range of all others.
	equalizeLimit = 1 << 10
	// equalizeError is the most that float rounding may change the outputs,
	// as a part of their power.
	equalizeError = 1e-6
)

// Equalize returns the float model g with the weights of neighboring layers
// equalized (cross-layer equalization; Nagel et al., 2019, section 4.1). A
// pair is a convolution or linear layer, batch normalization if any, and ReLU
// or nothing, followed through pools, Flatten and Dropout by another
// convolution or linear layer, all used only there. With r1 and r2 the
// largest weights of a channel in the first layer (times what batch
// normalization multiplies them by) and in the second, the channel is divided
// by
//
//	s = sqrt(r1 / r2)
//
// in the first layer and multiplied by it in the second, again and again over
// all pairs until nothing moves. ReLU lets positive factors through, so the
// outputs stay what they are but for float rounding, which is checked by
// running both models on b. ReLU6 and other bounded activations end a pair.
func Equalize(ctx context.Context, g *graph.Graph, b backend.Backend) (*graph.Graph, error) {
	c, err := g.Clone()
	if err != nil {
		return nil, err
	}
	e := equalization{use: usageOf(c), of: map[*graph.Node]*equalized{}}
	for _, n := range c.Nodes() {
		if _, ok := n.Op.(backend.FakeQuant); ok {
			return nil, fmt.Errorf("qat: equalize: the model is prepared already: it has quantizer %s", n.Name)
		}
		e.pair(n)
	}
	for range equalizeRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if e.round() < equalizeStop {
			break
		}
	}
	if err := e.store(); err != nil {
		return nil, fmt.Errorf("qat: equalize: %w", err)
	}
	if err := sameOutputs(ctx, g, c, b); err != nil {
		return nil, fmt.Errorf("qat: equalize: %w", err)
	}
	return c, nil
}

// equalization is an Equalize under way.
type equalization struct {
	use    usage
	of     map[*graph.Node]*equalized
	layers []*equalized // In the order of the graph.
	pairs  []pair
}

// equalized is a layer with the factors of its channels.
type equalized struct {
	node, bn  *graph.Node
	out, per  int       // Output channels, and input channels a group.
	perGroup  int       // Output channels a group.
	largest   []float64 // [out, per]: the largest magnitude over the kernel.
	post      []float64 // What batch normalization multiplies by.
	div, mult []float64 // Factors of output and input channels.
}

// pair is two layers that share channels: input channel i of second is
// channel i mod first.out of first.
type pair struct{ first, second *equalized }

// layer returns what is known of n, nil unless it is a layer with a weight of
// its own.
func (e *equalization) layer(n *graph.Node) *equalized {
	if l := e.of[n]; l != nil {
		return l
	}
	groups := 1
	switch op := n.Op.(type) {
	case backend.Conv:
		groups = max(op.Groups, 1)
	case backend.Gemm:
	default:
		return nil
	}
	if !e.use.own(n.In[1]) {
		return nil
	}
	w := n.In[1].Init()
	s := w.Shape()
	l := &equalized{node: n, out: s[0], per: s.Last(), perGroup: s[0] / groups}
	l.largest = make([]float64, l.out*l.per)
	kernel := w.Numel() / (l.out * l.per)
	for i, v := range w.F32() {
		at := i/(kernel*l.per)*l.per + i%l.per
		l.largest[at] = max(l.largest[at], math.Abs(float64(v)))
	}
	l.post, l.div, l.mult = ones(l.out), ones(l.out), ones(groups*l.per)
	if next := e.use.next(n.Out[0]); next != nil {
		if bn, ok := next.Op.(backend.BatchNorm); ok && next.In[1].Init() != nil && next.In[4].Init() != nil {
			l.bn = next
			gamma, variance := next.In[1].Init().F32(), next.In[4].Init().F32()
			for c := range l.post {
				l.post[c] = math.Abs(float64(gamma[c])) / math.Sqrt(float64(variance[c])+float64(bn.Eps))
			}
		}
	}
	e.of[n] = l
	e.layers = append(e.layers, l)
	return l
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// pair notes the pair that begins with n, if one does.
func (e *equalization) pair(n *graph.Node) {
	first := e.layer(n)
	if first == nil {
		return
	}
	v := n.Out[0]
	switch {
	case first.bn != nil:
		if !e.use.own(first.bn.In[1]) || !e.use.own(first.bn.In[2]) {
			return
		}
		v = first.bn.Out[0]
	case len(n.In) > 2 && !n.In[2].Absent() && !e.use.own(n.In[2]):
		return
	}
	for next := e.use.next(v); next != nil; next = e.use.next(v) {
		switch next.Op.(type) {
		case backend.Relu, backend.LeakyRelu, backend.MaxPool, backend.AveragePool, backend.GlobalAveragePool, backend.Dropout, backend.Flatten, backend.Reshape:
			v = next.Out[0]
			// Channels lie innermost: a reshape keeps them in turn when the
			// last dimension is a multiple.
			if s := v.Shape(); len(s) < 2 || s.Last()%first.out != 0 {
				return
			}
		case backend.Conv, backend.Gemm:
			if second := e.layer(next); second != nil {
				e.pairs = append(e.pairs, pair{first, second})
			}
			return
		default:
			return
		}
	}
}

// weight returns the largest effective weight from input channel i of the
// group of output channel o, and the number of that input channel.
func (l *equalized) weight(o, i int) (w float64, channel int) {
	channel = o/l.perGroup*l.per + i
	return l.largest[o*l.per+i] * l.mult[channel] * l.post[o] / l.div[o], channel
}

// round equalizes every pair once and returns the largest change of a factor,
// as a logarithm.
func (e *equalization) round() (change float64) {
	for _, p := range e.pairs {
		a, b := p.first, p.second
		r1, r2 := make([]float64, a.out), make([]float64, a.out)
		for o := range a.out {
			for i := range a.per {
				w, _ := a.weight(o, i)
				r1[o] = max(r1[o], w)
			}
		}
		for o := range b.out {
			for i := range b.per {
				w, channel := b.weight(o, i)
				r2[channel%a.out] = max(r2[channel%a.out], w)
			}
		}
		s := ones(a.out)
		for c := range s {
			f := math.Sqrt(r1[c] / r2[c])
			if r1[c] == 0 || r2[c] == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
				continue
			}
			was := a.div[c]
			a.div[c] = min(max(was*f, 1.0/equalizeLimit), equalizeLimit)
			s[c] = a.div[c] / was
			change = max(change, math.Abs(math.Log(s[c])))
		}
		for i := range b.mult {
			b.mult[i] *= s[i%a.out]
		}
	}
	return change
}

// store writes the factors into the weights, the biases and the batch
// normalizations.
func (e *equalization) store() error {
	for _, l := range e.layers {
		w := l.node.In[1].Init()
		row := w.Numel() / l.out
		scaled := tensor.New(w.Spec())
		for i, v := range w.F32() {
			o := i / row
			f := l.mult[o/l.perGroup*l.per+i%l.per]
			if l.bn == nil {
				f /= l.div[o]
			}
			scaled.F32()[i] = float32(float64(v) * f)
		}
		if err := l.node.In[1].SetInit(scaled); err != nil {
			return err
		}
		var divided []graph.Value
		switch {
		case l.bn != nil && e.use.own(l.bn.In[1]) && e.use.own(l.bn.In[2]):
			divided = l.bn.In[1:3]
		case l.bn == nil && len(l.node.In) > 2 && e.use.own(l.node.In[2]):
			divided = l.node.In[2:3]
		}
		for _, v := range divided {
			t := tensor.New(v.Spec())
			for c, x := range v.Init().F32() {
				t.F32()[c] = float32(float64(x) / l.div[c])
			}
			if err := v.SetInit(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameOutputs runs two float models on one random input and compares what
// they give.
func sameOutputs(ctx context.Context, g, h *graph.Graph, b backend.Backend) error {
	var results [2][]*tensor.Tensor
	for i, m := range []*graph.Graph{g, h} {
		p, err := program.Compile(ctx, m, program.Options{Backend: b, Mode: graph.EvalFloat})
		if err != nil {
			return err
		}
		defer p.Close()
		r := rand.New(rand.NewPCG(1, 1))
		for _, in := range m.Inputs() {
			x := tensor.New(in.Spec())
			if x.DType() == tensor.F32 {
				for j := range x.F32() {
					x.F32()[j] = float32(r.NormFloat64())
				}
			}
			if err := p.SetInput(ctx, in.Name(), x); err != nil {
				return err
			}
		}
		if err := p.Run(ctx); err != nil {
			return err
		}
		for _, o := range m.Outputs() {
			y, err := p.OutputTensor(ctx, o.Name)
			if err != nil {
				return err
			}
			results[i] = append(results[i], y)
		}
	}
	for i, o := range g.Outputs() {
		if o.Value.DType() != tensor.F32 {
			continue
		}
		var c comparison
		c.add(results[0][i].F32(), results[1][i].F32())
		if !(c.noise <= float64(equalizeError*c.signal)) {
			return fmt.Errorf("output %s would change by %.3g of its power: the weights are too far apart for float32", o.Name, c.noise/c.signal)
		}
	}
	return nil
}
