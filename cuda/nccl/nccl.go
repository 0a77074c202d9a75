//go:build cuda

// Package nccl adds up tensors of several devices of one process by NVIDIA's
// NCCL, which is opened when it is wanted first: libnccl.so.2, or the library
// that GOQAT_NCCL names. Nothing of NCCL is needed to build.
package nccl

// #include <stdlib.h>
// #include "own.h"
import "C"

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/goqat/goqat/cuda"
)

// EnvLibrary names the library instead of libnccl.so.2.
const EnvLibrary = "GOQAT_NCCL"

// minVersion is that of the first NCCL with means and with graphs.
const minVersion = 21000

// Sentinel errors, to be tested with errors.Is.
var (
	// ErrNoLibrary: there is no NCCL, or not one that can be used.
	ErrNoLibrary = errors.New("no NCCL")
	// ErrAborted: the group was aborted.
	ErrAborted = errors.New("aborted")
)

// Error is a fault that a call of NCCL gave.
type Error struct {
	Code int
	Text string // NCCL's explanation.
	Call string
}

// Error returns one line.
func (e *Error) Error() string { return fmt.Sprintf("nccl: %s: %s (%d)", e.Call, e.Text, e.Code) }

// Is says that faults of the machine end the use of the device.
func (e *Error) Is(target error) bool {
	switch e.Code {
	case C.GOQAT_NCCL_UNHANDLED_CUDA, C.GOQAT_NCCL_SYSTEM, C.GOQAT_NCCL_INTERNAL, C.GOQAT_NCCL_REMOTE:
		return target == cuda.ErrLost
	}
	return false
}

func fault(call string, r C.int) error {
	if r == C.GOQAT_NCCL_SUCCESS {
		return nil
	}
	text := C.GoString(C.goqat_nccl_text(r))
	if last := C.GoString(C.goqat_nccl_last()); last != "" {
		text += ": " + last
	}
	return &Error{Code: int(r), Text: text, Call: call}
}

var library struct {
	mu      sync.Mutex
	version int // 0 until there is one.
}

func load() (int, error) {
	library.mu.Lock()
	defer library.mu.Unlock()
	if library.version > 0 {
		return library.version, nil
	}
	path := os.Getenv(EnvLibrary)
	if path == "" {
		path = "libnccl.so.2"
	}
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	if why := C.goqat_nccl_open(p); why != nil {
		return 0, fmt.Errorf("nccl: %w: %s; several devices need it: install NVIDIA's package libnccl2, or pip's nvidia-nccl-cu12, and let %s name its libnccl.so.2 where the system does not find it",
			ErrNoLibrary, C.GoString(why), EnvLibrary)
	}
	var v C.int
	if err := fault("ncclGetVersion", C.goqat_nccl_version(&v)); err != nil {
		return 0, err
	}
	if v < minVersion {
		return 0, fmt.Errorf("nccl: %w: %s is version %s: 2.10 or later is needed", ErrNoLibrary, path, versionString(int(v)))
	}
	library.version = int(v)
	return library.version, nil
}

// Version opens the library and returns its version, as "2.21.5", or
// [ErrNoLibrary] with what is missing and how to get it.
func Version() (string, error) {
	v, err := load()
	return versionString(v), err
}

// versionString tells a number of NCCL since 2.9.
func versionString(v int) string {
	if v < 10000 {
		return fmt.Sprintf("%d.%d.%d", v/1000, v/100%10, v%100)
	}
	return fmt.Sprintf("%d.%d.%d", v/10000, v/100%100, v%100)
}

// Group is the communicators of several devices.
type Group struct {
	ranks []*Rank
	mu    sync.Mutex
	cause error // Of the abort.
	// aborting ends when NCCL has given the communicators back.
	aborting sync.WaitGroup
}

// Rank is one device of a group: its communicator, and a stream for
// collective operations. Operations of a rank are issued on the thread of its
// context.
type Rank struct {
	g *Group
	c *cuda.Context
	q *cuda.Queue
	r *C.goqat_nccl_rank
}

// Open makes the devices of contexts, which are all different, a group.
func Open(contexts []*cuda.Context) (*Group, error) {
	if _, err := load(); err != nil {
		return nil, err
	}
	n := len(contexts)
	devices := make([]C.int, n)
	comms := make([]C.goqat_nccl_comm, n)
	for i, c := range contexts {
		devices[i] = C.int(c.Device().Index)
	}
	if err := fault("ncclCommInitAll", C.goqat_nccl_init(&comms[0], C.int(n), &devices[0])); err != nil {
		return nil, err
	}
	g := &Group{}
	for i, c := range contexts {
		k := &Rank{g: g, c: c, r: (*C.goqat_nccl_rank)(C.calloc(1, C.sizeof_goqat_nccl_rank))}
		k.r.comm = comms[i]
		g.ranks = append(g.ranks, k)
	}
	for _, k := range g.ranks {
		if err := k.open(); err != nil {
			_ = g.Close()
			return nil, err
		}
	}
	return g, nil
}

func (k *Rank) open() error {
	var err error
	if k.q, err = k.c.NewQueue(false); err != nil {
		return err
	}
	k.r.stream = C.CUstream(k.q.Stream())
	return k.c.Do(func() error { return driver("cuEventCreate", C.goqat_nccl_events(k.r)) })
}

func driver(call string, r C.CUresult) error {
	if r == 0 {
		return nil
	}
	return &cuda.Error{Code: int(r), Name: fmt.Sprintf("CUDA_ERROR_%d", int(r)), Call: call}
}

