//go:build cuda

#define _GNU_SOURCE
#include "own.h"

#include <dlfcn.h>
#include <stdio.h>

static struct {
  int (*version)(int *);
  const char *(*text)(int);
  const char *(*last)(goqat_nccl_comm);
  int (*init)(goqat_nccl_comm *, int, const int *);
  int (*destroy)(goqat_nccl_comm);
  int (*abort)(goqat_nccl_comm);
  int (*async)(goqat_nccl_comm, int *);
  int (*start)(void);
  int (*end)(void);
  int (*reduce)(const void *, void *, size_t, int, int, goqat_nccl_comm, CUstream);
} f;

const char *goqat_nccl_open(const char *path) {
  static char why[512];
  static const struct {
    const char *name;
    void *to;
  } names[] = {
      {"ncclGetVersion", &f.version},       {"ncclGetErrorString", &f.text},  {"ncclCommInitAll", &f.init},
      {"ncclCommDestroy", &f.destroy},      {"ncclCommAbort", &f.abort},      {"ncclCommGetAsyncError", &f.async},
      {"ncclGroupStart", &f.start},         {"ncclGroupEnd", &f.end},         {"ncclAllReduce", &f.reduce},
  };
  void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!lib) {
    snprintf(why, sizeof why, "%s", dlerror());
    return why;
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *s = dlsym(lib, names[i].name);
    if (!s) {
      snprintf(why, sizeof why, "%s has no %s", path, names[i].name);
      return why;
    }
    *(void **)names[i].to = s;
  }
  *(void **)&f.last = dlsym(lib, "ncclGetLastError");  // Since 2.13.
  return NULL;
}

int goqat_nccl_version(int *v) { return f.version(v); }
const char *goqat_nccl_text(int result) { return f.text(result); }
const char *goqat_nccl_last(void) { return f.last ? f.last(NULL) : ""; }
int goqat_nccl_init(goqat_nccl_comm *comms, int n, const int *devices) { return f.init(comms, n, devices); }
int goqat_nccl_async(goqat_nccl_comm c, int *result) { return f.async(c, result); }

CUresult goqat_nccl_events(goqat_nccl_rank *r) {
  CUresult e = cuEventCreate(&r->ready, CU_EVENT_DISABLE_TIMING);
  return e ? e : cuEventCreate(&r->done, CU_EVENT_DISABLE_TIMING);
}

CUresult goqat_nccl_close_events(goqat_nccl_rank *r) {
  CUresult a = r->ready ? cuEventDestroy(r->ready) : CUDA_SUCCESS, b = r->done ? cuEventDestroy(r->done) : CUDA_SUCCESS;
  r->ready = r->done = NULL;
  return a ? a : b;
}

int goqat_nccl_leave(goqat_nccl_rank *r) { return !__atomic_exchange_n(&r->gone, 1, __ATOMIC_SEQ_CST); }
int goqat_nccl_destroy(goqat_nccl_rank *r) { return f.destroy(r->comm); }
int goqat_nccl_abort(goqat_nccl_rank *r) { return f.abort(r->comm); }

// code is what the queue takes a result for: faults of the machine end the use
// of the device in this process.
static CUresult code(goqat_nccl_rank *r, int result) {
  if (result == GOQAT_NCCL_SUCCESS)
    return CUDA_SUCCESS;
  int none = GOQAT_NCCL_SUCCESS;
  __atomic_compare_exchange_n(&r->result, &none, result, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  switch (result) {
  case GOQAT_NCCL_UNHANDLED_CUDA:
  case GOQAT_NCCL_SYSTEM:
  case GOQAT_NCCL_INTERNAL:
  case GOQAT_NCCL_REMOTE:
    return CUDA_ERROR_UNKNOWN;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

static int wait(CUstream s, void *data) {
  goqat_nccl_rank *r = data;
  CUresult e = cuEventRecord(r->done, r->stream);
  return e ? e : cuStreamWaitEvent(s, r->done, 0);
}

// The event is one for all operations of the rank: a wait takes what was
// recorded last before it.
static int reduce(CUstream s, void *data) {
  goqat_nccl_reduce *o = data;
  goqat_nccl_rank *r = o->rank;
  if (__atomic_load_n(&r->gone, __ATOMIC_SEQ_CST))
    return CUDA_ERROR_NOT_PERMITTED;
  CUresult e = cuEventRecord(r->ready, s);
  if (e == CUDA_SUCCESS)
    e = cuStreamWaitEvent(r->stream, r->ready, 0);
  if (e != CUDA_SUCCESS)
    return e;
  int result = f.start();
  for (int i = 0; i < o->n && result == GOQAT_NCCL_SUCCESS; i++)
    if (o->list[i].count)
      result = f.reduce((const void *)o->list[i].p, (void *)o->list[i].p, o->list[i].count, o->list[i].type, o->list[i].op, r->comm, r->stream);
  int end = f.end();  // Also after a fault: the thread must leave the group.
  if ((e = code(r, result ? result : end)) != CUDA_SUCCESS)
    return e;
  return o->overlap ? CUDA_SUCCESS : wait(s, r);
}

void *goqat_nccl_reduce_call(void) { return (void *)reduce; }
void *goqat_nccl_wait_call(void) { return (void *)wait; }
