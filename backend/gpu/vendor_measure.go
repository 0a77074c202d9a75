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
		for _, r := range v.results(k, o) {
			p := cublaslt.Product{Order: o, Result: r, M: v.m, N: up(v.n, o.Multiple()), K: up(v.k, o.Multiple())}
			as, err := k.vendor.lt.Algorithms(p, vendorWorkspace)
			if errors.Is(err, cublaslt.ErrUnsupported) {
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, a := range as {
				cs = append(cs, choices.Choice{Library: vendorLt, Order: int(o), Form: formOf(r), Algorithm: hex.EncodeToString(a.ID[:]), Workspace: a.Workspace})
			}
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
	key, kernels := v.key(k), k.measuredKernels()
	e, ok := l.known[key]
	ok = ok && e.Kernels == kernels
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
			return c.ID() == e.Choice.ID()
		})
		if i >= 0 && !l.refused[cs[i].ID()] {
			return &cs[i], nil
		}
	}
	m := &measurement{k: k, key: key, kernels: kernels, refused: l.refused}
	m.prover, _ = v.(prover)
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

// measuredKernels is the digest of goqat's kernels that take part in a
// measurement.
func (k *build) measuredKernels() string {
	return k.code.digest(k.module, "vendor_int8", "vendor_codes", wgmmaModule, codeBF16Module)
}

// prover is work of which a library rounds results itself. prove returns, by
// the identity of candidates, in how many bytes theirs differ on data made for
// that.
type prover interface {
	prove(m *measurement, own *bound, cs []choices.Choice) (map[string]uint32, error)
}

// measurement is the comparison of all that can compute something.
type measurement struct {
	k          *build
	key        string
	kernels    string          // The digest of goqat's.
	prover     prover          // Nil where results cannot be rounded otherwise.
	refused    map[string]bool // Candidates that no shape may have.
	in         []*Buffer
	want, got  []*Buffer
	memory     []*memory
	start, end *cuda.Event
	count      cuda.Ptr // of bytes that differ
	host       *cuda.Pinned
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
	if m.host != nil {
		_ = m.host.Free()
	}
}

// hostBytes is how much is uploaded at a time.
const hostBytes = 1 << 20

// upload copies b to device memory. A fault is the measurement's own, and none of
// the queue's.
func (m *measurement) upload(dst cuda.Ptr, b []byte) error {
	if m.host == nil {
		var err error
		if m.host, err = m.k.c.AllocPinned(hostBytes); err != nil {
			return err
		}
	}
	for len(b) > 0 {
		n := copy(m.host.Bytes(), b)
		if err := m.k.q.Try(m, cuda.CopyIn(dst, m.host, 0, n)); err != nil {
			return err
		}
		dst, b = dst+cuda.Ptr(n), b[n:]
	}
	return nil
}

