package program

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// Parallel says that a program is one of several, the ranks, that do the same
// training step on parts of a batch of the same size. The zero value is a
// program on its own.
//
// Gradients become the means of all ranks, in buckets, each on its way as soon
// as the backward pass has finished its last gradient. Ranges that operations
// observe become those of the whole batch, so that all ranks train on the same
// codes; running statistics become their means. Batch normalization itself
// uses the statistics of the part. Dropout has the mask of the whole batch.
// So parameters and states stay the same on all ranks.
type Parallel struct {
	// Rank is which part of the batch the program has, of Ranks.
	Rank, Ranks int
	// Bucket is the bytes of gradients that are reduced in one go, 25 MiB
	// when 0. The first bucket is of a quarter at most, to begin early.
	Bucket int64
}

const defaultBucket = 25 << 20

// on reports whether there is more than one rank.
func (p Parallel) on() bool { return p.Ranks > 1 }

// place makes operations that count elements those of the rank's part.
func (p Parallel) place(g *graph.Graph) {
	for _, n := range g.Nodes() {
		if o, ok := n.Op.(backend.Parter); ok && p.on() {
			n.Op = o.Part(p.Rank, n.In[0].Spec().Numel())
		}
	}
}

// local finds the values that differ between ranks: those that depend on an
// input, but for what is reduced.
type local map[int]bool

func (l local) node(n *graph.Node) bool {
	depends := slices.ContainsFunc(n.In, func(v graph.Value) bool { return l[v.ID()] })
	_, reduces := n.Op.(backend.AllReduce)
	_, waits := n.Op.(backend.AllReduceWait)
	for i, o := range n.Out {
		l[o.ID()] = depends && !reduces && !waits
		if u, ok := n.Op.(backend.Reducer); ok && u.Updates(i) >= 0 && u.Reduces(i) == backend.RanksSame {
			l[o.ID()] = false
		}
	}
	return depends
}

func locals(g *graph.Graph) local {
	l := local{}
	for _, v := range g.Inputs() {
		l[v.ID()] = true
	}
	return l
}

// gradients appends the reduction of gradients, as early as they are there,
// and returns those of the whole batch.
func (p Parallel) gradients(g *graph.Graph, grads []graph.Value) []graph.Value {
	if !p.on() {
		return grads
	}
	grads = p.roots(g, slices.Clone(grads))
	l, order, readers := locals(g), map[int]int{}, map[int]int{}
	for i, n := range g.Nodes() {
		l.node(n)
		for _, o := range n.Out {
			order[o.ID()] = i
		}
		for _, v := range n.In {
			readers[v.ID()]++
		}
	}
	for _, o := range g.Outputs() {
		readers[o.Value.ID()]++
	}
	var all []graph.Value
	for _, v := range grads {
		if !v.Absent() && l[v.ID()] && !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b graph.Value) int { return cmp.Compare(order[a.ID()], order[b.ID()]) })
	end := len(g.Nodes())
	whole := map[int]graph.Value{}
	var started []graph.Value
	for _, b := range p.buckets(all) {
		in := slices.Clone(b)
		for i, v := range in {
			// What others read too, or is a view of something, is reduced in a
			// copy: the reduction is in place.
			n, _ := v.Producer()
			_, view := n.Op.(backend.Viewer)
			if view || readers[v.ID()] > 0 {
				in[i] = g.Apply(backend.Mul{}, v, g.Scalar(v.DType(), 1))
			}
		}
		out := g.ApplyNamed("all_reduce.gradients", backend.AllReduce{Overlap: true}, in...)
		if g.Err() != nil {
			return nil
		}
		for i, v := range b {
			whole[v.ID()] = out[i]
		}
		started = append(started, out...)
	}
	g.Hoist(end)
	// One wait a type: all wait for the same.
	for len(started) > 0 {
		d := started[0].DType()
		in := slices.DeleteFunc(slices.Clone(started), func(v graph.Value) bool { return v.DType() != d })
		started = slices.DeleteFunc(started, func(v graph.Value) bool { return v.DType() == d })
		out := g.ApplyN(backend.AllReduceWait{}, in...)
		if g.Err() != nil {
			return nil
		}
		for id, w := range whole {
			if i := slices.Index(in, w); i >= 0 {
				whole[id] = out[i]
			}
		}
	}
	out := slices.Clone(grads)
	for i, v := range grads {
		if w, ok := whole[v.ID()]; ok && !v.Absent() {
			out[i] = w
		}
	}
	return out
}

