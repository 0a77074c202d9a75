// Memory of the API: allocation, copies, sets.
#include "driver.h"

namespace sim {

namespace {

CUresult bad_range(uint64_t p, size_t n, const char* what) {
  note(std::string(what) + ": " + describe(p, n));
  return CUDA_ERROR_INVALID_VALUE;
}

// check_range fails unless device memory is all allocated.
CUresult check_range(uint64_t p, size_t n, const char* what) {
  if (n == 0 || (on_device(p) && accessible(p, n)) || pinned((void*)p, n)) return CUDA_SUCCESS;
  return bad_range(p, n, what);
}

// copy queues a copy. The host's side of it is pageable memory when it is
// neither pinned nor on the device; that is read at once, or waited for.
CUresult copy(CUstream h, uint64_t to, uint64_t from, size_t bytes, bool to_host, bool from_host, bool wait) {
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  if (!to_host)
    if (CUresult r = check_range(to, bytes, "copy to")) return r;
  if (!from_host)
    if (CUresult r = check_range(from, bytes, "copy from")) return r;
  if (wait)
    if (CUresult r = unsafe_call()) return r;
  Work w;
  w.kind = Work::copy;
  w.to = to;
  w.from = from;
  w.bytes = bytes;
  if (!capturing(s)) {
    if (from_host && !pinned((void*)from, bytes)) {
      w.staged = std::make_shared<std::vector<unsigned char>>((unsigned char*)from, (unsigned char*)from + bytes);
    }
    if (to_host && !pinned((void*)to, bytes)) wait = true;
  }
  CUresult r = submit(s, std::move(w));
  if (r || !wait || capturing(s)) return r;
  count_sync();
  return run_to(s, s->enqueued);
}

CUresult set(CUstream h, uint64_t to, uint32_t value, unsigned element, size_t pitch, size_t width, size_t height, bool wait) {
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  if (to % element) return CUDA_ERROR_INVALID_VALUE;
  size_t bytes = height ? (height - 1) * pitch + width * element : 0;
  if (CUresult r = check_range(to, bytes, "set of")) return r;
  Work w;
  w.kind = Work::set;
  w.to = to;
  w.value = value;
  w.element = element;
  w.pitch = pitch;
  w.width = width;
  w.height = height;
  (void)wait;  // Sets of device memory do not wait on a real device either.
  return submit(s, std::move(w));
}

}  // namespace

}  // namespace sim

using namespace sim;

