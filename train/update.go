package train

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Names of the states that a training program has beside the model's.
const (
	stateRate = "train.lr"
	stateMove = "train.momentum"
	stateStep = "train.step"
	optPrefix = "opt."
	emaPrefix = "ema."
)

// update appends the optimizer of c to g.
func (c *Config) update(g *graph.Graph, params, grads []graph.Value) error {
	rate := g.State(stateRate, tensor.New(tensor.Of(tensor.F32, 1)))
	if c.Schedule.CycleMomentum {
		g.State(stateMove, tensor.New(tensor.Of(tensor.F32, 1)))
	}
	step := g.Apply(backend.Increment{}, g.State(stateStep, tensor.New(tensor.Of(tensor.I64, 1))))
	var ps, ds []graph.Value
	for i := range params {
		if !grads[i].Absent() {
			ps, ds = append(ps, params[i]), append(ds, grads[i])
		}
	}
	if len(ps) == 0 {
		return fmt.Errorf("train: the loss depends on no parameter")
	}
	if c.ClipNorm > 0 {
		f := g.Apply(backend.ClipScale{Max: float32(c.ClipNorm)}, g.Apply(backend.GradNorm{}, ds...))
		for i := range ds {
			ds[i] = g.Apply(backend.ScaleBy{}, ds[i], f)
		}
	}
	for i, p := range ps {
		n := c.updateOne(g, p, ds[i], rate, step)
		if c.EMA > 0 {
			avg := g.State(emaPrefix+p.Name(), p.Init())
			g.Apply(backend.EMA{Decay: float32(c.EMA)}, avg, n)
		}
	}
	return g.Err()
}

// updateOne appends the update of one parameter and returns its new value.
func (c *Config) updateOne(g *graph.Graph, p, d, rate, step graph.Value) graph.Value {
	o := c.Optimizer
	decay := float32(o.WeightDecay)
	if !c.decays(p.Name()) {
		decay = 0
	}
	zeros := func(kind string) graph.Value {
		return g.State(optPrefix+p.Name()+"."+kind, tensor.New(p.Spec()))
	}
	or := func(v, d float64) float32 {
		if v == 0 {
			return float32(d)
		}
		return float32(v)
	}
	if o.Name == "sgd" {
		op := backend.SGD{Momentum: float32(o.Momentum), WeightDecay: decay, Nesterov: o.Nesterov}
		var v graph.Value
		if o.Momentum > 0 {
			v = zeros("velocity")
		}
		if move, ok := g.Lookup(stateMove); ok {
			return g.Apply(op, p, d, v, rate, move)
		}
		return g.Apply(op, p, d, v, rate)
	}
	op := backend.Adam{Beta1: or(o.Beta1, 0.9), Beta2: or(o.Beta2, 0.999), Eps: or(o.Eps, 1e-8), WeightDecay: decay, Decoupled: o.Name == "adamw"}
	return g.Apply(op, p, d, zeros("m"), zeros("v"), rate, step)
}
