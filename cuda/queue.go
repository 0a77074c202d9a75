//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"gorgonia.org/cu"
)

// Queue is a stream with the commands that wait to be issued to it. They are
// issued when somebody waits, or when there are many: the thread of the
// context receives whole lists. All methods are safe for concurrent use.
type Queue struct {
	c      *Context
	stream cu.Stream
	s      C.CUstream
	each   bool

	mu      sync.Mutex
	pending []Command
	tags    []any
	ring    *Pinned
	used    int // Bytes of the ring that commands not finished may use.
	fault   error
	done    C.int // Of the commands of one list, those issued.
	// issue and finish run on the thread; they are made once so that handing
	// them over allocates nothing.
	issue, finish func() error
}

const (
	maxPending = 4096
	minRing    = 1 << 20
	maxRing    = 32 << 20
)

// CommandError is a fault of a command, or one that showed at it.
type CommandError struct {
	// Tag is what the command was added with. Exact says that it is this
	// command's fault; a fault of the device shows at a later command.
	Tag   any
	Exact bool
	Err   error
}

// Error returns one line.
func (e *CommandError) Error() string {
	if e.Exact {
		return fmt.Sprintf("%v: %v", e.Tag, e.Err)
	}
	return e.Err.Error()
}

// Unwrap returns the driver's error.
func (e *CommandError) Unwrap() error { return e.Err }

