package nn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Model describes a network of the zoo.
type Model struct {
	// Name is what the command takes.
	Name string
	// Input is the sample shape the published network was made for, Classes
	// its number of outputs; 0 classes is a network that gives back its input.
	Input   tensor.Shape
	Classes int
	// About says where it comes from.
	About string
	// Build appends the network after x and returns its logits.
	Build func(b *Builder, x graph.Value, classes int) graph.Value
}

var zoo = map[string]Model{}

// RegisterModel adds a model; call it from init. It panics on a duplicate.
func RegisterModel(m Model) {
	if _, ok := zoo[m.Name]; ok {
		panic("nn: duplicate model " + m.Name)
	}
	zoo[m.Name] = m
}

// Models returns the models of the zoo by name.
func Models() []Model {
	var ms []Model
	for _, m := range zoo {
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return ms
}

// Build returns the graph of a model with input "input" of the given sample
// shape and output "logits". A nil shape and 0 classes take the published
// ones.
func Build(name string, sample tensor.Shape, classes int, seed uint64) (*graph.Graph, error) {
	m, ok := zoo[name]
	if !ok {
		var names []string
		for _, m := range Models() {
			names = append(names, m.Name)
		}
		return nil, fmt.Errorf("nn: unknown model %q: have %s", name, strings.Join(names, ", "))
	}
	if sample == nil {
		sample = m.Input
	}
	if classes == 0 {
		classes = m.Classes
	}
	b := NewBuilder(seed)
	x := b.Input("input", sample...)
	b.Output("logits", m.Build(b, x, classes))
	g, err := b.Graph()
	if err != nil {
		return nil, fmt.Errorf("nn: model %s on samples of %v: %w", name, sample, err)
	}
	return g, nil
}

// ParamCount returns the number of trained values of g.
func ParamCount(g *graph.Graph) int {
	n := 0
	for _, v := range g.Values(graph.Param) {
		n += v.Spec().Numel()
	}
	return n
}

// convBNReLU is the block that most of the zoo is made of.
func convBNReLU(c Conv2D, act Layer) Layer {
	c.NoBias = true
	s := Sequential{c, BatchNorm{}}
	if act != nil {
		s = append(s, act)
	}
	return s
}
