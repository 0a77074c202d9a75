package qat

import (
	"context"
	"fmt"
	"math"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// TensorReport compares a tensor of the quantized model with the float one.
type TensorReport struct {
	Name   string `json:"name"`
	Weight bool   `json:"weight"`
	Scheme string `json:"scheme"`
	// SQNR is 10 log10(sum x^2 / sum (x - xq)^2) in dB: for weights of the
	// rounding alone, for activations of everything up to there.
	SQNR float64 `json:"sqnr_db"`
	// Min and Max are the extremes of the float values, Lo and Hi what the
	// codes can reach (of the widest channel).
	Min float64 `json:"min"`
	Max float64 `json:"max"`
	Lo  float64 `json:"lo"`
	Hi  float64 `json:"hi"`
	// Scale is the smallest and the largest scale.
	Scale [2]float64 `json:"scale"`
	// Counts are Bins equal bins of the float values from Min to Max.
	Counts []int `json:"counts,omitempty"`
}

// histogramBins is the number of bins of TensorReport.Counts.
const histogramBins = 64

// site is a quantizer of a prepared graph.
type site struct {
	node   *graph.Node
	op     backend.FakeQuant
	weight bool
	name   string
}

// sites returns the quantizers of a prepared graph in order.
func sites(g *graph.Graph) []site {
	var s []site
	for _, n := range g.Nodes() {
		op, ok := n.Op.(backend.FakeQuant)
		if !ok {
			continue
		}
		s = append(s, site{n, op, n.In[0].Kind() == graph.Param, n.In[0].Name()})
	}
	return s
}

// Analyze runs the prepared model with quantizers off and on and reports on
// every quantized tensor.
func Analyze(ctx context.Context, g *graph.Graph, d data.Dataset, o DataOptions) ([]TensorReport, error) {
	o.defaults(d)
	if o.State == nil {
		return nil, fmt.Errorf("qat: analysis needs a Backend or a State")
	}
	probe, err := withProbes(g)
	if err != nil {
		return nil, err
	}
	all := sites(probe)
	if len(all) == 0 {
		return nil, fmt.Errorf("qat: the model has no quantizers to analyze")
	}
	exact, err := program.Compile(ctx, probe, program.Options{State: o.reference(), Batch: o.Batch, Mode: graph.EvalFloat})
	if err != nil {
		return nil, fmt.Errorf("qat: analyze: %w", err)
	}
	defer exact.Close()
	coded, err := program.Compile(ctx, probe, program.Options{State: o.State, Batch: o.Batch, Mode: graph.Eval})
	if err != nil {
		return nil, fmt.Errorf("qat: analyze: %w", err)
	}
	defer coded.Close()
	acc := make([]comparison, len(all))
	err = each(ctx, d, o, func(x *tensor.Tensor, _ int) error {
		for _, p := range []*program.Program{exact, coded} {
			if err := setInput(ctx, p, o.Input, x); err != nil {
				return err
			}
			if err := p.Run(ctx); err != nil {
				return err
			}
		}
		for i, s := range all {
			if s.weight {
				continue
			}
			a, err := exact.OutputTensor(ctx, probeName(s))
			if err != nil {
				return err
			}
			b, err := coded.OutputTensor(ctx, probeName(s))
			if err != nil {
				return err
			}
			acc[i].add(a.F32(), b.F32())
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("qat: analyze: %w", err)
	}
	reports := make([]TensorReport, len(all))
	for i, s := range all {
		if reports[i], err = s.report(ctx, o.State, o.reference(), &acc[i]); err != nil {
			return nil, err
		}
	}
	return reports, nil
}

func probeName(s site) string { return "probe." + s.name }

// withProbes returns g with every quantized activation as an output.
func withProbes(g *graph.Graph) (*graph.Graph, error) {
	c, err := g.Clone()
	if err != nil {
		return nil, err
	}
	for _, s := range sites(c) {
		if !s.weight {
			c.Output(probeName(s), s.node.Out[0])
		}
	}
	return c, c.Err()
}

// comparison gathers the statistics of one tensor.
type comparison struct {
	signal, noise float64
	min, max      float64
	values        []float32
	seen          bool
}

func (c *comparison) add(x, q []float32) {
	if !c.seen {
		c.min, c.max, c.seen = math.Inf(1), math.Inf(-1), true
	}
	for i, v := range x {
		a, b := float64(v), float64(q[i])
		c.signal += float64(a * a)
		c.noise += float64((a - b) * (a - b))
		c.min, c.max = min(c.min, a), max(c.max, a)
	}
	// A histogram needs the range first: a sample of the values is enough.
	const sampled = 1 << 16
	step := max(len(x)/sampled, 1)
	for i := 0; i < len(x) && len(c.values) < 4*sampled; i += step {
		c.values = append(c.values, x[i])
	}
}

func (c *comparison) sqnr() float64 {
	if c.noise == 0 {
		return 200
	}
	return 10 * math.Log10(max(c.signal, 1e-30)/c.noise)
}

func (c *comparison) counts() []int {
	n := make([]int, histogramBins)
	w := (c.max - c.min) / histogramBins
	for _, v := range c.values {
		i := 0
		if w > 0 {
			i = int((float64(v) - c.min) / w)
		}
		n[min(max(i, 0), histogramBins-1)]++
	}
	return n
}

func (s site) report(ctx context.Context, state, reference *program.State, c *comparison) (TensorReport, error) {
	r := TensorReport{Name: s.name, Weight: s.weight, Scheme: s.op.Scheme.String()}
	scale, err := state.Read(ctx, storedName(s.node.In[1]))
	if err != nil {
		return r, fmt.Errorf("qat: analyze %s: %w", s.name, err)
	}
	zero, err := state.Read(ctx, storedName(s.node.In[2]))
	if err != nil {
		return r, fmt.Errorf("qat: analyze %s: %w", s.name, err)
	}
	lo, hi := s.op.Scheme.Range()
	if s.weight {
		w, err := state.Read(ctx, s.name)
		if err != nil {
			return r, fmt.Errorf("qat: analyze %s: %w", s.name, err)
		}
		exact, err := reference.Read(ctx, s.name)
		if err != nil {
			return r, fmt.Errorf("qat: analyze %s: %w", s.name, err)
		}
		l, err := s.op.Scheme.Layout(w.Shape())
		if err != nil {
			return r, fmt.Errorf("qat: analyze %s: %w", s.name, err)
		}
		q := make([]float32, w.Numel())
		quant.FakeQuantize(s.op.Rule, q, nil, w.F32(), scale.F32(), zero.I32(), lo, hi, l, 0, len(q))
		c.add(exact.F32(), q)
	}
	r.SQNR, r.Min, r.Max, r.Counts = c.sqnr(), c.min, c.max, c.counts()
	r.Scale = [2]float64{math.Inf(1), 0}
	for i, v := range scale.F32() {
		x := float64(v)
		r.Scale[0], r.Scale[1] = min(r.Scale[0], x), max(r.Scale[1], x)
		r.Lo = min(r.Lo, x*float64(lo-zero.I32()[i]))
		r.Hi = max(r.Hi, x*float64(hi-zero.I32()[i]))
	}
	return r, nil
}

// storedName returns the name of the state or param that a scale or zero
// point is stored in, which observers update in place.
func storedName(v graph.Value) string {
	for v.Kind() == graph.Computed {
		n, out := v.Producer()
		u, ok := n.Op.(backend.Updater)
		if !ok || u.Updates(out) < 0 {
			break
		}
		v = n.In[u.Updates(out)]
	}
	return v.Name()
}
