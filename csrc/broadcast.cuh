// Elementwise kernels of two operands with broadcast. The dimensions of the
// result are innermost first, unused ones 1, with the strides of both operands
// in elements, 0 where an operand is repeated.
#pragma once
#include "pointwise.cuh"

#define BROADCAST_ARGUMENTS                                                                                               \
  int n0, int n1, int n2, int n3, int n4, int n5, i64 a0, i64 a1, i64 a2, i64 a3, i64 a4, i64 a5, i64 b0, i64 b1, i64 b2, \
      i64 b3, i64 b4, i64 b5
#define BROADCAST_NAMES n0, n1, n2, n3, n4, n5, a0, a1, a2, a3, a4, a5, b0, b1, b2, b3, b4, b5

template <typename T, typename F>
__device__ __forceinline__ void map_broadcast(T* z, const T* a, const T* b, i64 n, BROADCAST_ARGUMENTS, F f) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  for (i64 i = thread; i < n; i += threads) {
    i64 rest = i, at = 0, bt = 0;
    const int sizes[6] = {n0, n1, n2, n3, n4, n5};
    const i64 as[6] = {a0, a1, a2, a3, a4, a5}, bs[6] = {b0, b1, b2, b3, b4, b5};
#pragma unroll
    for (int d = 0; d < 6; d++) {
      if (sizes[d] == 1) continue;
      i64 next = rest / sizes[d], index = rest - next * sizes[d];
      at += index * as[d];
      bt += index * bs[d];
      rest = next;
    }
    z[i] = f(a[at], b[bt]);
  }
}

// BROADCAST_KERNELS writes the kernels of a function of two values of type T:
// NAME_SUFFIX for operands of one shape and NAME_broadcast_SUFFIX for others.
#define BROADCAST_KERNELS(name, suffix, T, f)                                                                                  \
  extern "C" __global__ void __launch_bounds__(256) name##_##suffix(T* z, const T* a, const T* b, i64 n) { map_two(z, a, b, n, f); } \
  extern "C" __global__ void __launch_bounds__(256) name##_broadcast_##suffix(T* z, const T* a, const T* b, i64 n, BROADCAST_ARGUMENTS) { \
    map_broadcast(z, a, b, n, BROADCAST_NAMES, f);                                                                             \
  }
