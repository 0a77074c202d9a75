package cpu

import (
	"errors"
	"fmt"
	"sync"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

func init() {
	register(backend.AllReduce{}, kernel{types: floats, bind: func(b *Backend, op backend.Op, _, in []*tensor.Tensor) (func() error, error) {
		m := b.member
		if m == nil {
			return func() error { return nil }, nil
		}
		r := &collective{op: op.(backend.AllReduce), in: in}
		return func() error { return m.group.meet(m.rank, r) }, nil
	}})
	// Here a reduction is done when it returns.
	register(backend.AllReduceWait{}, kernel{types: floats, bind: func(*Backend, backend.Op, []*tensor.Tensor, []*tensor.Tensor) (func() error, error) {
		return func() error { return nil }, nil
	}})
}

// member is the place of a backend in a group.
type member struct {
	group *group
	rank  int
}

// collective is an operation bound on one rank.
type collective struct {
	op backend.AllReduce
	in []*tensor.Tensor
}

// group is the backends that train together, each on a goroutine of its own.
// An operation waits for that of all ranks; the last one to come computes.
type group struct {
	ranks []*Backend
	mu    sync.Mutex
	moved sync.Cond
	here  []*collective // What each rank that has come wants.
	come  int
	met   uint64
	err   error // Of an abort, or a mismatch.
	apart bool  // err is a mismatch.
	// Of the meeting under way: what is reduced by all workers at a time.
	tensor int
	body   func(lo, hi int)
}

// Group makes ranks the members of a group.
func (b *Backend) Group(ranks []backend.Backend) (backend.Group, error) {
	g := &group{here: make([]*collective, len(ranks))}
	g.moved.L = &g.mu
	g.body = g.reduce
	for i, r := range ranks {
		c, ok := r.(*Backend)
		switch {
		case !ok:
			return nil, fmt.Errorf("cpu: rank %d is %s: all ranks of a group are of one kind", i, r.Name())
		case i == 0 && c != b:
			return nil, errors.New("cpu: the first rank of a group is the backend that makes it")
		case c.member != nil:
			return nil, fmt.Errorf("cpu: rank %d is a member of a group already", i)
		}
		for _, o := range g.ranks {
			if o == c {
				return nil, fmt.Errorf("cpu: rank %d is another rank, too", i)
			}
		}
		g.ranks = append(g.ranks, c)
	}
	for i, c := range g.ranks {
		c.member = &member{g, i}
	}
	return g, nil
}

// Abort ends all operations.
func (g *group) Abort(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.err = fmt.Errorf("cpu: %w: %w", backend.ErrAborted, cause)
		g.moved.Broadcast()
	}
}

// Close dissolves the group.
func (g *group) Close() error {
	g.Abort(errors.New("the group is closed"))
	for _, c := range g.ranks {
		c.member = nil
	}
	return nil
}

// meet waits until all ranks have come, of which the last reduces.
func (g *group) meet(rank int, r *collective) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return g.err
	}
	g.here[rank] = r
	g.come++
	mine := g.met
	if g.come == len(g.ranks) {
		if g.err = g.match(); g.err != nil {
			g.apart = true
		} else {
			for g.tensor = range r.in {
				n := r.in[g.tensor].Numel()
				parallel(n, grainFor(n, len(g.ranks)), g.body)
			}
		}
		clear(g.here)
		g.come = 0
		g.met++
		g.moved.Broadcast()
		return g.err
	}
	for g.met == mine && g.err == nil {
		g.moved.Wait()
	}
	if g.met != mine {
		// An abort that came behind the meeting is for the next one, a fault
		// of it for this.
		if g.apart {
			return g.err
		}
		return nil
	}
	return g.err
}

// match returns how operations that meet differ, nil when they do not.
func (g *group) match() error {
	a := g.here[0]
	for i, b := range g.here[1:] {
		if a.op != b.op || len(a.in) != len(b.in) {
			return fmt.Errorf("cpu: all_reduce: ranks do not match: rank 0 has %+v of %d tensors, rank %d %+v of %d", a.op, len(a.in), i+1, b.op, len(b.in))
		}
		for k := range a.in {
			if s, t := a.in[k].Spec(), b.in[k].Spec(); !s.Equal(t) {
				return fmt.Errorf("cpu: all_reduce: ranks do not match: tensor %d is %v on rank 0 and %v on rank %d", k, s, t, i+1)
			}
		}
	}
	return nil
}

// reduce reduces a part of the tensor.
func (g *group) reduce(lo, hi int) {
	if g.here[0].in[g.tensor].DType() == tensor.F64 {
		reduceRanks[float64](g, lo, hi)
		return
	}
	reduceRanks[float32](g, lo, hi)
}

// reduceBlock is the number of elements added up on the stack at a time.
const reduceBlock = 512

func reduceRanks[T float](g *group, lo, hi int) {
	var sum [reduceBlock]T
	how := g.here[0].op.Reduction(g.tensor)
	share := 1 / T(len(g.here))
	for ; lo < hi; lo += reduceBlock {
		end := min(lo+reduceBlock, hi)
		s := sum[:end-lo]
		copy(s, typed[T](g.here[0].in[g.tensor])[lo:end])
		for _, r := range g.here[1:] {
			x := typed[T](r.in[g.tensor])[lo:end]
			for i, v := range x[:len(s)] {
				switch how {
				case backend.RanksLeast:
					s[i] = min(s[i], v)
				case backend.RanksGreatest:
					s[i] = max(s[i], v)
				default:
					s[i] += v
				}
			}
		}
		if how == backend.RanksMean {
			for i := range s {
				s[i] *= share
			}
		}
		for _, r := range g.here {
			copy(typed[T](r.in[g.tensor])[lo:end], s)
		}
	}
}
