//go:build cuda

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/gpu"
	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op" // Shapes of results.
	"github.com/goqat/goqat/quant"
	"github.com/goqat/goqat/tensor"
)

// bencher measures on one device.
type bencher struct {
	ctx        context.Context
	b          *gpu.Backend
	tiny       bool
	start, end *gpu.Mark
	flush      backend.Kernel
	block      []byte // Random float32, of which inputs are made.
	until      time.Time
	m          measurements
}

// task is a thing to measure: kernels, and what they move and compute.
type task struct {
	name       string
	steps      []backend.Kernel
	bytes, ops float64
}

// group allocates tensors and returns tasks that are measured in turns.
type group struct {
	name string
	bind func(a *arena) ([]task, error)
}

func measure(ctx context.Context, tiny bool, limit time.Duration) (m measurements, err error) {
	b, err := gpu.Open(0)
	if err != nil {
		return m, err
	}
	defer func() {
		if e := b.Close(); err == nil {
			err = e
		}
	}()
	r := &bencher{ctx: ctx, b: b, tiny: tiny, until: time.Now().Add(limit)}
	r.m.Device, r.m.Tiny = b.Describe(), tiny
	for _, to := range []**gpu.Mark{&r.start, &r.end} {
		k, err := b.NewMark()
		if err != nil {
			return m, err
		}
		defer func() { _ = k.Close() }()
		*to = k
	}
	l2, err := b.Alloc(tensor.Of(tensor.U8, max(b.Device().L2, 1)))
	if err != nil {
		return m, err
	}
	if r.flush, err = b.BindFill(l2, 0); err != nil {
		return m, err
	}
	random := rand.New(rand.NewPCG(1, 2))
	values := make([]float32, 1<<20)
	if tiny {
		values = values[:1<<10]
	}
	for i := range values {
		values[i] = float32(random.NormFloat64())
	}
	r.block = tensor.Raw(values)
	groups := r.groups()
	for i, g := range groups {
		if err := r.measureGroup(g, len(groups)-i); err != nil {
			if ctx.Err() != nil || errors.Is(err, backend.ErrLost) {
				return m, err
			}
			r.miss(g.name, err.Error())
		}
	}
	r.miss("quantize of bf16", "the tensors of the backend have no bf16 type")
	return r.m, nil
}

func (r *bencher) miss(name, why string) { r.m.Missing = append(r.m.Missing, missing{name, why}) }