// prepare takes memory for the operands of the operation and for two results.
func (m *measurement) prepare() error {
	var err error
	if m.start, err = m.k.c.NewEvent(); err != nil {
		return err
	}
	if m.end, err = m.k.c.NewEvent(); err != nil {
		return err
	}
	for _, x := range m.k.in {
		y, err := m.take(x)
		if err != nil {
			return err
		}
		m.in = append(m.in, y)
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

// operands writes operands of the operation's types; scales and zero points that
// are constants are the operation's own.
func (m *measurement) operands() error {
	r := rand.New(rand.NewPCG(uint64(len(m.key)), 1))
	for i, y := range m.in {
		if y == nil {
			continue
		}
		var err error
		if x := m.k.in[i]; x.frozen.Load() && !x.spec.DType.Code() {
			err = m.k.q.Try(m, cuda.Copy(y.ptr, x.ptr, x.spec.Bytes()))
		} else {
			err = m.fill(y, r)
		}
		if err != nil {
			return err
		}
	}
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
	if err := m.upload(x.ptr, b); err != nil {
		return err
	}
	var repeat []cuda.Command
	for at := len(b); at < n; at += len(b) {
		repeat = append(repeat, cuda.Copy(x.ptr+cuda.Ptr(at), x.ptr, min(len(b), n-at)))
	}
	return m.k.q.Try(m, repeat...)
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
	e := choices.Entry{Key: m.key, Kernels: m.kernels}
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
	forced := m.k.vendor.force != ""
	differ := map[string]uint32{}
	if m.prover != nil && !forced {
		if differ, err = m.prover.prove(m, own, m.unknown(cs)); err != nil {
			return e, err
		}
	}
	again := func() error {
		if err := m.operands(); err != nil {
			return err
		}
		return m.k.q.Try(m, own.cmds...)
	}
	if err := again(); err != nil {
		return e, err
	}
	best := time.Duration(math.MaxInt64)
	if !forced {
		if best, err = m.fastest(own.cmds); err != nil {
			return e, err
		}
		e.Nanoseconds, e.OwnNanoseconds = int64(best), int64(best)
		best = time.Duration(float64(best) * vendorMargin)
	}
	before := 0
	wrongs := func(i int, why string) {
		if c := cs[i]; len(e.Wrong) < choices.MostWrong {
			e.Wrong = append(e.Wrong, fmt.Sprintf("%s, number %d of order %d%s: %s", c.Library, i, c.Order, to(c.Form), why))
		}
	}
	for i, c := range cs {
		if m.refused[c.ID()] {
			before++
			continue
		}
		if m.prover != nil && forced && c.Form != "" { // Only until one is right.
			if differ, err = m.prover.prove(m, own, cs[i:i+1]); err != nil {
				return e, err
			}
			if err := again(); err != nil {
				return e, err
			}
		}
		if n, proven := differ[c.ID()]; n > 0 {
			wrongs(i, proofText(n))
			if len(e.Refused) < choices.MostWrong {
				e.Refused = append(e.Refused, c.ID())
			}
			continue
		} else if c.Form != "" && !proven {
			continue // It does not run.
		}
		d, wrong, err := m.candidate(c, forced)
		switch {
		case m.k.c.Lost() != nil:
			return e, m.k.c.Lost()
		case errors.Is(err, cuda.ErrOutOfMemory):
			return e, err
		case err != nil:
			continue // The library does not have it after all.
		case wrong > 0:
			wrongs(i, fmt.Sprintf("%d bytes differ", wrong))
			continue
		}
		if d < best {
			best, e.Choice, e.Nanoseconds = d, c, int64(d)
		}
		if forced {
			break
		}
	}
	if before > 0 && len(e.Wrong) < choices.MostWrong {
		e.Wrong = append(e.Wrong, fmt.Sprintf("%d algorithms that round otherwise at another shape", before))
	}
	return e, nil
}

// unknown returns the candidates that were not refused.
func (m *measurement) unknown(cs []choices.Choice) []choices.Choice {
	return slices.DeleteFunc(slices.Clone(cs), func(c choices.Choice) bool { return m.refused[c.ID()] })
}

// to names a form in texts.
func to(form string) string {
	if form == "" {
		return ""
	}
	return " to " + form
}

// candidate runs a candidate, compares its results and measures it.
func (m *measurement) candidate(c choices.Choice, forced bool) (d time.Duration, wrong uint32, err error) {
	k, err := m.bind(c, m.got)
	if err != nil {
		return 0, 0, err
	}
	defer func() { k.r.release() }()
	if wrong, err = m.compare(k); err != nil || wrong > 0 || forced {
		return 0, wrong, err
	}
	d, err = m.fastest(k.cmds)
	return d, 0, err
}

// compare runs a bound candidate and returns the number of bytes in which its
// results are not those that goqat's kernel left.
func (m *measurement) compare(k *bound) (wrong uint32, err error) {
	var first []cuda.Command
	for _, x := range m.got {
		if x != nil { // So that old results are not taken for new ones.
			first = append(first, cuda.Fill(x.ptr, 0xa5, x.spec.Bytes()))
		}
	}
	if err := m.k.q.Try(m, append(first, k.cmds...)...); err != nil {
		return 0, err
	}
	return m.differing()
}
