// Reductions over a block, the result in every thread. Whole warps take part.
// The order of additions depends on the size of the block alone.
#pragma once
#include "common.cuh"

template <typename T>
__device__ __forceinline__ T block_sum(T v) {
  SHARED(T, parts, [32]);
  int warp = threadIdx.x / warp_size, warps = blockDim.x / warp_size;
  v = warp_sum(v);
  if (threadIdx.x % warp_size == 0) parts[warp] = v;
  __syncthreads();
  T s = 0;
  for (int w = 0; w < warps; w++) s += parts[w];
  __syncthreads();  // parts may be used again.
  return s;
}

__device__ __forceinline__ float block_max(float v) {
  SHARED(float, largest, [32]);
  int warp = threadIdx.x / warp_size, warps = blockDim.x / warp_size;
  v = warp_max(v);
  if (threadIdx.x % warp_size == 0) largest[warp] = v;
  __syncthreads();
  float m = largest[0];
  for (int w = 1; w < warps; w++) m = fmaxf(m, largest[w]);
  __syncthreads();
  return m;
}