// measureGroup gives a group its part of the time that is left.
func (r *bencher) measureGroup(g group, left int) error {
	a := &arena{r: r}
	defer a.release()
	tasks, err := g.bind(a)
	if err != nil {
		return err
	}
	if len(tasks) == 0 {
		return nil
	}
	share := time.Until(r.until) / time.Duration(2*left)
	limits := rule{Least: 10, Most: 400, Noise: 0.005, Limit: share}
	repeat := 8
	if r.tiny {
		limits, repeat = rule{Least: 2, Most: 2, Noise: 0.005, Limit: time.Second}, 2
	}
	for range 2 { // Warm-up.
		for _, t := range tasks {
			if _, err := r.sample(t, false, 1); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	cold, err := take(limits, len(tasks), func(i int) (float64, error) { return r.sample(tasks[i], true, 1) }, time.Now)
	if err != nil {
		return err
	}
	batch, err := take(limits, len(tasks), func(i int) (float64, error) { return r.sample(tasks[i], false, repeat) }, time.Now)
	if err != nil {
		return err
	}
	for i, t := range tasks {
		r.m.Figures = append(r.m.Figures, figure{Group: g.name, Name: t.name, Bytes: t.bytes, Ops: t.ops, Cold: cold[i], Batch: batch[i]})
	}
	return nil
}

// sample returns the device's nanoseconds for one run of a task: cold, behind
// a memset of the size of the L2 cache, or the mean of n runs one after the
// other.
func (r *bencher) sample(t task, cold bool, n int) (float64, error) {
	run := func(ks ...backend.Kernel) error {
		for _, k := range ks {
			if err := k.Run(r.ctx); err != nil {
				return err
			}
		}
		return nil
	}
	if cold {
		if err := run(r.flush); err != nil {
			return 0, err
		}
	}
	if err := r.start.Run(r.ctx); err != nil {
		return 0, err
	}
	for range n {
		if err := run(t.steps...); err != nil {
			return 0, err
		}
	}
	if err := r.end.Run(r.ctx); err != nil {
		return 0, err
	}
	if err := r.b.Sync(r.ctx); err != nil {
		return 0, err
	}
	d, err := r.end.Since(r.start)
	return float64(d.Nanoseconds()) / float64(n), err
}

// arena holds the tensors and kernels of a group.
type arena struct {
	r  *bencher
	bs []backend.Buffer
	ks []backend.Kernel
}

func (a *arena) release() {
	_ = a.r.b.Sync(a.r.ctx)
	a.r.b.Release(a.bs, a.ks)
}

func (a *arena) zeros(s tensor.Spec) (backend.Buffer, error) {
	x, err := a.r.b.Alloc(s)
	if err == nil {
		a.bs = append(a.bs, x)
	}
	return x, err
}

// random returns a tensor of normal values, or of random codes.
func (a *arena) random(s tensor.Spec) (backend.Buffer, error) {
	x, err := a.zeros(s)
	if err != nil {
		return nil, err
	}
	for at := 0; at < s.Bytes(); at += len(a.r.block) {
		n := min(len(a.r.block), s.Bytes()-at)
		part, err := a.r.b.View(x, at, tensor.Of(tensor.U8, n))
		if err != nil {
			return nil, err
		}
		if err := a.r.b.Write(a.r.ctx, part, a.r.block[:n]); err != nil {
			return nil, err
		}
		a.bs = append(a.bs, part)
	}
	return x, nil
}

func (a *arena) floats(v ...float32) (backend.Buffer, error) {
	x, err := a.zeros(tensor.Of(tensor.F32, len(v)))
	if err != nil {
		return nil, err
	}
	return x, a.r.b.Write(a.r.ctx, x, tensor.Raw(v))
}

// bind makes the outputs of op that are not inputs changed in place, fills
// them with a poison and binds it. It returns nil, and notes it, when the
// backend does not support op.
func (a *arena) bind(op backend.Op, in ...backend.Buffer) (backend.Kernel, []backend.Buffer, error) {
	specs := backend.Specs(in)
	if !a.r.b.Supports(op, specs...) {
		return nil, nil, fmt.Errorf("%s: %w", op.OpName(), backend.ErrUnsupported)
	}
	shapes, err := graph.Lookup(op.OpName()).Infer(op, specs)
	if err != nil {
		return nil, nil, err
	}
	u, inPlace := op.(interface{ Updates(int) int })
	var out []backend.Buffer
	for i, s := range shapes {
		if inPlace {
			if j := u.Updates(i); j >= 0 {
				out = append(out, in[j])
				continue
			}
		}
		x, err := a.zeros(s)
		if err != nil {
			return nil, nil, err
		}
		poison, err := a.r.b.BindFill(x, 0xcc)
		if err == nil {
			err = poison.Run(a.r.ctx)
		}
		if err != nil {
			return nil, nil, err
		}
		a.ks = append(a.ks, poison)
		out = append(out, x)
	}
	k, err := a.r.b.Bind(op, out, in)
	if err != nil {
		return nil, nil, err
	}
	a.ks = append(a.ks, k)
	return k, out, nil
}

// add binds op as a task of its own, or says why it cannot.
func (a *arena) add(ts []task, name string, bytes, ops float64, op backend.Op, in ...backend.Buffer) []task {
	k, _, err := a.bind(op, in...)
	if err != nil {
		a.r.miss(name, err.Error())
		return ts
	}
	return append(ts, task{name, []backend.Kernel{k}, bytes, ops})
}

var int8Row = func() quant.Scheme { return quant.Int8PerChannel(0) }()
