package program

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/tensor"
)

// Memory is what a program holds, in bytes, known before the first step.
type Memory struct {
	Params int64 // Trained parameters.
	States int64 // Statistics, observers, scales, optimizer moments; codes made for the next step.
	Consts int64
	Inputs int64
	// Arena is the one block that all computed values share; Values is their
	// sum without sharing.
	Arena  int64
	Values int64
	// Saved is the part of Values kept from the forward to the backward pass.
	Saved Usage
	// Peak is what the arena holds when it holds most: no placement could
	// make do with less than Peak.Sum().
	Peak Usage
	// Workspace is the temporary memory of the kernels, packed operands among
	// it: the most that one takes, as they run in turn. Programs of one backend
	// share it. 0 where the backend does not tell.
	Workspace int64
}

// Usage is bytes of computed values by what they are.
type Usage struct {
	// Weights depend on parameters and states alone: codes and masks of
	// weights, and their scales.
	Weights int64
	// Codes, Masks and Floats are activations of the forward pass.
	Codes, Masks, Floats int64
	// Recomputed values are activations made again for the backward pass.
	Recomputed int64
	// Gradients are all else of the backward pass and of the optimizer.
	Gradients int64
}

// Sum returns all bytes.
func (u Usage) Sum() int64 { return u.Weights + u.Activations() + u.Recomputed + u.Gradients }

// Activations returns the bytes of the activations of the forward pass.
func (u Usage) Activations() int64 { return u.Codes + u.Masks + u.Floats }

// add adds n bytes of a kind.
func (u *Usage) add(k usageKind, n int64) {
	*[...]*int64{&u.Weights, &u.Codes, &u.Masks, &u.Floats, &u.Recomputed, &u.Gradients}[k] += n
}

// usageKind is an index of the fields of [Usage].
type usageKind int

const (
	weightUsage usageKind = iota
	codeUsage
	maskUsage
	floatUsage
	againUsage
	gradientUsage
)

// Total returns the sum of what is allocated.
func (m Memory) Total() int64 {
	return m.Params + m.States + m.Consts + m.Inputs + m.Arena + m.Workspace
}

// MemoryError says that a program needs more than it may have.
type MemoryError struct {
	Need, Limit int64
	Memory      Memory
}

// Error returns one line with the remedy.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("program: needs %d MiB (arena %d, parameters %d, states %d), the limit is %d MiB: use a smaller batch",
		e.Need>>20, e.Memory.Arena>>20, e.Memory.Params>>20, e.Memory.States>>20, e.Limit>>20)
}

// Unwrap returns [backend.ErrOutOfMemory].
func (e *MemoryError) Unwrap() error { return backend.ErrOutOfMemory }

const arenaAlign = 64

// storage is one block of the arena, shared by a value and its views.
type storage struct {
	bytes       int
	first, last int // node indices of definition and last use
	offset      int
	kind        usageKind
}

// plan is the memory of all computed values.
type plan struct {
	root   map[int]int // value id -> id of the value that owns its storage
	blocks map[int]*storage
	order  []int
	live   map[*graph.Node]bool
	used   map[int]bool
	total  int
	saved  Usage        // alive across the start of the backward pass
	peak   Usage        // at the node when most is alive
	stored map[int]bool // values that depend on params and states alone
	// end is the number of the last live node that reads a value's storage;
	// outputs are read at the end of all.
	end map[int]int
	// newest maps an updated storage to the value that has it after the
	// update: reading an older one would see the new contents.
	newest map[int]int
}

