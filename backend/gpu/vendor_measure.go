//go:build cuda

package gpu

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/goqat/goqat/backend/gpu/internal/choices"
	"github.com/goqat/goqat/cuda"
	"github.com/goqat/goqat/cuda/cublaslt"
	"github.com/goqat/goqat/tensor"
)

// vendorWorkspace is the most memory that an algorithm of a library may want.
const vendorWorkspace = 32 << 20

// vendorMargin is how much faster a library must be to be chosen.
const vendorMargin = 0.98

func (v *vendorProduct) candidates(k *build) ([]choices.Choice, error) {
	var cs []choices.Choice
	for _, o := range cublaslt.Orders(k.arch()) {
		p := cublaslt.Product{Order: o, M: v.m, N: up(v.n, o.Multiple()), K: up(v.k, o.Multiple())}
		as, err := k.vendor.lt.Algorithms(p, vendorWorkspace)
		if errors.Is(err, cublaslt.ErrUnsupported) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, a := range as {
			cs = append(cs, choices.Choice{Library: vendorLt, Order: int(o), Algorithm: hex.EncodeToString(a.ID[:]), Workspace: a.Workspace})
		}
	}
	return cs, nil
}

// vendorChoice returns what computes something: nil for goqat's kernel. At the
// first use of a shape it measures, on memory of its own.
func (k *build) vendorChoice(v vendorWork) (*choices.Choice, error) {
	t := &k.vendor
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.off || !v.able(k) {
		return nil, nil
	}
	l := t.open(v.library())
	if l == nil {
		return nil, k.c.Lost()
	}
	key := v.key(k)
	e, ok := l.known[key]
	if ok && e.Choice.Library == "" {
		return nil, nil
	}
	cs, err := v.candidates(k)
	if err != nil {
		return nil, err
	}
	if ok {
		// What the file says must be what the library offers: its number is
		// not to be had from anywhere else.
		i := slices.IndexFunc(cs, func(c choices.Choice) bool {
			return c.Library == e.Choice.Library && c.Order == e.Choice.Order && c.Algorithm == e.Choice.Algorithm
		})
		if i >= 0 {
			return &cs[i], nil
		}
	}
	m := &measurement{k: k, key: key}
	defer m.release()
	e, err = m.run(cs)
	switch {
	case errors.Is(err, cuda.ErrOutOfMemory) && k.c.Lost() == nil:
		t.note(fmt.Sprintf("not measured, as memory is short: %s: %v", key, err))
		return nil, nil
	case err != nil:
		return nil, err
	}
	t.keep(l, e)
	if e.Choice.Library == "" {
		return nil, nil
	}
	return &e.Choice, nil
}

// measurement is the comparison of all that can compute something.
type measurement struct {
	k          *build
	key        string
	in         []*Buffer
	want, got  []*Buffer
	memory     []*memory
	start, end *cuda.Event
	count      cuda.Ptr // of bytes that differ
}

// String names the measurement in errors.
func (m *measurement) String() string { return "gpu: measuring " + m.key }

func (m *measurement) take(x *Buffer) (*Buffer, error) {
	if x == nil {
		return nil, nil
	}
	mem, err := m.k.heap.take(int64(x.spec.Bytes()))
	if err != nil {
		return nil, err
	}
	m.memory = append(m.memory, mem)
	return &Buffer{spec: x.spec, mem: mem, ptr: mem.p}, nil
}

func (m *measurement) release() {
	m.k.q.Drain()
	for _, mem := range m.memory {
		m.k.heap.give(mem.block)
	}
	for _, e := range []*cuda.Event{m.start, m.end} {
		if e != nil {
			_ = e.Close()
		}
	}
}

// prepare makes operands of the operation's types, and places for two results.
func (m *measurement) prepare() error {
	var err error
	if m.start, err = m.k.c.NewEvent(); err != nil {
		return err
	}
	if m.end, err = m.k.c.NewEvent(); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(uint64(len(m.key)), 1))
	for _, x := range m.k.in {
		y, err := m.take(x)
		if err != nil {
			return err
		}
		m.in = append(m.in, y)
		if y != nil {
			if err := m.fill(y, r); err != nil {
				return err
			}
		}
	}
	for _, x := range m.k.out {
		for _, to := range []*[]*Buffer{&m.want, &m.got} {
			y, err := m.take(x)
			if err != nil {
				return err
			}
			*to = append(*to, y)
		}
	}
	mem, err := m.k.heap.take(4)
	if err != nil {
		return err
	}
	m.memory, m.count = append(m.memory, mem), mem.p
	return nil
}

// fillPart is the part of an operand that is random; the rest repeats it.
const fillPart = 1<<20 - 48

// fill writes codes of all values, or small positive numbers, as scales and zero
// points are.
func (m *measurement) fill(x *Buffer, r *rand.Rand) error {
	n := x.spec.Bytes()
	b := make([]byte, min(n, fillPart))
	for i := 0; i < len(b); i += 4 {
		word := r.Uint32()
		switch x.spec.DType {
		case tensor.F32:
			word = math.Float32bits(0.01 + float32(word>>8)/(1<<24)*0.02)
		case tensor.I32:
			word %= 16
		}
		var w [4]byte
		binary.NativeEndian.PutUint32(w[:], word)
		copy(b[i:], w[:])
	}
	if err := m.k.q.Upload(m, x.ptr, b); err != nil {
		return err
	}
	for at := len(b); at < n; at += len(b) {
		if err := m.k.q.Add(m, cuda.Copy(x.ptr+cuda.Ptr(at), x.ptr, min(len(b), n-at))); err != nil {
			return err
		}
	}
	return nil
}

