//go:build cuda

package gpu

import (
	"errors"
	"fmt"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/nccl"
)

// member is the place of a backend in a group.
type member struct {
	group *group
	rank  *nccl.Rank
}

// group is the backends of several devices, joined by NCCL.
type group struct {
	ranks []*Backend
	n     *nccl.Group
	end   chan struct{}
	ended chan struct{}
}

// watchEvery is how often the group is asked for faults beside its calls,
// which would leave the devices waiting for each other.
const watchEvery = 50 * time.Millisecond

// Group makes the backends of different devices members of a group. Without
// NCCL the error says how to get it.
func (b *Backend) Group(ranks []backend.Backend) (backend.Group, error) {
	g := &group{end: make(chan struct{}), ended: make(chan struct{})}
	var cs []*cuda.Context
	for i, r := range ranks {
		c, ok := r.(*Backend)
		switch {
		case !ok:
			return nil, fmt.Errorf("gpu: rank %d is %s: all ranks of a group are of one kind", i, r.Name())
		case i == 0 && c != b:
			return nil, errors.New("gpu: the first rank of a group is the backend that makes it")
		case c.member != nil:
			return nil, fmt.Errorf("gpu: rank %d (%s) is a member of a group already", i, c.name)
		}
		for _, o := range g.ranks {
			if o.name == c.name {
				return nil, fmt.Errorf("gpu: %s is two ranks of a group: a device can be one", c.name)
			}
		}
		g.ranks = append(g.ranks, c)
		cs = append(cs, c.c)
	}
	var err error
	if g.n, err = nccl.Open(cs); err != nil {
		if errors.Is(err, nccl.ErrNoLibrary) {
			return nil, &mapped{err, backend.ErrNoDevice}
		}
		return nil, fail(err)
	}
	for i, c := range g.ranks {
		c.member = &member{g, g.n.Rank(i)}
	}
	go g.watch()
	return g, nil
}

func (g *group) watch() {
	defer close(g.ended)
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		select {
		case <-g.end:
			return
		case <-t.C:
			if err := g.n.Watch(); err != nil {
				g.n.Abort(err)
			}
		}
	}
}

// Abort ends the operations of all ranks.
func (g *group) Abort(cause error) { g.n.Abort(cause) }

// Close dissolves the group.
func (g *group) Close() error {
	select {
	case <-g.end:
		return nil
	default:
	}
	close(g.end)
	<-g.ended
	for _, c := range g.ranks {
		c.q.Drain()
		c.releaseCollective() // NCCL waits for these graphs.
		c.member = nil
	}
	return g.n.Close()
}

// releaseCollective releases the recorded steps that have collective operations.
func (b *Backend) releaseCollective() {
	b.mu.Lock()
	var rs []*resources
	for r := range b.owned {
		if r.collective && r.graph != nil {
			rs = append(rs, r)
		}
	}
	b.mu.Unlock()
	for _, r := range rs {
		r.release()
	}
}

// called adds to an error the call of NCCL that failed.
func (m *member) called(err error) error {
	if m == nil {
		return err
	}
	if e := m.rank.Fault(); e != nil {
		return fmt.Errorf("%w: %w", err, fail(e))
	}
	return err
}

// fault adds to an error, nil too, that the group was aborted: results mean
// nothing then.
func (m *member) fault(err error) error {
	if m == nil {
		return err
	}
	if e := m.group.n.Err(); e != nil {
		e = &mapped{e, backend.ErrAborted}
		if err == nil {
			return fail(e)
		}
		return fmt.Errorf("%w: %w", err, fail(e))
	}
	return err
}

func init() {
	describers = append(describers, func(*Backend) []string {
		v, err := nccl.Version()
		if err != nil {
			return []string{"several devices: " + err.Error()}
		}
		return []string{"several devices: NCCL " + v}
	})
}
