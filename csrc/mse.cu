// mse: the mean of (x - target)^2, squares added in float64 in chunks of 4096
// whose sums are added in a fixed order; mse_grad: dx = dloss * 2/n * (x -
// target). 8 and 12 bytes an element.
//
// Targets: 75
#include "block.cuh"
#include "pointwise.cuh"

constexpr i64 chunk = 4096;

extern "C" __global__ void __launch_bounds__(256) mse_chunks(double* parts, const float* x, const float* target, i64 n) {
  i64 end = min(((i64)blockIdx.x + 1) * chunk, n);
  double sum = 0;
  for (i64 i = blockIdx.x * chunk + threadIdx.x; i < end; i += blockDim.x) {
    double d = (double)x[i] - (double)target[i];
    sum += d * d;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// mse_mean is one block.
extern "C" __global__ void __launch_bounds__(256) mse_mean(float* loss, const double* parts, i64 count, i64 n) {
  double sum = 0;
  for (i64 i = threadIdx.x; i < count; i += blockDim.x) sum += parts[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) loss[0] = (float)(sum / (double)n);
}

struct slope {
  float factor;
  __device__ __forceinline__ float operator()(float x, float t) const { return factor * (x - t); }
};

extern "C" __global__ void __launch_bounds__(256) mse_grad(float* dx, const float* dloss, const float* x, const float* target, i64 n) {
  map_two(dx, x, target, n, slope{(float)(2 * (double)dloss[0] / (double)n)});
}
