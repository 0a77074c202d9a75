package graph

import (
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// Def is what the graph knows of an operation; package op registers one an
// operation.
type Def struct {
	// Infer returns the types of the outputs. Absent inputs are zero Specs.
	Infer func(op backend.Op, in []tensor.Spec) ([]tensor.Spec, error)

	// Grad appends the gradient of n to g and returns the gradient of each
	// input, the zero Value where none flows. dOut has one entry an output,
	// zero where none arrives. The gradient of a code tensor is that of the
	// real values it stands for.
	Grad func(g *Graph, n *Node, dOut []Value) []Value
	// NoGrad says why Grad is nil.
	NoGrad string

	// Recompute says that the operation is cheap beside the memory of its
	// results, depends on nothing but its inputs and updates none: a backward
	// pass may run it again instead of keeping them.
	Recompute bool

	// ONNX is the operator's name there, with its domain when it is not the
	// default one; NoONNX says why there is none.
	ONNX   string
	NoONNX string

	// Mode, when not nil, returns the operations that replace n in a given
	// mode: batch normalization and dropout differ between training and
	// evaluation. It appends to g and returns the outputs of n.
	Mode func(g *Graph, n *Node, in []Value, m Mode) []Value

	// Integer says how the operation runs on codes; nil if it never does.
	Integer *IntegerDef
}

var defs = map[string]*Def{}

// Register adds an operation under the name of its attribute struct. It
// panics on a duplicate; call it from init.
func Register(op backend.Op, d Def) {
	name := op.OpName()
	if defs[name] != nil {
		panic("graph: duplicate registration of " + name)
	}
	defs[name] = &d
	prototypes[name] = op
}

var prototypes = map[string]backend.Op{}

// Lookup returns the definition of an operation, nil if there is none.
func Lookup(name string) *Def { return defs[name] }

// Prototype returns the registered attribute struct of an operation.
func Prototype(name string) backend.Op { return prototypes[name] }

// Registered returns the names of all operations in order.
func Registered() []string {
	var n []string
	for k := range defs {
		n = append(n, k)
	}
	slices.Sort(n)
	return n
}
