// Package program turns a graph into something that runs: it lowers the graph
// for a mode, differentiates it, plans its memory into one arena, binds every
// operation to a backend once, and then runs steps that allocate nothing.
package program

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op" // Registers the operations.
	"github.com/goqat/goqat/tensor"
)

// Options of [Compile].
type Options struct {
	// Backend runs the program; State holds the persistent tensors. With a
	// State the Backend may be nil.
	Backend backend.Backend
	State   *State
	// Mode says what to compute; Batch is the outermost dimension of all
	// inputs, 0 keeps the graph's.
	Mode  graph.Mode
	Batch int
	// Loss names the output to differentiate; empty for inference.
	Loss string
	// Update appends the optimizer: it receives the lowered graph, its
	// trainable parameters and their gradients (absent where the loss does
	// not depend on one). Used only with Loss.
	Update func(g *graph.Graph, params, grads []graph.Value) error
	// Trainable restricts the parameters to train; nil means all.
	Trainable func(name string) bool
	// Extend, when not nil, is called on the lowered graph before
	// differentiation, to add outputs.
	Extend func(g *graph.Graph) error
	// KeepAll keeps every value that gradients need from the forward pass,
	// and leaves operations apart that would run as one: more memory, the
	// same results but for the order of float sums.
	KeepAll bool
	// Lowered says that the graph is already lowered: it is run as it is.
	Lowered bool
	// Memory bounds the bytes of the program, 0 for no bound. What does not
	// fit is refused with a [MemoryError]: before anything is allocated, but
	// for what kernels take beside it, which only bound kernels know.
	Memory int64
	// Parallel says that other programs do the step on other parts of a batch.
	// Backends must have been joined before ([backend.Join]), and the programs
	// run at the same time.
	Parallel Parallel
}

// Program is a compiled graph. One program runs one step at a time; different
// programs may run at the same time unless they update the same State.
type Program struct {
	b      backend.Backend
	state  *State
	g      *graph.Graph
	steps  []step
	inputs map[string]backend.Buffer
	outs   map[string]backend.Buffer
	mem    Memory
	// forward is the number of nodes before the backward pass, 0 without one.
	forward int
	// owned is the memory that is not the State's.
	owned  []backend.Buffer
	replay replay
	// derivations make what the steps leave for the next; writes are the
	// persistent tensors that they change.
	derivations []*derivation
	writes      []*stored
	// commit is the first step that changes a parameter; early are the names of
	// what is changed before it.
	commit int
	early  []string
}

type step struct {
	kernel backend.Kernel
	node   *graph.Node
}

// NodeError is a fault while running a node.
type NodeError struct {
	Node, Op string
	In       []tensor.Spec
	Err      error
}

