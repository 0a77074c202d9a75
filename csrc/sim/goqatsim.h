// What tests may ask of the simulator beside the CUDA driver API. Find the
// functions by dlsym in the library that GOQAT_CUDA_DRIVER names; a real
// driver lacks them.
//
// Environment, read at cuInit and by goqatsim_reset:
//   GOQAT_SIM_DEVICES    number of devices, 1
//   GOQAT_SIM_CC         compute capability: 75, 80, 86, 89 or 90; 80
//   GOQAT_SIM_MEMORY     bytes of memory of a device, 4 GiB; suffixes k, m, g
//   GOQAT_SIM_SMS        multiprocessors, 4
//   GOQAT_SIM_DRIVER     version that cuDriverGetVersion tells, 12040
//   GOQAT_SIM_ORDER      ascending, descending or shuffled: blocks and warps
//   GOQAT_SIM_THREADS    OS threads that run blocks; all processors
//   GOQAT_SIM_FAIL       faults: NAME:N:CODE, comma-separated (goqatsim_fail_at);
//                        a trailing ! makes one sticky
//   GOQAT_SIM_VERBOSE    1 prints the message of each fault
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Returns to the state before cuInit: no contexts, memory, modules, streams,
// faults or counters.
void goqatsim_reset(void);

// Plans a fault: the n-th call (1 is the next) of a function of the API
// returns code. "cuMemAlloc" stands for cuMemAlloc_v2, too. The name "kernel"
// is the execution of any kernel, "kernel:NAME" of this one: the fault then
// comes asynchronously, as a real one. A sticky fault ends the context: every
// later call fails with the same code.
void goqatsim_fail_at(const char* name, uint64_t n, int code, int sticky);
void goqatsim_fail_clear(void);

// The number of calls of a function of the API since the last reset.
uint64_t goqatsim_calls(const char* name);

// What the last fault was, empty when there was none. The text stays valid to
// the next call by this thread.
const char* goqatsim_message(void);

typedef struct {
  uint64_t kernels;           // executed
  uint64_t host_syncs;        // calls that waited for a stream, an event or a context
  uint64_t copies, sets;      // executed
  uint64_t graph_launches;
  uint64_t allocations, allocated_bytes;  // live, on devices
  uint64_t pinned;            // live allocations of pinned memory
  uint64_t streams, events, graphs, execs, modules;  // live
  uint64_t vendor_objects;    // live, of the vendor's libraries
} goqatsim_counters;
void goqatsim_count(goqatsim_counters* out);

// What the executions of a kernel did since the last clear; requested bytes
// are what its threads asked for, sectors the distinct units of 32 bytes that
// each execution touched, which is what has to come from memory at least.
typedef struct {
  uint64_t launches, blocks;
  uint64_t read_requested, written_requested;
  uint64_t read_sectors, written_sectors;
  uint64_t static_shared, dynamic_shared;  // of the last
} goqatsim_kernel;
// Returns 0 when no kernel of this name ran.
int goqatsim_kernel_count(const char* name, goqatsim_kernel* out);
void goqatsim_kernel_clear(void);

// Collective operations of the stand-in for NCCL since the last reset.
typedef struct {
  uint64_t issued;    // groups of operations given to a stream or a capture, of every rank
  uint64_t executed;  // those that all ranks have met in
  uint64_t overtaken; // kernels that ran between issue and execution, of every rank
  uint64_t live;      // communicators
} goqatsim_collectives;
void goqatsim_collective_count(goqatsim_collectives* out);
// Makes ncclCommGetAsyncError of all communicators tell code.
void goqatsim_collective_fault(int code);

// Begins a new record of the work given to streams and captures, or ends it.
void goqatsim_trace(int on);
// The record, a line for each piece of work:
//   KIND NAME DEVICE STREAM CAPTURED AFTER...
// NAME is that of a kernel, else "-"; streams count from 0 as they come;
// CAPTURED is 1 in a capture, where events are no work; AFTER are the lines,
// from 0, that the piece waits for itself. The text stays valid to the next
// call by this thread.
const char* goqatsim_traced(void);

// The heads of all compiled kernels of a target as PTX without code, which
// cuModuleLoadData takes: for tests of the simulator itself.
const char* goqatsim_ptx(int target);

// Forbids or allows access to a part of an allocation, so that an allocator of
// parts can have the ends of parts checked.
void goqatsim_forbid(uint64_t p, size_t n);
void goqatsim_allow(uint64_t p, size_t n);

// Sets the compute capability of all devices (75, 80, 86, 89, 90).
void goqatsim_set_capability(int cc);
// Sets the order of blocks and warps: 0 ascending, 1 descending, 2 shuffled.
void goqatsim_set_order(int order);
// Sets the number of OS threads that run blocks; 0: all processors.
void goqatsim_set_threads(unsigned n);

// The clock of events: 1 counts only what goqatsim_cost and goqatsim_pass say,
// so that whatever is measured is the same in every run; 0 is the real one.
void goqatsim_virtual_clock(int on);
// What an execution of a kernel takes by the virtual clock, in milliseconds:
// 0.01 if nothing was said of it. The empty name is that of all others.
void goqatsim_cost(const char* name, double ms);

// For what stands for the vendor's libraries (vendor/*.cpp).
//
// Begins a call of a library: it is counted, and the result is the code of a
// planned fault or of a sticky one, else 0.
int goqatsim_enter(const char* name);
// Puts f into a stream or its capture, with a copy of data. When its turn comes
// it returns 0 or the code of a fault, as a kernel's.
int goqatsim_submit(void* stream, int (*f)(const void* data), const void* data, size_t bytes);
// Inside of f: whether device memory may be accessed, and a fault's text.
int goqatsim_accessible(uint64_t p, size_t n);
void goqatsim_say(const char* text);
// Lets time pass by the clock of events.
void goqatsim_pass(double ms);
int goqatsim_capability(void);
// Adds to the number of live objects of libraries.
void goqatsim_objects(int more);

#ifdef __cplusplus
}
#endif
