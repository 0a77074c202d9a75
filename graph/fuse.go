package graph

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// Supports reports whether a backend has a kernel for an operation on inputs
// of these types.
type Supports func(op backend.Op, in ...tensor.Spec) bool

// Fusion rewrites a lowered graph so that neighbours that each pass over a
// tensor run as one, where supports allows what it emits. Results are those
// of the graph it is given, but for the order of float sums. It returns g
// itself when there is nothing to do.
type Fusion func(g *Graph, supports Supports) (*Graph, error)

var fusions []Fusion

// RegisterFusion adds a fusion; package op calls it from init. Fusions run in
// the order of registration.
func RegisterFusion(f Fusion) { fusions = append(fusions, f) }

var updateFusions []Fusion

// RegisterUpdateFusion adds a fusion that reaches from an optimizer to the
// operations of the next step; package op calls it from init. It must put one
// node in the place of each.
func RegisterUpdateFusion(f Fusion) { updateFusions = append(updateFusions, f) }

// FuseUpdates applies the registered fusions of updates to a graph with
// gradients and optimizer.
func FuseUpdates(g *Graph, supports Supports) (*Graph, error) {
	return fuse(updateFusions, g, supports)
}

// Fuse applies the registered fusions to a graph lowered for training.
func Fuse(g *Graph, supports Supports) (*Graph, error) {
	return fuse(fusions, g, supports)
}

func fuse(fusions []Fusion, g *Graph, supports Supports) (*Graph, error) {
	for _, f := range fusions {
		if g.err != nil {
			return nil, g.err
		}
		var err error
		if g, err = f(g, supports); err != nil {
			return nil, err
		}
	}
	return g, g.err
}
