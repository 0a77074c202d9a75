package qat

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// AdaRoundOptions govern [AdaRound]; a zero field takes its default.
type AdaRoundOptions struct {
	// Steps is the number of optimizer steps a layer (1000), Batch the
	// samples of a step (32), LR the rate of Adam (0.03).
	Steps int
	Batch int
	LR    float64
	// Reg weighs the term that drives each weight to one of its two codes
	// against the error of the layer, both relative to those of rounding to
	// nearest (3).
	Reg  float64
	Seed uint64
	// Bytes bounds the inputs and results of a layer that are kept (256
	// MiB); large layers look at fewer samples.
	Bytes int64
	// Report, when not nil, is told of every layer.
	Report func(AdaRoundLayer)
}

// AdaRoundLayer is what [AdaRound] did to a layer.
type AdaRoundLayer struct {
	// Name is the layer's, Samples how many it was fitted on.
	Name    string
	Samples int
	// Nearest and Rounded are the mean squared errors of the layer's result
	// with weights rounded to nearest and as chosen.
	Nearest, Rounded float64
	// Changed counts the weights that are not rounded to nearest.
	Changed int
}

func (a *AdaRoundOptions) defaults() error {
	if a.Steps < 0 || a.Batch < 0 || a.Bytes < 0 || !(a.LR >= 0) || !(a.Reg >= 0) || math.IsInf(a.LR, 0) || math.IsInf(a.Reg, 0) {
		return fmt.Errorf("qat: adaround: steps %d, batch %d, bytes %d, rate %v and regularization %v must be 0 or more", a.Steps, a.Batch, a.Bytes, a.LR, a.Reg)
	}
	for _, f := range []struct {
		v *int
		d int
	}{{&a.Steps, 1000}, {&a.Batch, 32}} {
		if *f.v == 0 {
			*f.v = f.d
		}
	}
	if a.LR == 0 {
		a.LR = 0.03
	}
	if a.Reg == 0 {
		a.Reg = 3
	}
	if a.Bytes == 0 {
		a.Bytes = 256 << 20
	}
	return nil
}

// AdaRound chooses for every weight of a calibrated model whether it is
// rounded down or up, so that each layer's result on samples of d is as close
// as possible to that of the float model (Nagel et al., 2020). Layers are
// fitted in order on the inputs that the quantized layers before them give;
// the error is that after batch normalization and activation, their equation
// 25. The weights in o.State become scale * code of the chosen codes, which
// every later rounding keeps. A layer for which no choice is better than
// rounding to nearest stays as it is. The float model is that of o.Reference;
// with nil, a copy of o.State is made first. The result depends on nothing
// but the arguments.
func AdaRound(ctx context.Context, prepared *graph.Graph, d data.Dataset, o DataOptions, a AdaRoundOptions) error {
	if err := a.defaults(); err != nil {
		return err
	}
	o.defaults(d)
	if o.State == nil {
		return errors.New("qat: adaround needs a State: that of the calibration")
	}
	if o.Samples < 1 {
		return errors.New("qat: adaround needs data: there are no samples")
	}
	if o.Reference == nil {
		values, err := o.State.Snapshot(ctx)
		if err != nil {
			return fmt.Errorf("qat: adaround: %w", err)
		}
		o.Reference = program.NewState(o.State.Backend())
		for _, name := range o.State.Names() {
			if err := o.Reference.Write(ctx, name, values[name]); err != nil {
				return fmt.Errorf("qat: adaround: %w", err)
			}
		}
	}
	found := false
	for i, u := range units(prepared, usageOf(prepared)) {
		if u.weight == nil {
			continue
		}
		found = true
		report, err := adaRoundLayer(ctx, prepared, u, d, o, a, uint64(i))
		if err != nil {
			return fmt.Errorf("qat: adaround: %s: %w", u.name(), err)
		}
		if a.Report != nil {
			a.Report(report)
		}
	}
	if !found {
		return errors.New("qat: adaround: no layer has quantized weights: prepare and calibrate the model first")
	}
	return nil
}