// Error returns one line.
func (e *NodeError) Error() string {
	return fmt.Sprintf("program: node %s (%s): %v", e.Node, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *NodeError) Unwrap() error { return e.Err }

// Compile prepares g. The graph itself is not changed.
func Compile(ctx context.Context, g *graph.Graph, o Options) (*Program, error) {
	if err := g.Err(); err != nil {
		return nil, err
	}
	if o.State == nil {
		if o.Backend == nil {
			return nil, errors.New("program: Options needs a Backend or a State")
		}
		o.State = NewState(o.Backend)
	}
	if err := o.Parallel.check(); err != nil {
		return nil, err
	}
	b := o.State.Backend()
	low := g
	if !o.Lowered {
		var err error
		if low, err = graph.Lower(g, o.Mode, o.Batch); err != nil {
			return nil, err
		}
	}
	if o.Extend != nil {
		if err := o.Extend(low); err != nil {
			return nil, err
		}
	}
	forward := 0
	if o.Loss != "" {
		if !o.KeepAll {
			var err error
			if low, err = graph.Fuse(low, b.Supports); err != nil {
				return nil, err
			}
		}
		o.Parallel.place(low)
		forward = len(low.Nodes())
		if err := differentiate(low, o); err != nil {
			return nil, err
		}
	}
	if err := low.Err(); err != nil {
		return nil, err
	}
	forward -= low.DeferUpdates(forward)
	more, err := o.Parallel.states(low, forward)
	if err != nil {
		return nil, err
	}
	if o.Loss != "" {
		forward += more
	}
	if o.Loss != "" && !o.KeepAll {
		if low, err = graph.FuseUpdates(low, b.Supports); err != nil {
			return nil, err
		}
	}
	p := &Program{b: b, state: o.State, g: low, inputs: map[string]backend.Buffer{}, outs: map[string]backend.Buffer{}, forward: forward}
	if err := p.build(ctx, o.Memory); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func differentiate(g *graph.Graph, o Options) error {
	loss, ok := g.Lookup(o.Loss)
	if !ok {
		return fmt.Errorf("program: no output %q to differentiate", o.Loss)
	}
	var params []graph.Value
	for _, v := range g.Values(graph.Param) {
		if o.Trainable == nil || o.Trainable(v.Name()) {
			params = append(params, v)
		}
	}
	backward := g.BackwardRecompute
	if o.KeepAll {
		backward = g.Backward
	}
	grads := backward(loss, params...)
	if err := g.Err(); err != nil {
		return err
	}
	grads = o.Parallel.gradients(g, grads)
	if err := g.Err(); err != nil {
		return err
	}
	if o.Update == nil {
		for i, v := range params {
			if !grads[i].Absent() {
				g.Output("grad."+v.Name(), grads[i])
			}
		}
		return g.Err()
	}
	return o.Update(g, params, grads)
}

// Graph returns the lowered graph, with gradients and optimizer.
func (p *Program) Graph() *graph.Graph { return p.g }

// State returns the persistent tensors.
func (p *Program) State() *State { return p.state }

// Run runs one step. It stops between operations when ctx is done. A fault
// names the node. From the second step on a backend that can record runs the
// step as one.
func (p *Program) Run(ctx context.Context) error { return p.run(ctx, nil) }

// run runs one step. With a gate, that is asked whether to go on instead of the
// context.
func (p *Program) run(ctx context.Context, gate Gate) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	done, err := p.replayed(ctx)
	if err != nil {
		return p.locate(err)
	}
	if !done {
		for i := range p.steps {
			switch {
			case gate == nil:
				err = ctx.Err()
			case i < p.commit:
				err = gate.Open()
			case i == p.commit:
				err = gate.Pass()
			}
			if err == nil {
				err = p.runStep(ctx, &p.steps[i])
			}
			if err != nil {
				return err
			}
		}
	}
	if err := p.b.Sync(ctx); err != nil {
		return p.locate(err)
	}
	p.finish()
	return nil
}

// Close gives back the memory of the program, where the backend's is not
// Go's. The State stays. A closed program must not run, nor must its outputs
// be read.
func (p *Program) Close() {
	if p == nil {
		return
	}
	r, ok := p.b.(backend.Releaser)
	if !ok {
		return
	}
	var ks []backend.Kernel
	if p.replay.kernel != nil {
		ks = append(ks, p.replay.kernel)
	}
	for _, s := range p.steps {
		ks = append(ks, s.kernel)
	}
	for _, d := range p.derivations {
		ks = append(ks, d.kernel)
	}
	r.Release(p.owned, ks)
	p.steps, p.owned, p.derivations, p.replay = nil, nil, nil, replay{}
}

func (p *Program) runStep(ctx context.Context, s *step) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = nodeError(s.node, fmt.Errorf("panic: %v\n%s", v, debug.Stack()))
		}
	}()
	if err := s.kernel.Run(ctx); err != nil {
		var late *backend.KernelError // Of an operation before, perhaps.
		if errors.As(err, &late) {
			return p.locate(err)
		}
		return nodeError(s.node, err)
	}
	return nil
}

func nodeError(n *graph.Node, err error) error {
	e := &NodeError{Node: n.Name, Op: n.Op.OpName(), Err: err}
	for _, v := range n.In {
		e.In = append(e.In, v.Spec())
	}
	return e
}

// SetInput copies t, which must have the input's type, to an input.
func (p *Program) SetInput(ctx context.Context, name string, t *tensor.Tensor) error {
	b, ok := p.inputs[name]
	if !ok {
		return fmt.Errorf("program: no input %q", name)
	}
	if !t.Spec().Equal(b.Spec()) {
		return fmt.Errorf("program: input %s is %v, not %v", name, b.Spec(), t.Spec())
	}
	return p.b.Write(ctx, b, t.Bytes())
}

// Output returns the buffer of an output; it is valid until the next Run.
func (p *Program) Output(name string) (backend.Buffer, error) {
	b, ok := p.outs[name]
	if !ok {
		return nil, fmt.Errorf("program: no output %q", name)
	}
	return b, nil
}

// ReadOutput copies an output to dst, which must have the output's type.
func (p *Program) ReadOutput(ctx context.Context, name string, dst *tensor.Tensor) error {
	b, err := p.Output(name)
	if err != nil {
		return err
	}
	if !b.Spec().Equal(dst.Spec()) {
		return fmt.Errorf("program: output %s is %v, not %v", name, b.Spec(), dst.Spec())
	}
	return p.b.Read(ctx, dst.Bytes(), b)
}

// OutputTensor returns a copy of an output on the host.
func (p *Program) OutputTensor(ctx context.Context, name string) (*tensor.Tensor, error) {
	b, err := p.Output(name)
	if err != nil {
		return nil, err
	}
	t := tensor.New(b.Spec())
	return t, p.b.Read(ctx, t.Bytes(), b)
}

// Memory returns the bytes that the program holds, by kind.
func (p *Program) Memory() Memory { return p.mem }
