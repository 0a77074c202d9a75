//go:build cuda

#include "runtime.h"

#include <stdlib.h>
#include <string.h>

// Said by the shim of libcuda, csrc/driver; absent when the program is linked
// with a libcuda of another origin.
extern int goqat_driver_status(void) __attribute__((weak));
extern int goqat_driver_code(void) __attribute__((weak));
extern const char *goqat_driver_reason(void) __attribute__((weak));

// Go's side of a host callback.
extern void goqatHostCall(void *token);

static void CUDA_CB host_call(void *token) { goqatHostCall(token); }

static CUresult launch(const goqat_command *c, CUstream s) {
  CUlaunchAttribute a[3];
  CUlaunchConfig k;
  unsigned n = 0;
  if (!c->flags && !c->cluster[0])
    return cuLaunchKernel((CUfunction)c->handle, c->grid[0], c->grid[1], c->grid[2], c->block[0], c->block[1],
                          c->block[2], c->shared, s, (void **)c->params, NULL);
  memset(a, 0, sizeof a);
  memset(&k, 0, sizeof k);
  if (c->flags & GOQAT_COOPERATIVE) {
    a[n].id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE;
    a[n++].value.cooperative = 1;
  }
  if (c->flags & GOQAT_OVERLAP) {
    a[n].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    a[n++].value.programmaticStreamSerializationAllowed = 1;
  }
  if (c->cluster[0]) {
    a[n].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
    a[n].value.clusterDim.x = c->cluster[0];
    a[n].value.clusterDim.y = c->cluster[1];
    a[n++].value.clusterDim.z = c->cluster[2];
  }
  k.gridDimX = c->grid[0], k.gridDimY = c->grid[1], k.gridDimZ = c->grid[2];
  k.blockDimX = c->block[0], k.blockDimY = c->block[1], k.blockDimZ = c->block[2];
  k.sharedMemBytes = c->shared;
  k.hStream = s;
  k.attrs = a;
  k.numAttrs = n;
  return cuLaunchKernelEx(&k, (CUfunction)c->handle, (void **)c->params, NULL);
}

static CUresult issue(const goqat_command *c, CUstream s) {
  switch (c->kind) {
  case GOQAT_LAUNCH:
    return launch(c, s);
  case GOQAT_COPY_IN:
    return cuMemcpyHtoDAsync((CUdeviceptr)c->dst, (const void *)c->src, c->bytes, s);
  case GOQAT_COPY_OUT:
    return cuMemcpyDtoHAsync((void *)c->dst, (CUdeviceptr)c->src, c->bytes, s);
  case GOQAT_COPY:
    return cuMemcpyDtoDAsync((CUdeviceptr)c->dst, (CUdeviceptr)c->src, c->bytes, s);
  case GOQAT_FILL8:
    return cuMemsetD8Async((CUdeviceptr)c->dst, (unsigned char)c->value, c->bytes, s);
  case GOQAT_FILL32:
    return cuMemsetD32Async((CUdeviceptr)c->dst, c->value, c->bytes / 4, s);
  case GOQAT_GRAPH:
    return cuGraphLaunch((CUgraphExec)c->handle, s);
  case GOQAT_RECORD:
    return cuEventRecord((CUevent)c->handle, s);
  case GOQAT_WAIT:
    return cuStreamWaitEvent(s, (CUevent)c->handle, 0);
  case GOQAT_HOST:
    return cuLaunchHostFunc(s, host_call, (void *)c->params);
  case GOQAT_CALL:
    return (CUresult)((goqat_call)c->handle)(s, (void *)c->params);
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult goqat_run(const goqat_command *c, int n, CUstream s, int each, int *done) {
  CUresult r;
  for (*done = 0; *done < n; ++*done) {
    r = issue(c + *done, s);
    if (r == CUDA_SUCCESS && each)
      r = cuStreamSynchronize(s);
    if (r != CUDA_SUCCESS)
      return r;
  }
  return CUDA_SUCCESS;
}

CUresult goqat_capture(const goqat_command *c, int n, CUstream s, int *done, CUgraph *g) {
  CUresult r, end;
  *done = 0;
  *g = NULL;
  // Of this thread only: with a global capture, a call of any other thread
  // that may not be captured would end it.
  r = cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  if (r != CUDA_SUCCESS)
    return r;
  r = goqat_run(c, n, s, 0, done);
  end = cuStreamEndCapture(s, g); // Also after a fault: the stream must leave the capture.
  if (r == CUDA_SUCCESS)
    r = end;
  if (r != CUDA_SUCCESS && *g) {
    cuGraphDestroy(*g);
    *g = NULL;
  }
  return r;
}

CUresult goqat_instantiate(CUgraphExec *x, CUgraph g) { return cuGraphInstantiateWithFlags(x, g, 0); }

CUresult goqat_update(CUgraphExec x, CUgraph g) {
  CUgraphExecUpdateResultInfo info;
  memset(&info, 0, sizeof info);
  return cuGraphExecUpdate(x, g, &info);
}

CUresult goqat_tensor_map(void *map, int type, int rank, uint64_t addr, const uint64_t *dims, const uint64_t *strides,
                          const uint32_t *box, const uint32_t *steps, int swizzle, int l2) {
  return cuTensorMapEncodeTiled((CUtensorMap *)map, (CUtensorMapDataType)type, (cuuint32_t)rank, (void *)addr,
                                (const cuuint64_t *)dims, (const cuuint64_t *)strides, (const cuuint32_t *)box,
                                (const cuuint32_t *)steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
                                (CUtensorMapSwizzle)swizzle, (CUtensorMapL2promotion)l2,
                                CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

CUresult goqat_jit_log(const void *image, char *log, int size) {
  CUmodule m;
  CUjit_option o[2] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void *v[2] = {log, (void *)(uintptr_t)size};
  CUresult r;
  memset(log, 0, size);
  r = cuModuleLoadDataEx(&m, image, 2, o, v);
  if (r == CUDA_SUCCESS)
    cuModuleUnload(m);
  log[size - 1] = 0;
  return r;
}

const char *goqat_error_name(int code) {
  const char *s = NULL;
  return cuGetErrorName((CUresult)code, &s) == CUDA_SUCCESS ? s : NULL;
}

const char *goqat_error_text(int code) {
  const char *s = NULL;
  return cuGetErrorString((CUresult)code, &s) == CUDA_SUCCESS ? s : NULL;
}

int goqat_state(int *code, const char **why) {
  *code = 0;
  *why = "";
  if (!goqat_driver_status || !goqat_driver_code || !goqat_driver_reason)
    return -1;
  *code = goqat_driver_code();
  *why = goqat_driver_reason();
  return goqat_driver_status();
}

CUresult goqat_host_alloc(uint64_t *p, size_t n) {
  void *h = NULL;
  CUresult r = cuMemHostAlloc(&h, n, 0);
  *p = (uint64_t)h;
  return r;
}

CUresult goqat_set_shared(CUfunction f, int bytes) {
  return cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, bytes);
}