// planMemory finds the nodes that outputs or state updates need, and gives
// each computed value an offset such that values alive together never
// overlap. forward is the number of nodes before the backward pass.
func planMemory(g *graph.Graph, forward int) (*plan, error) {
	p := &plan{root: map[int]int{}, blocks: map[int]*storage{}, live: map[*graph.Node]bool{}, used: map[int]bool{}, end: map[int]int{}, stored: map[int]bool{}, newest: map[int]int{}}
	nodes := g.Nodes()
	mark := func(v graph.Value) { p.used[v.ID()] = true }
	for _, o := range g.Outputs() {
		mark(o.Value)
	}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		need := false
		for j, o := range n.Out {
			need = need || p.used[o.ID()]
			if u, ok := n.Op.(backend.Updater); ok && u.Updates(j) >= 0 {
				need = true
			}
		}
		if !need {
			continue
		}
		p.live[n] = true
		for _, v := range n.In {
			if !v.Absent() {
				mark(v)
			}
		}
	}
	p.ends(g)
	at, backward := 0, 0
	for i, n := range nodes {
		if i == forward {
			backward = at
		}
		if !p.live[n] {
			continue
		}
		for _, v := range n.In {
			if v.Absent() {
				continue
			}
			own := p.owner(v.ID())
			if b := p.blocks[own]; b != nil {
				b.last = at
			}
			if latest, ok := p.newest[own]; ok && latest != v.ID() {
				return nil, fmt.Errorf("program: node %s reads %s after it was updated in place", n.Name, v.Name())
			}
		}
		if err := p.define(n, at, forward > 0 && i >= forward); err != nil {
			return nil, err
		}
		at++
	}
	for _, o := range g.Outputs() {
		if b := p.blocks[p.owner(o.Value.ID())]; b != nil {
			b.last = at
		}
	}
	if backward > 0 {
		p.saved = p.usage(func(b *storage) bool { return b.first < backward && b.last >= backward })
	}
	p.findPeak(at)
	p.place()
	return p, nil
}

// usage adds up the blocks that pass.
func (p *plan) usage(pass func(b *storage) bool) (u Usage) {
	for _, b := range p.blocks {
		if pass(b) {
			u.add(b.kind, int64(b.bytes))
		}
	}
	return u
}

// findPeak finds the node, of n, at which most is alive.
func (p *plan) findPeak(n int) {
	change := make([]int, n+2)
	for _, b := range p.blocks {
		change[b.first] += b.bytes
		change[min(b.last, n)+1] -= b.bytes
	}
	at, most, sum := 0, 0, 0
	for i, c := range change {
		if sum += c; sum > most {
			at, most = i, sum
		}
	}
	p.peak = p.usage(func(b *storage) bool { return b.first <= at && at <= b.last })
}

// kind tells what value o of node n is.
func (p *plan) kind(n *graph.Node, o graph.Value, backward bool) usageKind {
	switch {
	case n.Again:
		return againUsage
	case backward:
		return gradientUsage
	case p.stored[o.ID()]:
		return weightUsage
	case o.DType().Code():
		return codeUsage
	case o.DType() == tensor.B1:
		return maskUsage
	}
	return floatUsage
}

// ends finds the last use of each value, views and updates of it included.
func (p *plan) ends(g *graph.Graph) {
	view := map[int]int{} // value id -> id of the value that it is a view of
	root := func(id int) int {
		for view[id] != 0 {
			id = view[id]
		}
		return id
	}
	at := 0
	for _, n := range g.Nodes() {
		if !p.live[n] {
			continue
		}
		for _, v := range n.In {
			p.end[root(v.ID())] = at
		}
		if _, ok := n.Op.(backend.Viewer); ok {
			view[n.Out[0].ID()] = n.In[0].ID()
		}
		if u, ok := n.Op.(backend.Updater); ok {
			for j, o := range n.Out {
				if i := u.Updates(j); i >= 0 {
					view[o.ID()] = n.In[i].ID()
				}
			}
		}
		at++
	}
	for _, o := range g.Outputs() {
		p.end[root(o.Value.ID())] = at
	}
}

// overwrites returns the input of n whose storage output j takes over, -1 if
// there is none: the input is a computed value of this size that nothing reads
// later, and n reads it once.
func (p *plan) overwrites(n *graph.Node, j, at int) int {
	op, ok := n.Op.(backend.Overwriter)
	if !ok || op.Overwrites(j) < 0 {
		return -1
	}
	i := op.Overwrites(j)
	in, own := n.In[i], p.owner(n.In[i].ID())
	b := p.blocks[own]
	if b == nil || p.end[own] != at || in.Spec().Bytes() != n.Out[j].Spec().Bytes() {
		return -1
	}
	for k, v := range n.In {
		if k != i && !v.Absent() && p.owner(v.ID()) == own {
			return -1
		}
	}
	return i
}

