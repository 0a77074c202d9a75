//go:build cuda

package cuda

// #include "runtime.h"
import "C"

import (
	"unsafe"

	gopointer "github.com/mattn/go-pointer"
)

// HostCall is a Go function that a queue calls between its commands. It runs
// on a thread of the driver and must not call the driver.
type HostCall struct {
	f     func()
	token unsafe.Pointer
}

// NewHostCall makes f known to C.
func NewHostCall(f func()) *HostCall {
	h := &HostCall{f: f}
	h.token = gopointer.Save(h)
	live.callbacks.Add(1)
	return h
}

// Command returns the call. It may be part of a graph.
func (h *HostCall) Command() Command {
	return Command{C.goqat_command{kind: C.GOQAT_HOST, params: C.uint64_t(uintptr(h.token))}}
}

// Close forgets the function; no command or graph may call it any more.
func (h *HostCall) Close() {
	if h.token != nil {
		gopointer.Unref(h.token)
		h.token = nil
		live.callbacks.Add(-1)
	}
}

//export goqatHostCall
func goqatHostCall(token unsafe.Pointer) {
	if h, ok := gopointer.Restore(token).(*HostCall); ok {
		h.f()
	}
}
