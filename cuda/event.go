//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import (
	"time"
	"unsafe"

	"gorgonia.org/cu"
)

// Event marks a point of a queue.
type Event struct {
	c *Context
	e cu.Event
	h uintptr
}

// NewEvent makes an event that keeps the time.
func (c *Context) NewEvent() (*Event, error) {
	e := &Event{c: c}
	err := c.Do(func() error {
		var err error
		e.e, err = cu.MakeEvent(cu.DefaultEvent)
		if err = c.check("cuEventCreate", err); err != nil {
			return err
		}
		e.h = *(*uintptr)(unsafe.Pointer(&e.e))
		live.events.Add(1)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Record returns the command that sets the event.
func (e *Event) Record() Command {
	return Command{C.goqat_command{kind: C.GOQAT_RECORD, handle: C.uint64_t(e.h)}}
}

// Await returns the command that makes a queue wait for the event.
func (e *Event) Await() Command {
	return Command{C.goqat_command{kind: C.GOQAT_WAIT, handle: C.uint64_t(e.h)}}
}

// Since returns the time from start to e; both must have been reached.
func (e *Event) Since(start *Event) (time.Duration, error) {
	var ms float64
	err := e.c.Do(func() error {
		var err error
		ms, err = start.e.Elapsed(e.e)
		return e.c.check("cuEventElapsedTime", err)
	})
	return time.Duration(ms * float64(time.Millisecond)), err
}

// Close releases the event.
func (e *Event) Close() error {
	return e.c.do(func() error {
		live.events.Add(-1)
		return e.c.check("cuEventDestroy", cu.DestroyEvent(&e.e))
	})
}