func (p *plan) owner(id int) int {
	for {
		r, ok := p.root[id]
		if !ok {
			return id
		}
		id = r
	}
}

func (p *plan) define(n *graph.Node, at int, backward bool) error {
	stored := true
	for _, v := range n.In {
		k := v.Kind()
		stored = stored && (v.Absent() || k == graph.Param || k == graph.State || k == graph.Const || k == graph.Derived || p.stored[v.ID()])
	}
	for _, o := range n.Out {
		p.stored[o.ID()] = stored
	}
	_, isView := n.Op.(backend.Viewer)
	u, _ := n.Op.(backend.Updater)
	for j, o := range n.Out {
		if u != nil && u.Updates(j) >= 0 {
			in := n.In[u.Updates(j)]
			if !in.Spec().Equal(o.Spec()) {
				return fmt.Errorf("program: node %s updates %s of type %v with %v", n.Name, in.Name(), in.Spec(), o.Spec())
			}
			p.root[o.ID()] = in.ID()
			p.newest[p.owner(in.ID())] = o.ID()
			continue
		}
		if isView && j == 0 {
			p.root[o.ID()] = n.In[0].ID()
			continue
		}
		if i := p.overwrites(n, j, at); i >= 0 && p.used[o.ID()] {
			p.root[o.ID()] = n.In[i].ID()
			own := p.owner(o.ID())
			p.end[own] = p.end[o.ID()]
			continue
		}
		if p.used[o.ID()] {
			p.blocks[o.ID()] = &storage{bytes: (o.Spec().Bytes() + arenaAlign - 1) / arenaAlign * arenaAlign, first: at, last: at, kind: p.kind(n, o, backward)}
			p.order = append(p.order, o.ID())
		}
	}
	return nil
}

// place packs the blocks: largest first, each at the lowest offset that is
// free for its whole lifetime.
func (p *plan) place() {
	ids := slices.Clone(p.order)
	slices.SortStableFunc(ids, func(a, b int) int { return cmp.Compare(p.blocks[b].bytes, p.blocks[a].bytes) })
	var placed []*storage // by offset
	for _, id := range ids {
		b := p.blocks[id]
		off := 0
		for _, q := range placed {
			if q.last < b.first || q.first > b.last || q.bytes == 0 {
				continue
			}
			if off+b.bytes <= q.offset {
				break
			}
			off = max(off, q.offset+q.bytes)
		}
		b.offset = off
		p.total = max(p.total, off+b.bytes)
		i, _ := slices.BinarySearchFunc(placed, b, func(x, y *storage) int { return cmp.Compare(x.offset, y.offset) })
		placed = slices.Insert(placed, i, b)
	}
}

// build allocates the memory and binds the nodes.
func (p *Program) build(ctx context.Context, limit int64) error {
	pl, err := planMemory(p.g, p.forward)
	if err != nil {
		return err
	}
	if err := p.supported(pl); err != nil {
		return err
	}
	p.account(pl)
	if need := p.mem.Total(); limit > 0 && need > limit {
		return &MemoryError{Need: need, Limit: limit, Memory: p.mem}
	}
	bufs := map[int]backend.Buffer{}
	if err := p.leaves(ctx, pl, bufs); err != nil {
		return err
	}
	if err := p.derive(bufs); err != nil {
		return err
	}
	p.findWrites(pl)
	arena, err := p.alloc(tensor.Of(tensor.U8, pl.total))
	if err != nil {
		return fmt.Errorf("program: arena of %d bytes: %w", pl.total, err)
	}
	buffer := func(v graph.Value) (backend.Buffer, error) {
		if b := bufs[v.ID()]; b != nil {
			return b, nil
		}
		own := pl.owner(v.ID())
		var b backend.Buffer
		var err error
		if blk := pl.blocks[own]; blk != nil {
			b, err = p.b.View(arena, blk.offset, v.Spec())
		} else if base := bufs[own]; base != nil {
			b, err = p.b.View(base, 0, v.Spec())
		} else {
			return nil, nil // Nobody uses this result.
		}
		bufs[v.ID()] = b
		return b, err
	}
	for _, n := range p.g.Nodes() {
		if !pl.live[n] {
			continue
		}
		if _, ok := n.Op.(backend.Viewer); ok {
			continue
		}
		if err := p.bind(n, buffer); err != nil {
			return err
		}
	}
	p.findCommit(pl)
	for _, o := range p.g.Outputs() {
		b, err := buffer(o.Value)
		if err != nil {
			return fmt.Errorf("program: output %s: %w", o.Name, err)
		}
		p.outs[o.Name] = b
	}
	if need := p.mem.Total(); limit > 0 && need > limit {
		return &MemoryError{Need: need, Limit: limit, Memory: p.mem} // With the workspace of the kernels.
	}
	return nil
}