// NewQueue makes a stream. With each, the queue waits after every command,
// so that a fault of the device names the command that made it.
func (c *Context) NewQueue(each bool) (*Queue, error) {
	q := &Queue{c: c, each: each}
	err := c.Do(func() error {
		var err error
		q.stream, err = cu.MakeStream(cu.NonBlocking)
		if err = c.check("cuStreamCreate", err); err != nil {
			return err
		}
		q.s = *(*C.CUstream)(unsafe.Pointer(&q.stream))
		live.streams.Add(1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	q.issue = q.run
	q.finish = func() error {
		if err := q.run(); err != nil {
			return err
		}
		return c.check("cuStreamSynchronize", q.stream.Synchronize())
	}
	return q, nil
}

// Stream returns the driver's handle of the stream, for libraries that take
// one.
func (q *Queue) Stream() unsafe.Pointer { return unsafe.Pointer(q.s) }

// Add appends commands. A fault of theirs is returned by a later call, with
// the tag.
func (q *Queue) Add(tag any, cmds ...Command) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.add(tag, cmds)
}

func (q *Queue) add(tag any, cmds []Command) error {
	if err := q.c.Lost(); err != nil {
		return err
	}
	q.pending = append(q.pending, cmds...)
	for range cmds {
		q.tags = append(q.tags, tag)
	}
	if len(q.pending) >= maxPending {
		return q.flush()
	}
	return nil
}

// run issues the pending commands. It runs on the thread.
func (q *Queue) run() error {
	n := len(q.pending)
	if n == 0 {
		return nil
	}
	each := C.int(0)
	if q.each {
		each = 1
	}
	r := C.goqat_run((*C.goqat_command)(unsafe.Pointer(&q.pending[0])), C.int(n), q.s, each, &q.done)
	var err error
	if r != 0 {
		err = q.c.code(callNames[q.pending[q.done].c.kind], int(r))
		err = &CommandError{Tag: q.tags[q.done], Exact: q.each || !Sticky(err), Err: err}
	}
	clear(q.tags)
	q.pending, q.tags = q.pending[:0], q.tags[:0]
	return err
}

var callNames = [...]string{
	C.GOQAT_LAUNCH: "cuLaunchKernel", C.GOQAT_COPY_IN: "cuMemcpyHtoDAsync", C.GOQAT_COPY_OUT: "cuMemcpyDtoHAsync", C.GOQAT_COPY: "cuMemcpyDtoDAsync",
	C.GOQAT_FILL8: "cuMemsetD8Async", C.GOQAT_FILL32: "cuMemsetD32Async", C.GOQAT_GRAPH: "cuGraphLaunch",
	C.GOQAT_RECORD: "cuEventRecord", C.GOQAT_WAIT: "cuStreamWaitEvent", C.GOQAT_HOST: "cuLaunchHostFunc",
	C.GOQAT_CALL: "call of a library",
}

// flush issues what is pending without waiting for it.
func (q *Queue) flush() error { return q.keep(q.c.Do(q.issue)) }

// Flush issues what is pending without waiting for it. A fault is kept for
// [Queue.Wait].
func (q *Queue) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = q.flush()
}

// Drain is Wait that keeps a fault for the next Wait.
func (q *Queue) Drain() {
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = q.wait()
}

// keep remembers the first fault for [Queue.Wait].
func (q *Queue) keep(err error) error {
	if err != nil && q.fault == nil {
		q.fault = err
	}
	return err
}

// wait issues what is pending and waits for all.
func (q *Queue) wait() error {
	err := q.keep(q.c.Do(q.finish))
	if err == nil || q.c.Lost() != nil {
		q.used = 0
		return err
	}
	// What was issued before the fault may still read the ring.
	if e := q.c.Do(q.finish); e == nil || q.c.Lost() != nil {
		q.used = 0
	}
	return err
}

// Wait waits until all commands are done and returns the first fault since
// the last Wait. After one that is not sticky the queue can be used again;
// the commands behind it in its list were dropped.
func (q *Queue) Wait(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	_ = q.wait()
	err := q.fault
	if q.c.Lost() == nil {
		q.fault = nil
	}
	return err
}

// reserve makes room for a transfer of n bytes and returns the part of the
// ring to use, of at most n bytes.
func (q *Queue) reserve(n int) (offset, size int, err error) {
	if q.ring == nil || len(q.ring.b) < maxRing && 2*n > len(q.ring.b) {
		want := minRing
		for want < 2*n && want < maxRing {
			want *= 2
		}
		if err := q.wait(); err != nil {
			return 0, 0, err
		}
		r, err := q.c.AllocPinned(want)
		switch {
		case err == nil:
			if q.ring != nil {
				_ = q.ring.Free()
			}
			q.ring = r
		case q.ring == nil || !errors.Is(err, ErrOutOfMemory):
			return 0, 0, err
		} // Else the smaller ring does.
	}
	// A long transfer goes in parts, so that one is copied by the device
	// while the host fills the next.
	size = min(n, len(q.ring.b)/4)
	if n <= len(q.ring.b)/2 {
		size = n
	}
	if q.used+size > len(q.ring.b) {
		if err := q.wait(); err != nil {
			return 0, 0, err
		}
	}
	offset = q.used
	q.used += (size + 63) / 64 * 64
	return offset, size, nil
}

// Upload copies src to device memory behind the commands added so far. src
// may be changed when it returns.
func (q *Queue) Upload(tag any, dst Ptr, src []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for first := true; len(src) > 0; first = false {
		off, n, err := q.reserve(len(src))
		if err != nil {
			return err
		}
		copy(q.ring.b[off:off+n], src)
		if err := q.add1(tag, CopyIn(dst, q.ring, off, n)); err != nil {
			return err
		}
		dst, src = dst+Ptr(n), src[n:]
		if !first || len(src) > 0 {
			if err := q.flush(); err != nil {
				return err
			}
		}
	}
	return q.c.Lost()
}

// add1 is add without a slice of its own.
func (q *Queue) add1(tag any, c Command) error {
	if err := q.c.Lost(); err != nil {
		return err
	}
	q.pending = append(q.pending, c)
	q.tags = append(q.tags, tag)
	if len(q.pending) >= maxPending {
		return q.flush()
	}
	return nil
}

// Download waits for all commands and copies device memory to dst. It
// returns their first fault, as [Queue.Wait] does.
func (q *Queue) Download(ctx context.Context, tag any, dst []byte, src Ptr) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(dst) > 0 {
		off, n, err := q.reserve(len(dst))
		if err == nil {
			err = q.add1(tag, CopyOut(q.ring, off, src, n))
		}
		if err == nil {
			err = q.wait()
		}
		if err == nil {
			err = q.fault
		}
		if err != nil {
			if q.c.Lost() == nil {
				q.fault = nil
			}
			return err
		}
		copy(dst[:n], q.ring.b[off:off+n])
		dst, src = dst[n:], src+Ptr(n)
	}
	return q.c.Lost()
}

// Close waits for the stream and releases it.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stream == (cu.Stream{}) {
		return nil
	}
	err := q.c.Do(q.finish)
	q.pending, q.tags = nil, nil
	if q.ring != nil {
		_ = q.ring.Free()
		q.ring = nil
	}
	e := q.c.do(func() error {
		live.streams.Add(-1)
		return q.c.check("cuStreamDestroy", q.stream.Destroy())
	})
	if err == nil {
		err = e
	}
	return err
}