// adaRoundLayer fits the rounding of one layer and writes its weights.
func adaRoundLayer(ctx context.Context, g *graph.Graph, u unit, d data.Dataset, o DataOptions, a AdaRoundOptions, stream uint64) (AdaRoundLayer, error) {
	r := AdaRoundLayer{Name: u.name()}
	s, err := observeLayer(ctx, g, u, d, o, a)
	if err != nil {
		return r, err
	}
	r.Samples = s.n
	f, err := newRounding(ctx, u, o.State)
	if err != nil {
		return r, err
	}
	batch := min(a.Batch, s.n)
	judge, err := f.judge(ctx, s, batch)
	if err != nil {
		return r, err
	}
	nearest := f.nearest()
	if r.Nearest, err = judge(ctx, nearest); err != nil {
		return r, err
	}
	r.Rounded = r.Nearest
	if r.Nearest == 0 {
		return r, nil // Every weight is a code already.
	}
	chosen, err := f.fit(ctx, s, batch, a, r.Nearest, rand.New(rand.NewPCG(a.Seed, stream)))
	if err != nil {
		return r, err
	}
	loss, err := judge(ctx, chosen)
	if err != nil {
		return r, err
	}
	if !(loss < r.Nearest) {
		return r, nil
	}
	r.Rounded = loss
	for i, w := range chosen.F32() {
		if w != nearest.F32()[i] {
			r.Changed++
		}
	}
	return r, o.State.Write(ctx, u.weight.In[0].Name(), chosen)
}

// observations are the inputs of a layer in the quantized model and its
// results in the float one, sample by sample.
type observations struct {
	n          int
	x, y       []float32
	xSpec      tensor.Shape // Of one sample.
	ySpec      tensor.Shape
	xOne, yOne int
}

// observeLayer runs the model up to the layer.
func observeLayer(ctx context.Context, g *graph.Graph, u unit, d data.Dataset, o DataOptions, a AdaRoundOptions) (*observations, error) {
	in, out := u.layer.In[0], u.result()
	s := &observations{xSpec: in.Shape()[1:], ySpec: out.Shape()[1:]}
	s.xOne, s.yOne = s.xSpec.Numel(), s.ySpec.Numel()
	if most := a.Bytes / int64(4*(s.xOne+s.yOne)); most < int64(o.Samples) {
		o.Samples = int(max(most, 1))
	}
	o.Batch = min(o.Batch, o.Samples)
	var ps [2]*program.Program
	for i, c := range []struct {
		v graph.Value
		s *program.State
		m graph.Mode
	}{{in, o.State, graph.Mode{Quantize: graph.QuantizeFloat}}, {out, o.Reference, graph.EvalFloat}} {
		probe, err := probed(g, func(p *graph.Copy) { p.Dst.Output("probe", p.Value(c.v)) })
		if err != nil {
			return nil, err
		}
		if ps[i], err = program.Compile(ctx, probe, program.Options{State: c.s, Batch: o.Batch, Mode: c.m}); err != nil {
			return nil, err
		}
		defer ps[i].Close()
	}
	err := each(ctx, d, o, func(x *tensor.Tensor, n int) error {
		for i, p := range ps {
			if err := setInput(ctx, p, o.Input, x); err != nil {
				return err
			}
			if err := p.Run(ctx); err != nil {
				return err
			}
			t, err := p.OutputTensor(ctx, "probe")
			if err != nil {
				return err
			}
			for j, v := range t.F32() {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					return fmt.Errorf("value %d of its %s is %v", j, [2]string{"input", "result"}[i], v)
				}
			}
			if i == 0 {
				s.x = append(s.x, t.F32()...)
			} else {
				s.y = append(s.y, t.F32()...)
			}
		}
		s.n += n
		return nil
	})
	return s, err
}

// batch copies the samples of these numbers into the inputs of p.
func (s *observations) batch(ctx context.Context, p *program.Program, x, y *tensor.Tensor, at []int) error {
	for i, k := range at {
		copy(x.F32()[i*s.xOne:(i+1)*s.xOne], s.x[k*s.xOne:(k+1)*s.xOne])
		copy(y.F32()[i*s.yOne:(i+1)*s.yOne], s.y[k*s.yOne:(k+1)*s.yOne])
	}
	if err := p.SetInput(ctx, "x", x); err != nil {
		return err
	}
	return p.SetInput(ctx, "y", y)
}

// inputs returns the tensors of a batch.
func (s *observations) inputs(batch int) (x, y *tensor.Tensor) {
	return tensor.New(tensor.Of(tensor.F32, append([]int{batch}, s.xSpec...)...)),
		tensor.New(tensor.Of(tensor.F32, append([]int{batch}, s.ySpec...)...))
}

