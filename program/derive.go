package program

import (
	"context"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// derivation makes derived values (graph.Graph.Derive), and knows of which
// versions of persistent tensors those in memory are made.
type derivation struct {
	step
	from []*stored
	// of are the versions, 0 when the values are not to be used; next are those
	// that the run under way makes them of.
	of, next []uint64
}

// derive allocates the derived values and binds what makes them.
func (p *Program) derive(bufs map[int]backend.Buffer) error {
	for _, n := range p.g.Derivations() {
		in, out := make([]backend.Buffer, len(n.In)), make([]backend.Buffer, len(n.Out))
		d := &derivation{of: make([]uint64, len(n.In)), next: make([]uint64, len(n.In))}
		for i, v := range n.In {
			in[i] = bufs[v.ID()]
			d.from = append(d.from, p.state.find(v.Name()))
		}
		for i, v := range n.Out {
			b, err := p.alloc(v.Spec())
			if err != nil {
				return nodeError(n, err)
			}
			out[i] = b
			bufs[v.ID()] = b
		}
		k, err := p.bindKernel(n, out, in)
		if err != nil {
			return err
		}
		d.step = step{k, n}
		p.derivations = append(p.derivations, d)
	}
	return nil
}

// findWrites notes the persistent tensors that steps update.
func (p *Program) findWrites(pl *plan) {
	seen := map[string]bool{}
	for _, n := range p.g.Nodes() {
		u, ok := n.Op.(backend.Updater)
		if !ok || !pl.live[n] {
			continue
		}
		for j := range n.Out {
			i := u.Updates(j)
			if i < 0 {
				continue
			}
			name, persistent := p.persistent(pl.owner(n.In[i].ID()))
			if persistent && !seen[name] {
				seen[name] = true
				p.writes = append(p.writes, p.state.find(name))
			}
		}
	}
}

// persistent returns the name of the param or state with an id.
func (p *Program) persistent(id int) (string, bool) {
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range p.g.Values(k) {
			if v.ID() == id {
				return v.Name(), true
			}
		}
	}
	return "", false
}

// begin makes the derived values that are missing or were made of other
// contents than there are, and announces what the step will change. It is no
// part of a recorded step.
func (p *Program) begin(ctx context.Context) error {
	for _, d := range p.derivations {
		fresh := true
		for i, s := range d.from {
			fresh = fresh && d.of[i] == s.version.Load()
		}
		if !fresh {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.runStep(ctx, &d.step); err != nil {
				return err
			}
		}
		clear(d.of) // Until the step has gone well.
	}
	for _, s := range p.writes {
		s.version.Add(1)
	}
	for _, d := range p.derivations {
		for i, s := range d.from {
			d.next[i] = s.version.Load()
		}
	}
	return nil
}

// finish notes that the step has gone well: derived values are those of what
// it has made.
func (p *Program) finish() {
	for _, d := range p.derivations {
		copy(d.of, d.next)
	}
}
