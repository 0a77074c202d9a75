package program

import (
	"fmt"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// UnsupportedError lists the operations of a program that the backend has no
// kernel for.
type UnsupportedError struct {
	Backend string
	// Ops are the operations with the types of their inputs, each once, and
	// the first node that needs it.
	Ops []UnsupportedOp
}

// UnsupportedOp is an operation that a backend cannot run.
type UnsupportedOp struct {
	Node, Op string
	In       []tensor.Spec
}

// Error lists them all, one a line after the first.
func (e *UnsupportedError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "program: backend %s has no kernel for %d operations of this program:", e.Backend, len(e.Ops))
	for _, o := range e.Ops {
		in := make([]string, len(o.In))
		for i, x := range o.In {
			in[i] = x.String()
		}
		fmt.Fprintf(&s, "\n  %s(%s), as of node %s", o.Op, strings.Join(in, ", "), o.Node)
	}
	return s.String()
}

// Unwrap returns [backend.ErrUnsupported].
func (e *UnsupportedError) Unwrap() error { return backend.ErrUnsupported }

// supported asks the backend for every operation, so that all that is missing
// is said at once.
func (p *Program) supported(pl *plan) error {
	e := &UnsupportedError{Backend: p.b.Name()}
	seen := map[string]bool{}
	for _, n := range p.g.Nodes() {
		if _, ok := n.Op.(backend.Viewer); ok || !pl.live[n] {
			continue
		}
		specs := make([]tensor.Spec, len(n.In))
		types := n.Op.OpName()
		for i, v := range n.In {
			if !v.Absent() {
				specs[i] = v.Spec()
			}
			types += fmt.Sprintf(" %v", specs[i].DType)
		}
		if p.b.Supports(n.Op, specs...) || seen[types] {
			continue
		}
		seen[types] = true
		e.Ops = append(e.Ops, UnsupportedOp{n.Name, n.Op.OpName(), specs})
	}
	if e.Ops == nil {
		return nil
	}
	return e
}
