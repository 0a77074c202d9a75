// What gorgonia.org/cu lacks of the CUDA driver, and the command list.
#ifndef GOQAT_CUDA_RUNTIME_H
#define GOQAT_CUDA_RUNTIME_H

#include <cuda.h>
#include <stddef.h>
#include <stdint.h>

enum {
  GOQAT_LAUNCH,      // handle: function, params: void**
  GOQAT_COPY_IN,     // dst: device, src: pinned host
  GOQAT_COPY_OUT,    // dst: pinned host, src: device
  GOQAT_COPY,        // device to device
  GOQAT_FILL8,       // dst, value, bytes
  GOQAT_FILL32,      // dst, value, bytes
  GOQAT_GRAPH,       // handle: executable graph
  GOQAT_RECORD,      // handle: event
  GOQAT_WAIT,        // handle: event
  GOQAT_HOST,        // params: token of a Go function
  GOQAT_CALL,        // handle: goqat_call, params: its data
};

// A C function that gives a library work for the stream, as vendors' libraries
// do; it returns a CUresult.
typedef int (*goqat_call)(CUstream s, void *data);

enum { GOQAT_COOPERATIVE = 1, GOQAT_OVERLAP = 2 };

// One command. All handles are integers, so that Go may keep commands in its
// own memory and pass them without a scan for pointers.
typedef struct {
  uint32_t kind;
  uint32_t flags;
  uint32_t grid[3];
  uint32_t block[3];
  uint32_t cluster[3];
  uint32_t shared;
  uint32_t value;
  uint32_t unused;
  uint64_t handle;
  uint64_t params;
  uint64_t dst;
  uint64_t src;
  uint64_t bytes;
} goqat_command;

// goqat_run issues n commands to a stream and, with each != 0, waits after
// each. *done is the number issued; the result is that of the command after
// them, or success.
CUresult goqat_run(const goqat_command *c, int n, CUstream s, int each, int *done);

// goqat_capture records n commands as a graph.
CUresult goqat_capture(const goqat_command *c, int n, CUstream s, int *done, CUgraph *g);
CUresult goqat_instantiate(CUgraphExec *x, CUgraph g);
// goqat_update makes x run graph g if it has the same shape.
CUresult goqat_update(CUgraphExec x, CUgraph g);

CUresult goqat_tensor_map(void *map, int type, int rank, uint64_t addr, const uint64_t *dims, const uint64_t *strides,
                          const uint32_t *box, const uint32_t *steps, int swizzle, int l2);
CUresult goqat_jit_log(const void *image, char *log, int size);
const char *goqat_error_name(int code);
const char *goqat_error_text(int code);
// goqat_state says how the opening of the driver went, as csrc/driver counts:
// 0 well, 1 no library, 2 another library, 3 it did not start (*code says
// why), 4 no device; -1 when the program is not linked with csrc/driver. *why
// says it in words.
int goqat_state(int *code, const char **why);

CUresult goqat_host_alloc(uint64_t *p, size_t n);
CUresult goqat_set_shared(CUfunction f, int bytes);

#endif
