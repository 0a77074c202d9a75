// Elementwise kernels of one and of two operands by a function of values. A
// lane takes four neighbours as one where all tensors are aligned. The result
// may have the storage of an operand.
#pragma once
#include "elements.cuh"

// map_one is y[i] = f(x[i]).
template <typename D, typename S, typename F>
__device__ __forceinline__ void map_one(D* y, const S* x, i64 n, F f) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(y, sizeof(quad<D>)) && aligned(x, sizeof(quad<S>));
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    if (vector && i + lane_elements <= n) {
      quad<S> a = *reinterpret_cast<const quad<S>*>(x + i);
      quad<D> r;
#pragma unroll
      for (int k = 0; k < lane_elements; k++) r.v[k] = f(a.v[k]);
      *reinterpret_cast<quad<D>*>(y + i) = r;
      continue;
    }
    for (int k = 0; k < lane_elements; k++)
      if (i + k < n) y[i + k] = f(x[i + k]);
  }
}

// map_two is z[i] = f(a[i], b[i]).
template <typename T, typename F>
__device__ __forceinline__ void map_two(T* z, const T* a, const T* b, i64 n, F f) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(z, sizeof(quad<T>)) && aligned(a, sizeof(quad<T>)) && aligned(b, sizeof(quad<T>));
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    if (vector && i + lane_elements <= n) {
      quad<T> p = *reinterpret_cast<const quad<T>*>(a + i);
      quad<T> q = *reinterpret_cast<const quad<T>*>(b + i);
      quad<T> r;
#pragma unroll
      for (int k = 0; k < lane_elements; k++) r.v[k] = f(p.v[k], q.v[k]);
      *reinterpret_cast<quad<T>*>(z + i) = r;
      continue;
    }
    for (int k = 0; k < lane_elements; k++)
      if (i + k < n) z[i + k] = f(a[i + k], b[i + k]);
  }
}
