package cpu

import (
	"sync"

	"github.com/goqat/goqat/tensor"
)

// scratchList hands out temporary memory to running kernels and takes it
// back, so that programs that run in turn share one working set and a step
// allocates nothing after the first.
type scratchList struct {
	mu   sync.Mutex
	free []*scratch
}

type scratch struct{ t *tensor.Tensor }

// bytes returns what the list holds while no kernel runs.
func (l *scratchList) bytes() (n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.free {
		n += int64(len(s.t.Bytes()))
	}
	return n
}

// scratchUser is the list as one kernel sees it.
type scratchUser struct {
	*scratchList
	most int
}

// need says, while the kernel is bound, that a run takes n bytes at a time.
func (u *scratchUser) need(n int) { u.most = max(u.most, n) }

// take returns a scratch of at least n bytes; its contents are undefined.
func (l *scratchList) take(n int) *scratch {
	l.mu.Lock()
	best := -1
	for i, s := range l.free {
		if len(s.t.Bytes()) >= n && (best < 0 || len(s.t.Bytes()) < len(l.free[best].t.Bytes())) {
			best = i
		}
	}
	var s *scratch
	if best >= 0 {
		s = l.free[best]
	} else if k := len(l.free); k > 0 {
		best, s = k-1, l.free[k-1] // Too small: grown below instead of kept beside a larger one.
	}
	if s != nil {
		l.free[best] = l.free[len(l.free)-1]
		l.free = l.free[:len(l.free)-1]
	} else {
		s = &scratch{}
	}
	l.mu.Unlock()
	if s.t == nil || len(s.t.Bytes()) < n {
		s.t = tensor.New(tensor.Of(tensor.U8, n))
	}
	return s
}

// give returns s for others to take.
func (l *scratchList) give(s *scratch) {
	l.mu.Lock()
	l.free = append(l.free, s)
	l.mu.Unlock()
}

// f32 returns n float32 of s from byte offset off, a multiple of 64.
func (s *scratch) f32(off, n int) []float32 { return tensor.Cast[float32](s.t.Bytes()[off:], n) }

// scratchOf is f32 for any element type.
func scratchOf[T tensor.Element](s *scratch, off, n int) []T {
	return tensor.Cast[T](s.t.Bytes()[off:], n)
}

// roundUp64 rounds a byte count up to the alignment of parts of a scratch.
func roundUp64(n int) int { return (n + 63) &^ 63 }