// rounding is the layer whose weights are being rounded.
type rounding struct {
	u      unit
	b      backend.Backend
	q      backend.FakeQuant
	weight *tensor.Tensor
	scale  []float32
	zero   []int32
	layout quant.Layout
	// consts are the values of bias and batch normalization by their ids.
	consts map[int]*tensor.Tensor
}

func newRounding(ctx context.Context, u unit, s *program.State) (*rounding, error) {
	f := &rounding{u: u, b: s.Backend(), q: u.weight.Op.(backend.FakeQuant), consts: map[int]*tensor.Tensor{}}
	read := func(v graph.Value) (*tensor.Tensor, error) {
		if v.Kind() == graph.Const {
			return v.Init(), nil
		}
		return s.Read(ctx, storedName(v))
	}
	var err error
	if f.weight, err = read(u.weight.In[0]); err != nil {
		return nil, err
	}
	scale, err := read(u.weight.In[1])
	if err != nil {
		return nil, err
	}
	zero, err := read(u.weight.In[2])
	if err != nil {
		return nil, err
	}
	f.scale, f.zero = scale.F32(), zero.I32()
	if f.layout, err = f.q.Scheme.Layout(f.weight.Shape()); err != nil {
		return nil, err
	}
	stored := append([]graph.Value{}, u.layer.In[2:]...)
	if u.bn != nil {
		stored = append(stored, u.bn.In[1:]...)
	}
	for _, v := range stored {
		if v.Absent() {
			continue
		}
		if f.consts[v.ID()], err = read(v); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// scaleOf returns the scale of weight i.
func (f *rounding) scaleOf(i int) float32 { return f.scale[i/f.layout.Inner%f.layout.Channels] }

// forward appends the layer with weights w, batch normalization and clamp.
func (f *rounding) forward(g *graph.Graph, x, w graph.Value) graph.Value {
	stored := func(v graph.Value) graph.Value {
		if v.Absent() {
			return v
		}
		return g.Const(v.Name(), f.consts[v.ID()])
	}
	in := []graph.Value{x, w}
	for _, v := range f.u.layer.In[2:] {
		in = append(in, stored(v))
	}
	y := g.Apply(f.u.layer.Op, in...)
	if f.u.bn != nil {
		in = []graph.Value{y}
		for _, v := range f.u.bn.In[1:] {
			in = append(in, stored(v))
		}
		y = g.Apply(backend.BatchNormEval{Eps: f.u.bn.Op.(backend.BatchNorm).Eps}, in...)
	}
	if f.u.act != nil {
		y = g.Apply(f.u.act.Op, y)
	}
	return y
}

// nearest returns the weights as the quantizer rounds them.
func (f *rounding) nearest() *tensor.Tensor {
	t := tensor.New(f.weight.Spec())
	lo, hi := f.q.Scheme.Range()
	quant.FakeQuantize(f.q.Rule, t.F32(), nil, f.weight.F32(), f.scale, f.zero, lo, hi, f.layout, 0, t.Numel())
	return t
}

// judge returns a function that gives the mean squared error of the layer's
// result with given weights, over whole batches of all samples.
func (f *rounding) judge(ctx context.Context, s *observations, batch int) (func(context.Context, *tensor.Tensor) (float64, error), error) {
	x, y := s.inputs(batch)
	g := graph.New()
	out := f.forward(g, g.Input("x", x.Spec()), g.State("weight", f.weight))
	g.Output("loss", g.Apply(backend.MSE{}, out, g.Input("y", y.Spec())))
	state := program.NewState(f.b)
	p, err := program.Compile(ctx, g, program.Options{State: state, Lowered: true})
	if err != nil {
		return nil, err
	}
	loss, at := tensor.New(tensor.Of(tensor.F32)), make([]int, batch)
	return func(ctx context.Context, w *tensor.Tensor) (float64, error) {
		if err := state.Write(ctx, "weight", w); err != nil {
			return 0, err
		}
		sum, n := 0.0, 0
		for from := 0; from+batch <= s.n; from += batch {
			for i := range at {
				at[i] = from + i
			}
			if err := s.batch(ctx, p, x, y, at); err != nil {
				return 0, err
			}
			if err := p.Run(ctx); err != nil {
				return 0, err
			}
			if err := p.ReadOutput(ctx, "loss", loss); err != nil {
				return 0, err
			}
			sum += float64(loss.F32()[0])
			n++
		}
		return sum / float64(n), nil
	}, nil
}
