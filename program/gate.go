package program

import (
	"context"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// Gate says whether a step that has begun goes on. Programs that do a step
// together share one, so that all of them end it or none.
type Gate interface {
	// Open is asked before each operation; an error ends the step.
	Open() error
	// Pass is asked before the first operation that changes a parameter; an
	// error ends the step. Behind it the step is not ended any more.
	Pass() error
}

// RunGated is [Program.Run] with a gate that is asked whether to go on; ctx is
// not to end meanwhile.
// When it ends the step, parameters and what belongs to them are those of
// before, but not what [Program.Early] names. Where a backend runs steps as
// one, the gate is passed before the step; a program that changes no parameter
// does not pass it elsewhere.
func (p *Program) RunGated(ctx context.Context, g Gate) error {
	if _, ok := p.b.(backend.Recorder); ok {
		if err := g.Pass(); err != nil {
			return err
		}
		return p.Run(ctx)
	}
	return p.run(ctx, g)
}

// Early returns the names of the params and states that a step changes before
// the first operation that changes a parameter: statistics and ranges.
func (p *Program) Early() []string { return p.early }

// findCommit finds the first step that changes a parameter, and what is
// changed before it.
func (p *Program) findCommit(pl *plan) {
	seen := map[string]bool{}
	for i, s := range p.steps {
		u, ok := s.node.Op.(backend.Updater)
		for j := 0; ok && j < len(s.node.Out); j++ {
			k := u.Updates(j)
			if k < 0 {
				continue
			}
			name, persistent := p.persistent(pl.owner(s.node.In[k].ID()))
			if !persistent {
				continue
			}
			if v, ok := p.g.Lookup(name); ok && v.Kind() == graph.Param {
				p.commit = i
				return
			}
			if !seen[name] {
				seen[name] = true
				p.early = append(p.early, name)
			}
		}
	}
	p.commit = len(p.steps)
}