// buckets cuts gradients in the order they come into buckets of one type.
func (p Parallel) buckets(vs []graph.Value) [][]graph.Value {
	most := p.Bucket
	if most <= 0 {
		most = defaultBucket
	}
	var bs [][]graph.Value
	var bytes int64
	limit := most / 4
	for _, v := range vs {
		n := int64(v.Spec().Bytes())
		last := len(bs) - 1
		switch {
		case last < 0:
			bs, bytes = append(bs, nil), 0
		case bytes+n > limit || bs[last][0].DType() != v.DType():
			bs, bytes, limit = append(bs, nil), 0, most
		}
		last = len(bs) - 1
		bs[last] = append(bs[last], v)
		bytes += n
	}
	return bs
}

// roots gives gradients with the factor 1/sqrt(elements) that of the whole
// batch, and returns what grads have become.
func (p Parallel) roots(g *graph.Graph, grads []graph.Value) []graph.Value {
	l := locals(g)
	for i := 0; i < len(g.Nodes()); i++ {
		n := g.Nodes()[i]
		l.node(n)
		r, ok := n.Op.(backend.Rooter)
		for o := 0; ok && o < len(n.Out); o++ {
			k := r.Rooted(o)
			if k < 0 || !l[n.In[k].ID()] {
				continue
			}
			v := n.Out[o]
			g.InsertAfter(i, func() (old, with []graph.Value) {
				w := g.Apply(backend.Mul{}, v, g.Scalar(v.DType(), 1/math.Sqrt(float64(p.Ranks))))
				for k := range grads {
					if grads[k] == v {
						grads[k] = w
					}
				}
				return []graph.Value{v}, []graph.Value{w}
			})
		}
	}
	return grads
}

// states inserts the reductions of states behind their updates, and returns
// how many nodes came before the n-th.
func (p Parallel) states(g *graph.Graph, n int) (before int, err error) {
	if !p.on() {
		return 0, nil
	}
	l := locals(g)
	end := n
	for i := 0; i < len(g.Nodes()); i++ {
		node := g.Nodes()[i]
		if !l.node(node) {
			continue
		}
		byHow := map[backend.Reduction][]graph.Value{}
		for j, o := range node.Out {
			u, ok := node.Op.(backend.Updater)
			if !ok || u.Updates(j) < 0 || !l[o.ID()] || !persistent(node.In[u.Updates(j)]) {
				continue
			}
			r, ok := node.Op.(backend.Reducer)
			if !ok {
				return 0, nodeError(node, fmt.Errorf("what it learns from a part of the batch cannot be joined with that of other devices: train on one device, or calibrate it before: %w", backend.ErrUnsupported))
			}
			byHow[r.Reduces(j)] = append(byHow[r.Reduces(j)], o)
		}
		if len(byHow) == 0 {
			continue
		}
		added := g.InsertAfter(i, func() (old, with []graph.Value) {
			op := backend.AllReduce{Least: len(byHow[backend.RanksLeast]), Greatest: len(byHow[backend.RanksGreatest])}
			old = slices.Concat(byHow[backend.RanksLeast], byHow[backend.RanksGreatest], byHow[backend.RanksMean])
			return old, g.ApplyNamed("all_reduce."+node.Name, op, old...)
		})
		if err := g.Err(); err != nil {
			return 0, err
		}
		if i < end {
			end += added
		}
	}
	return end - n, nil
}

// persistent reports whether v is a state, perhaps updated before.
func persistent(v graph.Value) bool {
	for {
		switch v.Kind() {
		case graph.State, graph.Param:
			return true
		}
		n, out := v.Producer()
		if n == nil {
			return false
		}
		u, ok := n.Op.(backend.Updater)
		if !ok || u.Updates(out) < 0 {
			return false
		}
		v = n.In[u.Updates(out)]
	}
}

// check returns an error unless the ranks fit.
func (p Parallel) check() error {
	if p.Ranks < 0 || p.Rank < 0 || p.on() && p.Rank >= p.Ranks {
		return fmt.Errorf("program: rank %d of %d", p.Rank, p.Ranks)
	}
	return nil
}
