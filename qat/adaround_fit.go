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

// The rectified sigmoid h(v) = clip(sigmoid(v) * (zeta-gamma) + gamma, 0, 1)
// reaches 0 and 1 (AdaRound, equation 23).
const (
	stretchZeta  = 1.1
	stretchGamma = -0.1
)

// The exponent of the regularizer goes from betaFirst to betaLast once the
// first part of the steps, free of it, is over.
const (
	betaFirst = 20.0
	betaLast  = 2.0
	freePart  = 0.2
)

// fit returns the weights scale * code with each code rounded down or up as
// the optimization decides; the zero point of weights is 0. It minimizes
//
//	MSE(layer(W), y) / nearest + reg * mean(1 - |2 h(v) - 1|^beta)
//
// over v, W = scale * clamp(floor(w/scale) + h(v)), h(v) beginning at the
// fraction that floor cuts off.
func (f *rounding) fit(ctx context.Context, s *observations, batch int, a AdaRoundOptions, nearest float64, r *rand.Rand) (*tensor.Tensor, error) {
	x, y := s.inputs(batch)
	g, floor := f.relaxed(x.Spec(), y.Spec(), nearest)
	if err := g.Err(); err != nil {
		return nil, err
	}
	state := program.NewState(f.b)
	p, err := program.Compile(ctx, g, program.Options{State: state, Lowered: true, Loss: "loss", Update: func(g *graph.Graph, params, grads []graph.Value) error {
		rate := g.Const("rate", tensor.FromF32([]float32{float32(a.LR)}, 1))
		step := g.Apply(backend.Increment{}, g.State("step", tensor.New(tensor.Of(tensor.I64, 1))))
		for i, v := range params {
			if grads[i].Absent() {
				return fmt.Errorf("the error does not depend on the rounding")
			}
			m, n := g.State("m", tensor.New(v.Spec())), g.State("n", tensor.New(v.Spec()))
			g.Apply(backend.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, v, grads[i], m, n, rate, step)
		}
		return g.Err()
	}})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	at := make([]int, batch)
	power, reg := tensor.New(tensor.Of(tensor.F32)), tensor.New(tensor.Of(tensor.F32))
	free := int(freePart * float64(a.Steps))
	for step := range a.Steps {
		for i := range at {
			at[i] = r.IntN(s.n)
		}
		if err := s.batch(ctx, p, x, y, at); err != nil {
			return nil, err
		}
		if step >= free {
			reg.F32()[0] = float32(a.Reg)
			done := float64(step-free) / float64(max(a.Steps-free-1, 1))
			// The graph raises (2h-1)^2, so it takes half the exponent.
			power.F32()[0] = float32((betaFirst + (betaLast-betaFirst)*done) / 2)
		}
		if err := p.SetInput(ctx, "power", power); err != nil {
			return nil, err
		}
		if err := p.SetInput(ctx, "reg", reg); err != nil {
			return nil, err
		}
		if err := p.Run(ctx); err != nil {
			return nil, err
		}
	}
	v, err := state.Read(ctx, "rounding")
	if err != nil {
		return nil, err
	}
	lo, hi := f.q.Scheme.Range()
	w := tensor.New(f.weight.Spec())
	for i, code := range floor.F32() {
		if v.F32()[i] >= 0 { // h >= 1/2.
			code++
		}
		w.F32()[i] = f.scaleOf(i) * min(max(code, float32(lo)), float32(hi))
	}
	return w, nil
}

// relaxed returns the graph that computes the loss from soft roundings, and
// floor(w/scale) of every weight.
func (f *rounding) relaxed(xs, ys tensor.Spec, nearest float64) (*graph.Graph, *tensor.Tensor) {
	spec := f.weight.Spec()
	start, floors, scales := tensor.New(spec), tensor.New(spec), tensor.New(spec)
	lo, hi := f.q.Scheme.Range()
	for i, w := range f.weight.F32() {
		steps := float64(w) / float64(f.scaleOf(i))
		floor := math.Floor(steps)
		start.F32()[i] = float32(-math.Log((stretchZeta-stretchGamma)/(steps-floor-stretchGamma) - 1))
		floors.F32()[i] = float32(floor)
		scales.F32()[i] = f.scaleOf(i)
	}
	g := graph.New()
	scalar := func(v float64) graph.Value { return g.Scalar(tensor.F32, v) }
	mul := func(a, b graph.Value) graph.Value { return g.Apply(backend.Mul{}, a, b) }
	add := func(a, b graph.Value) graph.Value { return g.Apply(backend.Add{}, a, b) }
	x, y := g.Input("x", xs), g.Input("y", ys)
	power, reg := g.Input("power", tensor.Of(tensor.F32)), g.Input("reg", tensor.Of(tensor.F32))
	v := g.Param("rounding", start)
	h := add(mul(g.Apply(backend.Sigmoid{}, v), scalar(stretchZeta-stretchGamma)), scalar(stretchGamma))
	h = g.Apply(backend.Clip{Lo: 0, Hi: 1}, h)
	code := g.Apply(backend.Clip{Lo: float32(lo), Hi: float32(hi)}, add(g.Const("floor", floors), h))
	w := mul(code, g.Const("scale", scales))
	loss := mul(g.Apply(backend.MSE{}, f.forward(g, x, w), y), scalar(1/nearest))
	// |u|^beta = exp(beta/2 * log(u^2)), kept off log(0).
	u := add(mul(h, scalar(2)), scalar(-1))
	sharp := g.Apply(backend.Exp{}, mul(g.Apply(backend.Log{}, add(mul(u, u), scalar(1e-6))), power))
	soft := g.Apply(backend.Sub{}, scalar(1), g.Apply(backend.Reduce{Kind: backend.ReduceMean}, sharp))
	g.Output("loss", add(loss, mul(reg, soft)))
	return g, floors
}
