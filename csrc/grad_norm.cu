// grad_norm: the root of the sum of the squares of many tensors, in float64 in
// chunks of 4096 elements whose sums are added in a fixed order. 4 bytes an
// element.
//
// Targets: 75
#include "block.cuh"

constexpr i64 chunk = 4096;

extern "C" __global__ void __launch_bounds__(256) grad_norm_chunks(double* parts, const float* x, i64 n) {
  i64 end = min(((i64)blockIdx.x + 1) * chunk, n);
  double sum = 0;
  for (i64 i = blockIdx.x * chunk + threadIdx.x; i < end; i += blockDim.x) sum += (double)x[i] * (double)x[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// grad_norm_root is one block.
extern "C" __global__ void __launch_bounds__(256) grad_norm_root(float* norm, const double* parts, i64 count) {
  double sum = 0;
  for (i64 i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) norm[0] = (float)sqrt(sum);
}
