//go:build cuda

// Package cudasim steers the simulator of csrc/sim from tests: the CUDA
// driver on the CPU that GOQAT_CUDA_DRIVER names. See csrc/sim/goqatsim.h.
package cudasim

/*
#cgo LDFLAGS: -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include "../../csrc/sim/goqatsim.h"

static void *lib;
static void *sym(const char *name) { return lib ? dlsym(lib, name) : NULL; }

static int sim_open(const char *path) {
  lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  return lib && sym("goqatsim_reset") ? 1 : 0;
}
static void sim_reset(void) { ((void (*)(void))sym("goqatsim_reset"))(); }
static void sim_fail_at(const char *name, uint64_t n, int code, int sticky) {
  ((void (*)(const char *, uint64_t, int, int))sym("goqatsim_fail_at"))(name, n, code, sticky);
}
static void sim_fail_clear(void) { ((void (*)(void))sym("goqatsim_fail_clear"))(); }
static uint64_t sim_calls(const char *name) { return ((uint64_t(*)(const char *))sym("goqatsim_calls"))(name); }
static const char *sim_message(void) { return ((const char *(*)(void))sym("goqatsim_message"))(); }
static void sim_count(goqatsim_counters *c) { ((void (*)(goqatsim_counters *))sym("goqatsim_count"))(c); }
static int sim_kernel_count(const char *n, goqatsim_kernel *k) {
  return ((int (*)(const char *, goqatsim_kernel *))sym("goqatsim_kernel_count"))(n, k);
}
static void sim_collective_count(goqatsim_collectives *c) {
  ((void (*)(goqatsim_collectives *))sym("goqatsim_collective_count"))(c);
}
static void sim_collective_fault(int code) { ((void (*)(int))sym("goqatsim_collective_fault"))(code); }
static void sim_trace(int on) { ((void (*)(int))sym("goqatsim_trace"))(on); }
static const char *sim_traced(void) { return ((const char *(*)(void))sym("goqatsim_traced"))(); }
static void sim_kernel_clear(void) { ((void (*)(void))sym("goqatsim_kernel_clear"))(); }
static void sim_set_capability(int cc) { ((void (*)(int))sym("goqatsim_set_capability"))(cc); }
static void sim_virtual_clock(int on) { ((void (*)(int))sym("goqatsim_virtual_clock"))(on); }
static void sim_cost(const char *n, double ms) { ((void (*)(const char *, double))sym("goqatsim_cost"))(n, ms); }
static void sim_set_order(int o) { ((void (*)(int))sym("goqatsim_set_order"))(o); }
// A function for command lists: it counts its calls in *data, and fails at the
// third.
static int counting(void *stream, void *data) {
  (void)stream;
  return ++*(int *)data == 3 ? 1 : 0;
}
static void *counting_address(void) { return (void *)counting; }
static void sim_set_threads(unsigned n) { ((void (*)(unsigned))sym("goqatsim_set_threads"))(n); }
*/
import "C"

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"
)

var open = sync.OnceValue(func() bool {
	path := os.Getenv("GOQAT_CUDA_DRIVER")
	if path == "" {
		return false
	}
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	return C.sim_open(p) != 0
})

// Running reports whether the driver of this process is the simulator. Other
// functions may be called only then.
func Running() bool { return open() }

// Reset returns to the state before the first call of the driver, with the
// environment read anew. No context may be open.
func Reset() { C.sim_reset() }

// FailAt plans a fault: the n-th call from now of a driver function, or with
// "kernel" or "kernel:NAME" of an execution, gives code; a sticky one ends
// the context.
func FailAt(name string, n int, code int, sticky bool) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	k := C.int(0)
	if sticky {
		k = 1
	}
	C.sim_fail_at(s, C.uint64_t(n), C.int(code), k)
}

// ClearFaults forgets the planned faults.
func ClearFaults() { C.sim_fail_clear() }

// Calls returns how often a driver function was called since the last reset.
func Calls(name string) int {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return int(C.sim_calls(s))
}

// Message returns what the last fault was.
func Message() string { return C.GoString(C.sim_message()) }

// Counters of the simulator: what ran since the last reset, and what is live.
type Counters struct {
	Kernels, HostSyncs, Copies, Sets, GraphLaunches                              int
	Allocations, AllocatedBytes, Pinned, Streams, Events, Graphs, Execs, Modules int
	VendorObjects                                                                int // Of stand-ins for the vendor's libraries.
}

// Count returns the counters.
func Count() Counters {
	var c C.goqatsim_counters
	C.sim_count(&c)
	return Counters{
		Kernels: int(c.kernels), HostSyncs: int(c.host_syncs), Copies: int(c.copies), Sets: int(c.sets), GraphLaunches: int(c.graph_launches),
		Allocations: int(c.allocations), AllocatedBytes: int(c.allocated_bytes), Pinned: int(c.pinned),
		Streams: int(c.streams), Events: int(c.events), Graphs: int(c.graphs), Execs: int(c.execs), Modules: int(c.modules),
		VendorObjects: int(c.vendor_objects),
	}
}

