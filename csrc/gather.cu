// gather: picks slices of [outer, dim, inner] by indices; gather_grad: adds dy up
// at the slices, a thread a column in the order of the indices.
//
// Targets: 75
#include "common.cuh"

// gather_index returns index i counted from the front; one out of range is
// counted in *bad and taken for 0.
template <typename I>
__device__ __forceinline__ i64 gather_index(const I* index, i64 i, i64 dim, u32* bad) {
  i64 v = index[i];
  if (v < 0) v += dim;
  if (v >= 0 && v < dim) return v;
  atomicAdd(bad, 1u);
  return 0;
}

template <typename T, typename I>
__device__ __forceinline__ void gather_rows(T* y, const T* x, const I* index, i64 n, i64 count, i64 dim, i64 inner, u32* bad) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 row = e / inner, at = gather_index(index, row % count, dim, bad);
    y[e] = dim > 0 ? x[(row / count * dim + at) * inner + e % inner] : T(0);
  }
}

template <typename I>
__device__ __forceinline__ void gather_add(float* dx, const float* dy, const I* index, i64 columns, i64 count, i64 dim, i64 inner, u32* bad) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < columns; e += (i64)gridDim.x * blockDim.x) {
    i64 o = e / inner, c = e % inner;
    for (i64 d = 0; d < dim; d++) dx[(o * dim + d) * inner + c] = 0;
    for (i64 i = 0; i < count; i++) {
      i64 at = gather_index(index, i, dim, bad);
      if (dim > 0) dx[(o * dim + at) * inner + c] += dy[(o * count + i) * inner + c];
    }
  }
}

#define GATHER(name, T, I)                                                                                                             \
  extern "C" __global__ void __launch_bounds__(256) name(T* y, const T* x, const I* index, i64 n, i64 count, i64 dim, i64 inner, u32* bad) { \
    gather_rows(y, x, index, n, count, dim, inner, bad);                                                                               \
  }
GATHER(gather_1_i32, u8, i32)
GATHER(gather_4_i32, u32, i32)
GATHER(gather_8_i32, u64, i32)
GATHER(gather_1_i64, u8, i64)
GATHER(gather_4_i64, u32, i64)
GATHER(gather_8_i64, u64, i64)

#define GATHER_GRAD(name, I)                                                                                                               \
  extern "C" __global__ void __launch_bounds__(256) name(float* dx, const float* dy, const I* index, i64 columns, i64 count, i64 dim, i64 inner, \
                                                         u32* bad) {                                                                      \
    gather_add(dx, dy, index, columns, count, dim, inner, bad);                                                                           \
  }
GATHER_GRAD(gather_grad_i32, i32)
GATHER_GRAD(gather_grad_i64, i64)