extern "C" {

CUresult cuMemGetInfo(size_t* free, size_t* total) {
  GOQAT_API(needs_context);
  *free = free_bytes(current_device());
  *total = memory.device_size;
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc(CUdeviceptr* p, size_t n) {
  GOQAT_API(needs_context);
  if (CUresult r = unsafe_call()) return r;
  if (n == 0) return CUDA_ERROR_INVALID_VALUE;
  *p = allocate(current_device(), n);
  return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemAllocPitch(CUdeviceptr* p, size_t* pitch, size_t width, size_t height, unsigned) {
  GOQAT_API(needs_context);
  if (CUresult r = unsafe_call()) return r;
  *pitch = (width + 511) / 512 * 512;
  if (*pitch * height == 0) return CUDA_ERROR_INVALID_VALUE;
  *p = allocate(current_device(), *pitch * height);
  return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

// A real driver waits for the device before it frees.
CUresult cuMemFree(CUdeviceptr p) {
  GOQAT_API(needs_context);
  if (p == 0) return CUDA_SUCCESS;
  if (CUresult r = unsafe_call()) return r;
  run_all(current_device());
  return release(p) ? (CUresult)sticky(current_device()) : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemGetAddressRange(CUdeviceptr* base, size_t* size, CUdeviceptr p) {
  GOQAT_API(needs_context);
  uint64_t b;
  size_t n;
  if (!allocation_of(p, &b, &n)) return CUDA_ERROR_NOT_FOUND;
  if (base) *base = b;
  if (size) *size = n;
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void** p, size_t n, unsigned) {
  GOQAT_API(needs_context);
  if (CUresult r = unsafe_call()) return r;
  *p = pin_allocate(n);
  return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemAllocHost(void** p, size_t n) { return cuMemHostAlloc(p, n, 0); }

CUresult cuMemFreeHost(void* p) {
  GOQAT_API(needs_context);
  if (CUresult r = unsafe_call()) return r;
  run_all(current_device());
  return pin_release(p) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuMemHostGetDevicePointer(CUdeviceptr* d, void* p, unsigned) {
  GOQAT_API(needs_context);
  if (!pinned(p, 1)) return CUDA_ERROR_INVALID_VALUE;
  *d = (CUdeviceptr)p;
  return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoD(CUdeviceptr to, const void* from, size_t n) {
  GOQAT_API(needs_context);
  return copy(nullptr, to, (uint64_t)from, n, false, true, true);
}
CUresult cuMemcpyDtoH(void* to, CUdeviceptr from, size_t n) {
  GOQAT_API(needs_context);
  return copy(nullptr, (uint64_t)to, from, n, true, false, true);
}
CUresult cuMemcpyDtoD(CUdeviceptr to, CUdeviceptr from, size_t n) {
  GOQAT_API(needs_context);
  return copy(nullptr, to, from, n, false, false, false);
}
CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void* from, size_t n, CUstream s) {
  GOQAT_API(needs_context);
  return copy(s, to, (uint64_t)from, n, false, true, false);
}
CUresult cuMemcpyDtoHAsync(void* to, CUdeviceptr from, size_t n, CUstream s) {
  GOQAT_API(needs_context);
  return copy(s, (uint64_t)to, from, n, true, false, false);
}
CUresult cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
  GOQAT_API(needs_context);
  return copy(s, to, from, n, false, false, false);
}
CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t n) {
  GOQAT_API(needs_context);
  return copy(nullptr, to, from, n, !on_device(to), !on_device(from), true);
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t n, CUstream s) {
  GOQAT_API(needs_context);
  return copy(s, to, from, n, !on_device(to), !on_device(from), false);
}
CUresult cuMemcpyPeer(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t n) {
  GOQAT_API(needs_context);
  return copy(nullptr, to, from, n, false, false, true);
}
CUresult cuMemcpyPeerAsync(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext, size_t n, CUstream s) {
  GOQAT_API(needs_context);
  return copy(s, to, from, n, false, false, false);
}

#define GOQAT_SET(bits, T)                                                                                     \
  CUresult cuMemsetD##bits##_v2(CUdeviceptr p, T v, size_t n) {                                                \
    GOQAT_API(needs_context);                                                                                  \
    return set(nullptr, p, v, bits / 8, 0, n, 1, true);                                                        \
  }                                                                                                            \
  CUresult cuMemsetD##bits##Async(CUdeviceptr p, T v, size_t n, CUstream s) {                                  \
    GOQAT_API(needs_context);                                                                                  \
    return set(s, p, v, bits / 8, 0, n, 1, false);                                                             \
  }                                                                                                            \
  CUresult cuMemsetD2D##bits##_v2(CUdeviceptr p, size_t pitch, T v, size_t w, size_t h) {                      \
    GOQAT_API(needs_context);                                                                                  \
    return set(nullptr, p, v, bits / 8, pitch, w, h, true);                                                    \
  }                                                                                                            \
  CUresult cuMemsetD2D##bits##Async(CUdeviceptr p, size_t pitch, T v, size_t w, size_t h, CUstream s) {        \
    GOQAT_API(needs_context);                                                                                  \
    return set(s, p, v, bits / 8, pitch, w, h, false);                                                         \
  }
GOQAT_SET(8, unsigned char)
GOQAT_SET(16, unsigned short)
GOQAT_SET(32, unsigned int)
#undef GOQAT_SET

}  // extern "C"