// bind binds the operation to a choice.
func (m *measurement) bind(c choices.Choice, out []*Buffer) (*bound, error) {
	k := m.k.newBound(m.k.k.op, m.k.k.in)
	b := &build{Backend: m.k.Backend, k: k, module: m.k.module, out: out, in: m.in, forced: &c}
	if err := kernels[m.k.k.op.OpName()].bind(b, m.k.k.op, out, m.in); err != nil {
		k.r.release()
		return nil, err
	}
	return k, nil
}

// time runs commands and returns how long they took by the device's clock.
func (m *measurement) time(cmds []cuda.Command, times int) (time.Duration, error) {
	list := []cuda.Command{m.start.Record()}
	for range times {
		list = append(list, cmds...)
	}
	if err := m.k.q.Try(m, append(list, m.end.Record())...); err != nil {
		return 0, err
	}
	return m.end.Since(m.start)
}

// Of a measurement: the least of some samples, each long enough for the clock.
const (
	samples    = 3
	sampleTime = 500 * time.Microsecond
	mostRuns   = 40
)

// fastest measures bound commands that ran once before.
func (m *measurement) fastest(cmds []cuda.Command) (time.Duration, error) {
	d, err := m.time(cmds, 1)
	if err != nil {
		return 0, err
	}
	if n := int(min(sampleTime/max(d, 1), mostRuns)); n > 1 {
		for i := range samples {
			t, err := m.time(cmds, n)
			if err != nil {
				return 0, err
			}
			if t /= time.Duration(n); i == 0 || t < d {
				d = t
			}
		}
	}
	return d, nil
}

// differing returns the number of bytes in which the results are not those of
// goqat's kernel.
func (m *measurement) differing() (uint32, error) {
	b := &build{Backend: m.k.Backend, k: m.k.newBound(m.k.k.op, m.k.k.in)}
	defer func() { b.k.r.release() }() // So that b.k lives until then.
	b.command(cuda.Fill(m.count, 0, 4))
	for i, w := range m.want {
		if w == nil {
			continue
		}
		n := w.spec.Bytes()
		if err := b.launchFrom("vendor_int8", "vendor_int8_differ", b.spread((n+15)/16), m.count, w, m.got[i], int64(n)); err != nil {
			return 0, err
		}
	}
	if err := m.k.q.Try(m, b.k.cmds...); err != nil {
		return 0, err
	}
	var word [4]byte
	if err := m.k.q.Download(context.Background(), m, word[:], m.count); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint32(word[:]), nil
}

// run measures goqat's kernel and then each candidate, and returns the fastest
// of those with the same results; where a library is forced, its first.
func (m *measurement) run(cs []choices.Choice) (choices.Entry, error) {
	e := choices.Entry{Key: m.key}
	if len(cs) == 0 {
		return e, nil
	}
	if err := m.prepare(); err != nil {
		return e, err
	}
	own, err := m.bind(choices.Choice{}, m.want)
	if err != nil {
		return e, err
	}
	defer func() { own.r.release() }() // So that it lives until then: commands do not keep it.
	if err := m.k.q.Try(m, own.cmds...); err != nil {
		return e, err
	}
	forced := m.k.vendor.force != ""
	best := time.Duration(math.MaxInt64)
	if !forced {
		if best, err = m.fastest(own.cmds); err != nil {
			return e, err
		}
		e.Nanoseconds, e.OwnNanoseconds = int64(best), int64(best)
		best = time.Duration(float64(best) * vendorMargin)
	}
	for i, c := range cs {
		d, wrong, err := m.candidate(c, forced)
		switch {
		case m.k.c.Lost() != nil:
			return e, m.k.c.Lost()
		case errors.Is(err, cuda.ErrOutOfMemory):
			return e, err
		case err != nil:
			continue // The library does not have it after all.
		case wrong > 0:
			e.Wrong = append(e.Wrong, fmt.Sprintf("%s, number %d of order %d: %d bytes differ", c.Library, i, c.Order, wrong))
			continue
		}
		if d < best {
			best, e.Choice, e.Nanoseconds = d, c, int64(d)
		}
		if forced {
			break
		}
	}
	return e, nil
}

// candidate runs a candidate, compares its results and measures it.
func (m *measurement) candidate(c choices.Choice, forced bool) (d time.Duration, wrong uint32, err error) {
	k, err := m.bind(c, m.got)
	if err != nil {
		return 0, 0, err
	}
	defer func() { k.r.release() }()
	var first []cuda.Command
	for _, x := range m.got {
		if x != nil { // So that old results are not taken for new ones.
			first = append(first, cuda.Fill(x.ptr, 0xa5, x.spec.Bytes()))
		}
	}
	if err := m.k.q.Try(m, append(first, k.cmds...)...); err != nil {
		return 0, 0, err
	}
	if wrong, err = m.differing(); err != nil || wrong > 0 || forced {
		return 0, wrong, err
	}
	d, err = m.fastest(k.cmds)
	return d, 0, err
}
