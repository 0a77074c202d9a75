package qat

import (
	"context"
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/quant"
)

// Model is a converted model: a graph of integer operations with all weights,
// multipliers and biases as constants. Its inputs are float, followed by
// quantize_linear, its outputs come from dequantize_linear; targets that take
// codes cut these off. Targets lower it; nothing in it is computed again.
type Model struct {
	Graph *graph.Graph
	Rule  quant.Rule
	// Config is what the model was prepared with.
	Config *Config
}

// Tensor is a quantized tensor of a Model.
type Tensor struct {
	// Value has the codes.
	Value  graph.Value
	Scale  []float32
	Zero   []int32
	Scheme quant.Scheme
}

// Convert turns the prepared graph g, whose params and states hold the
// trained numbers (see program.State.StoreTo), into integers. The scales are
// the trained ones, read and never recomputed. b computes the constants.
func Convert(ctx context.Context, g *graph.Graph, c *Config, b backend.Backend) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	rule, err := quant.RuleByName(c.Rule)
	if err != nil {
		return nil, fmt.Errorf("qat: %w", err)
	}
	if err := checkScales(g); err != nil {
		return nil, err
	}
	low, err := graph.Lower(g, graph.Eval, 0)
	if err != nil {
		return nil, fmt.Errorf("qat: convert: %w", err)
	}
	folded, err := program.Fold(ctx, low, b)
	if err != nil {
		return nil, fmt.Errorf("qat: convert: %w", err)
	}
	return &Model{Graph: folded, Rule: rule, Config: c}, nil
}

// checkScales refuses a graph without quantizers, and scales that no
// calibration or training has set.
func checkScales(g *graph.Graph) error {
	found := false
	for _, n := range g.Nodes() {
		if _, ok := n.Op.(backend.FakeQuant); !ok {
			continue
		}
		found = true
		v := n.In[1]
		for v.Kind() == graph.Computed {
			p, out := v.Producer()
			u, ok := p.Op.(backend.Updater)
			if !ok || u.Updates(out) < 0 {
				return fmt.Errorf("qat: the scale of %s is computed in the graph", n.Name)
			}
			v = p.In[u.Updates(out)]
		}
		for i, s := range v.Init().F32() {
			if !(s > 0) {
				return fmt.Errorf("qat: %s[%d] is %v: train or calibrate the model first", v.Name(), i, s)
			}
		}
	}
	if !found {
		return fmt.Errorf("qat: the model has no quantizers: prepare and calibrate or train it first")
	}
	return nil
}

// Tensors returns the quantized activations of m in the order they are
// computed, by the names of their values.
func (m *Model) Tensors() []Tensor {
	var ts []Tensor
	for _, n := range m.Graph.Nodes() {
		for _, o := range n.Out {
			c, ok := m.Graph.CodesOf(o)
			if !ok {
				continue
			}
			t := Tensor{Value: o, Scheme: c.Scheme}
			if x := c.Scale.Init(); x != nil {
				t.Scale = x.F32()
			}
			if x := c.Zero.Init(); x != nil {
				t.Zero = x.I32()
			}
			ts = append(ts, t)
		}
	}
	return ts
}