// alloc allocates memory that Close gives back.
func (p *Program) alloc(s tensor.Spec) (backend.Buffer, error) {
	b, err := p.b.Alloc(s)
	if err == nil {
		p.owned = append(p.owned, b)
	}
	return b, err
}

func (p *Program) bind(n *graph.Node, buffer func(graph.Value) (backend.Buffer, error)) error {
	in := make([]backend.Buffer, len(n.In))
	out := make([]backend.Buffer, len(n.Out))
	for i, v := range n.In {
		if v.Absent() {
			continue
		}
		b, err := buffer(v)
		if err != nil {
			return nodeError(n, err)
		}
		in[i] = b
	}
	for i, v := range n.Out {
		b, err := buffer(v)
		if err != nil {
			return nodeError(n, err)
		}
		out[i] = b
	}
	k, err := p.bindKernel(n, out, in)
	if err == nil {
		p.steps = append(p.steps, step{k, n})
	}
	return err
}

func (p *Program) bindKernel(n *graph.Node, out, in []backend.Buffer) (backend.Kernel, error) {
	k, err := p.b.Bind(n.Op, out, in)
	if err != nil {
		return nil, nodeError(n, err)
	}
	if w, ok := k.(backend.Workspacer); ok {
		p.mem.Workspace = max(p.mem.Workspace, w.Workspace())
	}
	return k, nil
}

// leaves provides inputs, params, states and constants that live nodes or
// outputs use, and all params and states, used or not, so that a State is
// complete whichever program made it.
func (p *Program) leaves(ctx context.Context, pl *plan, bufs map[int]backend.Buffer) error {
	for _, v := range p.g.Inputs() {
		b, err := p.alloc(v.Spec())
		if err != nil {
			return fmt.Errorf("program: input %s: %w", v.Name(), err)
		}
		p.inputs[v.Name()] = b
		bufs[v.ID()] = b
	}
	for _, k := range []graph.Kind{graph.Param, graph.State} {
		for _, v := range p.g.Values(k) {
			b, err := p.state.buffer(ctx, v.Name(), v.Spec(), v.Init())
			if err != nil {
				return err
			}
			bufs[v.ID()] = b.Buffer
		}
	}
	for _, v := range p.g.Values(graph.Const) {
		if !pl.used[v.ID()] {
			continue
		}
		b, err := p.alloc(v.Spec())
		if err == nil {
			err = p.b.Write(ctx, b, v.Init().Bytes())
		}
		if err != nil {
			return fmt.Errorf("program: constant %s: %w", v.Name(), err)
		}
		if f, ok := b.(interface{ Freeze() }); ok {
			f.Freeze()
		}
		bufs[v.ID()] = b
	}
	return nil
}

func (p *Program) account(pl *plan) {
	sum := func(vs []graph.Value, all bool) (n int64) {
		for _, v := range vs {
			if all || pl.used[v.ID()] {
				n += int64(v.Spec().Bytes())
			}
		}
		return n
	}
	p.mem = Memory{
		Params: sum(p.g.Values(graph.Param), true), States: sum(p.g.Values(graph.State), true) + sum(p.g.Values(graph.Derived), true),
		Consts: sum(p.g.Values(graph.Const), false), Inputs: sum(p.g.Inputs(), true), Arena: int64(pl.total), Saved: pl.saved, Peak: pl.peak,
	}
	for _, id := range pl.order {
		p.mem.Values += int64(pl.blocks[id].bytes)
	}
}