// Collectives of the stand-in for NCCL since the last reset.
type Collectives struct {
	Issued    int // Groups of operations given to streams or captures, of every rank.
	Executed  int // Those that all ranks have met in.
	Overtaken int // Kernels that ran between issue and execution, of every rank.
	Live      int // Communicators.
}

// CountCollectives returns the counters.
func CountCollectives() Collectives {
	var c C.goqatsim_collectives
	C.sim_collective_count(&c)
	return Collectives{int(c.issued), int(c.executed), int(c.overtaken), int(c.live)}
}

// FailCollectives makes all communicators tell of an asynchronous fault.
func FailCollectives(code int) { C.sim_collective_fault(C.int(code)) }

// Work is a piece of work given to a stream or a capture.
type Work struct {
	Kind           string // "kernel", "collective", "copy", "set", "graph", "record", "wait", ...
	Name           string // Of a kernel, else "-".
	Device, Stream int    // Streams count from 0 in the order of a trace.
	Captured       bool
	After          []int // What it waits for itself.
}

// Trace returns the work that is given to streams and captures while f runs.
func Trace(f func()) []Work {
	C.sim_trace(1)
	f()
	C.sim_trace(0)
	var all []Work
	runtime.LockOSThread() // The text is the thread's.
	defer runtime.UnlockOSThread()
	for line := range strings.Lines(C.GoString(C.sim_traced())) {
		var w Work
		for i, s := range strings.Fields(line) {
			n, _ := strconv.Atoi(s) // 0 for words.
			switch i {
			case 0:
				w.Kind = s
			case 1:
				w.Name = s
			case 2:
				w.Device = n
			case 3:
				w.Stream = n
			case 4:
				w.Captured = n == 1
			default:
				w.After = append(w.After, n)
			}
		}
		all = append(all, w)
	}
	return all
}

// Needs returns the pieces of work that piece i waits for, at whatever remove.
func Needs(all []Work, i int) map[int]bool {
	needs := map[int]bool{}
	todo := []int{i}
	for len(todo) > 0 {
		w := all[todo[len(todo)-1]]
		todo = todo[:len(todo)-1]
		for _, a := range w.After {
			if !needs[a] {
				needs[a] = true
				todo = append(todo, a)
			}
		}
	}
	return needs
}

// Kernel is the traffic of a kernel since the last clear.
type Kernel struct {
	Launches, Blocks                int
	ReadRequested, WrittenRequested int // Bytes that threads asked for.
	ReadSectors, WrittenSectors     int // Distinct units of 32 bytes of each execution.
	StaticShared, DynamicShared     int // Of the last, in bytes.
}

// KernelCount returns the traffic of a kernel, false when it did not run.
func KernelCount(name string) (Kernel, bool) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	var k C.goqatsim_kernel
	ok := C.sim_kernel_count(s, &k) != 0
	return Kernel{
		Launches: int(k.launches), Blocks: int(k.blocks), ReadRequested: int(k.read_requested), WrittenRequested: int(k.written_requested),
		ReadSectors: int(k.read_sectors), WrittenSectors: int(k.written_sectors), StaticShared: int(k.static_shared), DynamicShared: int(k.dynamic_shared),
	}, ok
}

// ClearKernels forgets the traffic.
func ClearKernels() { C.sim_kernel_clear() }

// SetCapability changes the compute capability of all devices: 75 to 90.
func SetCapability(cc int) { C.sim_set_capability(C.int(cc)) }

// VirtualClock makes events count what [SetCost] says instead of time, until
// the next reset, so that measurements are the same in every run.
func VirtualClock() { C.sim_virtual_clock(1) }

// SetCost sets what an execution of a kernel takes by the virtual clock; of all
// others, 10 microseconds at first, with the empty name.
func SetCost(kernel string, d time.Duration) {
	s := C.CString(kernel)
	defer C.free(unsafe.Pointer(s))
	C.sim_cost(s, C.double(float64(d)/1e6))
}

// Vendor returns the path of the stand-in for a library of the vendor, as
// "cublasLt": it lies beside the simulator.
func Vendor(name string) string {
	return filepath.Join(filepath.Dir(os.Getenv("GOQAT_CUDA_DRIVER")), "lib"+name+"-sim.so")
}

// Orders of blocks and warps.
const (
	Ascending = iota
	Descending
	Shuffled
)

// SetOrder changes the order in which blocks and warps run.
func SetOrder(order int) { C.sim_set_order(C.int(order)) }

// SetThreads changes the number of system threads that run blocks, 0 for all.
func SetThreads(n int) { C.sim_set_threads(C.uint(n)) }

// Counting returns a C function for cuda.Call that counts its calls in an int32
// of C memory and fails with code 1 at the third, and such an int32.
func Counting() (f, data unsafe.Pointer, free func()) {
	p := C.calloc(1, 4)
	return C.counting_address(), p, func() { C.free(p) }
}
