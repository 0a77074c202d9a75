// Warp-wide operations and accesses that kernels spell as calls.
#pragma once
#include <cstdint>
#include <cstring>

#include "sim.h"

namespace sim {

inline unsigned lane() { return here.lane; }
void warp_sync(uint32_t mask);
void fence();
// shuffle_bits returns the bits of the lane from.
uint64_t shuffle_bits(uint32_t mask, uint64_t bits, int from);
uint32_t ballot(uint32_t mask, int predicate);
uint32_t match(uint32_t mask, uint64_t bits);
void ldmatrix(uint32_t* r, int matrices, bool transpose, const void* row);
// mma_s32 is m x 8 x k, d of int32, a int8 or uint8, b int8.
void mma_s32(int32_t* d, const uint32_t* a, const uint32_t* b, int m, int k, bool a_signed);
void mma_f32(float* d, const uint32_t* a, const uint32_t* b);
void cp_async(void* to, const void* from, uint32_t bytes, bool copy);
void cp_async_commit();
void cp_async_wait(int pending);
uint32_t shared_offset(const void* p);
// before_atomic checks the access; on shared memory it also counts as a sync
// of that byte, since atomics do not race.
void before_atomic(void* p, size_t n);
// before_load and before_store check an access, alignment included.
void before_load(const void* p, size_t n);
void before_store(void* p, size_t n);
[[noreturn]] void misaligned_vector(uintptr_t p, size_t n);

template <typename T>
inline T shuffle(uint32_t mask, T v, int from) {
  static_assert(sizeof(T) <= 8, "");
  uint64_t bits = 0;
  memcpy(&bits, &v, sizeof v);
  bits = shuffle_bits(mask, bits, from);
  memcpy(&v, &bits, sizeof v);
  return v;
}

template <typename T>
__attribute__((no_sanitize("thread"), noinline)) T load(const T* p) {
  before_load(p, sizeof(T));
  return *p;
}
template <typename T>
__attribute__((no_sanitize("thread"), noinline)) void store(T* p, const T& v) {
  before_store(p, sizeof(T));
  *p = v;
}
template <typename T, typename F>
__attribute__((no_sanitize("thread"), noinline)) T atomic(T* p, F f) {
  before_atomic(p, sizeof(T));
  T old, next;
  __atomic_load(p, &old, __ATOMIC_SEQ_CST);
  do next = f(old);
  while (!__atomic_compare_exchange(p, &old, &next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
  return old;
}

inline int to_int(float f) { return f != f ? 0 : f >= 2147483648.0f ? 2147483647 : f < -2147483648.0f ? -2147483647 - 1 : (int)f; }

}  // namespace sim
