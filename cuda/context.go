//go:build cuda

package cuda

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"gorgonia.org/cu"
)

// Context is the primary context of a device, which vendor libraries of the
// process share, and the one thread that calls the driver for it. All methods
// are safe for concurrent use.
type Context struct {
	device Device
	dev    cu.Device

	mu     sync.RWMutex // Held for reading while a job is handed over.
	closed bool
	jobs   chan *job
	ended  chan struct{}
	lost   atomic.Pointer[lostError]
}

type lostError struct{ err error }

// job is a function for the thread.
type job struct {
	f    func() error
	err  error
	done chan struct{}
}

var jobPool = sync.Pool{New: func() any { return &job{done: make(chan struct{}, 1)} }}

// Open makes the primary context of device i current on a thread of its own.
func Open(i int) (*Context, error) {
	ds, err := Devices()
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= len(ds) {
		return nil, fmt.Errorf("cuda: %w: device %d of %d", ErrNoDevice, i, len(ds))
	}
	c := &Context{device: ds[i], dev: cu.Device(i), jobs: make(chan *job), ended: make(chan struct{})}
	ready := make(chan error)
	go c.thread(ready)
	if err := <-ready; err != nil {
		return nil, err
	}
	live.contexts.Add(1)
	return c, nil
}

// Device returns what the device is.
func (c *Context) Device() Device { return c.device }

// thread serves jobs until the context is closed.
func (c *Context) thread(ready chan<- error) {
	runtime.LockOSThread() // Never unlocked: the thread ends with the goroutine.
	defer close(c.ended)
	p, err := c.dev.RetainPrimaryCtx()
	if err != nil {
		ready <- c.check("cuDevicePrimaryCtxRetain", err)
		return
	}
	if err = cu.SetCurrentContext(p); err != nil {
		_ = c.dev.ReleasePrimaryCtx()
		ready <- c.check("cuCtxSetCurrent", err)
		return
	}
	ready <- nil
	for j := range c.jobs {
		j.err = guarded(j.f)
		j.done <- struct{}{}
	}
	_ = c.dev.ReleasePrimaryCtx()
}

func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("cuda: panic: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// Do runs f on the thread of the context and returns its error. After a
// sticky fault it returns that fault and does not run f. f must not call Do.
func (c *Context) Do(f func() error) error {
	if l := c.lost.Load(); l != nil {
		return l.err
	}
	return c.do(f)
}

// do is Do that runs f after a fault, too: for what releases.
func (c *Context) do(f func() error) error {
	j := jobPool.Get().(*job)
	j.f = f
	c.mu.RLock()
	if c.closed {
		c.mu.RUnlock()
		return fmt.Errorf("cuda: the context is closed")
	}
	c.jobs <- j
	c.mu.RUnlock()
	<-j.done
	err := j.err
	j.f, j.err = nil, nil
	jobPool.Put(j)
	return err
}

// check turns an error of cu into an [Error], and remembers a sticky one.
func (c *Context) check(call string, err error) error { return c.note(wrap(call, err)) }

// code is check for a result of the package's own C functions.
func (c *Context) code(call string, r int) error { return c.note(fault(call, r)) }

func (c *Context) note(err error) error {
	if err != nil && Sticky(err) {
		c.lost.CompareAndSwap(nil, &lostError{err})
	}
	return err
}

// Lost returns the sticky fault that ended the use of the device, nil if
// there was none.
func (c *Context) Lost() error {
	if l := c.lost.Load(); l != nil {
		return l.err
	}
	return nil
}

// Close ends the thread and releases the primary context. What was made on
// the context must have been released before.
func (c *Context) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	close(c.jobs)
	c.mu.Unlock()
	<-c.ended
	live.contexts.Add(-1)
	return nil
}
