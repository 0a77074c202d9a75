// Copies between tensors that are walked with strides: dimensions innermost
// first, unused ones 1, strides in elements. The pointers stand at the first
// element.
#pragma once
#include "common.cuh"

#define STRIDED_ARGUMENTS                                                                                                      \
  int n0, int n1, int n2, int n3, int n4, int n5, int n6, int n7, i64 d0, i64 d1, i64 d2, i64 d3, i64 d4, i64 d5, i64 d6, i64 d7, \
      i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5, i64 s6, i64 s7
#define STRIDED_NAMES n0, n1, n2, n3, n4, n5, n6, n7, d0, d1, d2, d3, d4, d5, d6, d7, s0, s1, s2, s3, s4, s5, s6, s7

template <typename T>
__device__ __forceinline__ void strided_copy(T* dst, const T* src, i64 n, STRIDED_ARGUMENTS) {
  const int sizes[8] = {n0, n1, n2, n3, n4, n5, n6, n7};
  const i64 to[8] = {d0, d1, d2, d3, d4, d5, d6, d7}, from[8] = {s0, s1, s2, s3, s4, s5, s6, s7};
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  for (i64 i = thread; i < n; i += threads) {
    i64 rest = i, d = 0, s = 0;
#pragma unroll
    for (int k = 0; k < 8; k++) {
      if (sizes[k] == 1) continue;
      i64 next = rest / sizes[k], index = rest - next * sizes[k];
      d += index * to[k];
      s += index * from[k];
      rest = next;
    }
    dst[d] = src[s];
  }
}

// STRIDED_KERNELS writes NAME_1, NAME_4 and NAME_8 for elements of so many bytes.
#define STRIDED_KERNEL(name, T) \
  extern "C" __global__ void __launch_bounds__(256) name(T* dst, const T* src, i64 n, STRIDED_ARGUMENTS) { strided_copy(dst, src, n, STRIDED_NAMES); }
#define STRIDED_KERNELS(name) \
  STRIDED_KERNEL(name##_1, u8) STRIDED_KERNEL(name##_4, u32) STRIDED_KERNEL(name##_8, u64)