// Rank returns a member.
func (g *Group) Rank(i int) *Rank { return g.ranks[i] }

// Abort ends all operations of all ranks, those that wait on the devices too.
// It may be called while other threads wait for their devices, and does not
// wait itself: NCCL's abort ends when graphs with its operations are released.
func (g *Group) Abort(cause error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause != nil {
		return
	}
	g.cause = fmt.Errorf("nccl: %w: %w", ErrAborted, cause)
	for _, k := range g.ranks {
		if C.goqat_nccl_leave(k.r) == 0 {
			continue
		}
		r := k.r
		g.aborting.Go(func() { C.goqat_nccl_abort(r) })
	}
}

// lostWait is how long Close waits for an abort where a device is lost, whose
// driver may never give graphs back.
const lostWait = 2 * time.Second

// aborted waits for the end of an abort, and reports whether it came.
func (g *Group) aborted() bool {
	lost := slices.ContainsFunc(g.ranks, func(k *Rank) bool { return k.c.Lost() != nil })
	if !lost {
		g.aborting.Wait()
		return true
	}
	end := make(chan struct{})
	go func() {
		g.aborting.Wait()
		close(end)
	}()
	select {
	case <-end:
		return true
	case <-time.After(lostWait):
		return false
	}
}

// Err returns what an abort was for, nil before it.
func (g *Group) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// Watch returns a fault that has come over the group beside its calls, such as
// a broken link.
func (g *Group) Watch() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause != nil {
		return nil
	}
	for _, k := range g.ranks {
		// The result lies in C's memory: training steps allocate nothing.
		if err := fault("ncclCommGetAsyncError", C.goqat_nccl_async(k.r.comm, &k.r.async)); err != nil {
			return err
		}
		if r := k.r.async; r != C.GOQAT_NCCL_SUCCESS && r != C.GOQAT_NCCL_IN_PROGRESS {
			return fault("a collective operation", r)
		}
	}
	return nil
}

// Fault returns the fault of the rank's first call that failed, nil if none
// did.
func (k *Rank) Fault() error {
	if k.r == nil {
		return nil
	}
	return fault("ncclAllReduce", k.r.result)
}

// Close releases the communicators. Nothing may be running, and graphs with
// operations of the group must have been released: NCCL waits for that.
func (g *Group) Close() error {
	var errs []error
	g.mu.Lock()
	if g.cause == nil {
		g.cause = fmt.Errorf("nccl: %w: the group is closed", ErrAborted)
	}
	g.mu.Unlock()
	ended := g.aborted()
	for _, k := range g.ranks {
		if k.r == nil {
			continue
		}
		if C.goqat_nccl_leave(k.r) != 0 {
			errs = append(errs, fault("ncclCommDestroy", C.goqat_nccl_destroy(k.r)))
		}
		errs = append(errs, k.c.Do(func() error { return driver("cuEventDestroy", C.goqat_nccl_close_events(k.r)) }))
		if k.q != nil {
			errs = append(errs, k.q.Close())
		}
		if ended { // Else the abort still has it.
			C.free(unsafe.Pointer(k.r))
		}
		k.r = nil
	}
	return errors.Join(errs...)
}

// Op is what an element becomes of those of all ranks.
type Op int

// The operators.
const (
	Mean     Op = C.GOQAT_NCCL_AVG
	Least    Op = C.GOQAT_NCCL_MIN
	Greatest Op = C.GOQAT_NCCL_MAX
)

// Tensor is an operand: Count floats, or doubles, at P.
type Tensor struct {
	P      cuda.Ptr
	Count  int
	Double bool
	Op     Op
}

// Reduce is an operation on tensors, in place.
type Reduce struct{ p *C.goqat_nccl_reduce }

// NewReduce makes an operation. With overlap the queue goes on beside it, and
// waits for it at [Rank.Wait].
func (k *Rank) NewReduce(list []Tensor, overlap bool) *Reduce {
	p := (*C.goqat_nccl_reduce)(C.calloc(1, C.size_t(unsafe.Sizeof(C.goqat_nccl_reduce{}))+C.size_t(len(list))*C.sizeof_goqat_nccl_tensor))
	p.rank, p.n = k.r, C.int(len(list))
	if overlap {
		p.overlap = 1
	}
	at := unsafe.Slice((*C.goqat_nccl_tensor)(unsafe.Add(unsafe.Pointer(p), unsafe.Sizeof(C.goqat_nccl_reduce{}))), len(list))
	for i, t := range list {
		at[i] = C.goqat_nccl_tensor{p: C.uint64_t(t.P), count: C.size_t(t.Count), _type: C.GOQAT_NCCL_F32, op: C.int(t.Op)}
		if t.Double {
			at[i]._type = C.GOQAT_NCCL_F64
		}
	}
	return &Reduce{p}
}

// Command returns the operation for the queue of the rank's device. It may be
// part of a graph.
func (r *Reduce) Command() cuda.Command {
	return cuda.Call(C.goqat_nccl_reduce_call(), unsafe.Pointer(r.p))
}

// Free releases the operation, which must not be pending.
func (r *Reduce) Free() {
	C.free(unsafe.Pointer(r.p))
	r.p = nil
}

// Wait returns the wait for all operations before it.
func (k *Rank) Wait() cuda.Command { return cuda.Call(C.goqat_nccl_wait_call(), unsafe.Pointer(k.r)) }
