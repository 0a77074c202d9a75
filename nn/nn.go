// Package nn builds models: layers with initializers, containers, and the
// models of the zoo. A layer is a value that describes itself; Forward
// appends its nodes to a graph, and the first error sticks:
//
//	b := nn.NewBuilder(1)
//	x := b.Input("input", 28, 28, 1)
//	y := nn.Sequential{
//		nn.Conv2D{Out: 16, Kernel: 3, Pad: 1, NoBias: true}, nn.BatchNorm{}, nn.ReLU{},
//		nn.GlobalAvgPool{}, nn.Linear{Out: 10},
//	}.Forward(b, x)
//	b.Output("logits", y)
//	g, err := b.Graph()
package nn

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op" // Registers the operations.
	"github.com/goqat/goqat/tensor"
)

// Builder is a graph under construction with a seed: every parameter is
// initialized from the seed and its own name, so that adding a layer does not
// change the others.
type Builder struct {
	G     *graph.Graph
	Seed  uint64
	DType tensor.DType
}

// NewBuilder returns a builder of a float32 graph.
func NewBuilder(seed uint64) *Builder {
	return &Builder{G: graph.New(), Seed: seed, DType: tensor.F32}
}

// Input adds an input of batch 1 and the given dimensions of one sample.
func (b *Builder) Input(name string, dims ...int) graph.Value {
	return b.G.Input(name, tensor.Spec{DType: b.DType, Shape: append(tensor.Shape{1}, dims...)})
}

// Output names a result.
func (b *Builder) Output(name string, v graph.Value) { b.G.Output(name, v) }

// Graph returns the finished graph, or the first error.
func (b *Builder) Graph() (*graph.Graph, error) {
	if err := b.G.Err(); err != nil {
		return nil, err
	}
	return b.G, nil
}

// Layer is a part of a model. Forward appends it after x; after an error it
// returns the zero Value and does nothing.
type Layer interface {
	Forward(b *Builder, x graph.Value) graph.Value
}

// Sequential applies layers in order; each gets its kind and index as scope,
// "0.conv".
type Sequential []Layer

// Forward applies the layers.
func (s Sequential) Forward(b *Builder, x graph.Value) graph.Value {
	for i, l := range s {
		b.G.Scope(fmt.Sprint(i), func() { x = l.Forward(b, x) })
	}
	return x
}

// Named gives a layer a scope of its own.
type Named struct {
	Name  string
	Layer Layer
}

// Forward applies the layer under its name.
func (n Named) Forward(b *Builder, x graph.Value) graph.Value {
	b.G.Scope(n.Name, func() { x = n.Layer.Forward(b, x) })
	return x
}

// Residual adds the layer's result to its input, or to Shortcut's result, and
// applies After.
type Residual struct {
	Body, Shortcut, After Layer
}

// Init fills a parameter. fanIn and fanOut count the inputs of an output and
// the outputs of an input.
type Init func(r *rand.Rand, v []float64, fanIn, fanOut int)

// HeNormal draws from N(0, 2/fanIn) (He et al., 2015).
func HeNormal(r *rand.Rand, v []float64, fanIn, _ int) {
	normal(r, v, math.Sqrt(2/float64(max(fanIn, 1))))
}

// HeUniform draws from U(-b, b), b = sqrt(6/fanIn).
func HeUniform(r *rand.Rand, v []float64, fanIn, _ int) {
	uniform(r, v, math.Sqrt(6/float64(max(fanIn, 1))))
}

// LeCunUniform draws from U(-b, b), b = 1/sqrt(fanIn): PyTorch's default for
// linear and convolution layers.
func LeCunUniform(r *rand.Rand, v []float64, fanIn, _ int) {
	uniform(r, v, 1/math.Sqrt(float64(max(fanIn, 1))))
}

// GlorotUniform draws from U(-b, b), b = sqrt(6/(fanIn+fanOut)).
func GlorotUniform(r *rand.Rand, v []float64, fanIn, fanOut int) {
	uniform(r, v, math.Sqrt(6/float64(max(fanIn+fanOut, 1))))
}

// Zeros and Ones are constant.
func Zeros(_ *rand.Rand, v []float64, _, _ int) { fill(v, 0) }

// Ones fills with 1.
func Ones(_ *rand.Rand, v []float64, _, _ int) { fill(v, 1) }

func fill(v []float64, c float64) {
	for i := range v {
		v[i] = c
	}
}

func normal(r *rand.Rand, v []float64, std float64) {
	for i := range v {
		v[i] = r.NormFloat64() * std
	}
}

func uniform(r *rand.Rand, v []float64, bound float64) {
	for i := range v {
		v[i] = (2*r.Float64() - 1) * bound
	}
}

// Param adds a trained parameter.
func (b *Builder) Param(name string, f Init, fanIn, fanOut int, dims ...int) graph.Value {
	return b.G.Param(name, b.tensor(name, f, fanIn, fanOut, dims))
}

// State adds a persistent value that is not trained.
func (b *Builder) State(name string, f Init, dims ...int) graph.Value {
	return b.G.State(name, b.tensor(name, f, 1, 1, dims))
}

func (b *Builder) tensor(name string, f Init, fanIn, fanOut int, dims []int) *tensor.Tensor {
	s := tensor.Spec{DType: b.DType, Shape: tensor.Shape(dims).Clone()}
	if err := s.Shape.Check(); err != nil {
		b.G.Fail(fmt.Errorf("nn: %s: %w", b.G.Name(name), err))
		return tensor.New(tensor.Of(b.DType))
	}
	v := make([]float64, s.Numel())
	f(rand.New(rand.NewPCG(b.Seed, nameHash(b.G.Name(name)))), v, fanIn, fanOut)
	t := tensor.New(s)
	if b.DType == tensor.F64 {
		copy(t.F64(), v)
		return t
	}
	for i, x := range v {
		t.F32()[i] = float32(x)
	}
	return t
}

// nameHash is FNV-1a of a value's full name.
func nameHash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}
