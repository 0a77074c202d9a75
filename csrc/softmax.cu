// softmax and its logarithm along one axis, and their gradients. A block handles
// a line, whose elements lie inner apart; sums are float64 in a fixed order. 8
// and 12 bytes an element, the later reads from the cache.
//
// Targets: 75
#include "block.cuh"
#include "elementary.cuh"
#include "logarithm.cuh"

extern "C" __global__ void __launch_bounds__(128) softmax(float* y, const float* x, int size, i64 inner, int logarithm) {
  i64 base = (i64)blockIdx.x / inner * size * inner + (i64)blockIdx.x % inner;
  float m = __uint_as_float(0xff800000u);
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    float v = x[base + i * inner];
    if (v > m) m = v;  // A NaN is passed over, and shows in the exponentials.
  }
  m = block_max(m);
  double sum = 0;
  for (int i = threadIdx.x; i < size; i += blockDim.x) sum += (double)exp32(x[base + i * inner] - m);
  sum = block_sum(sum);
  float f = (float)(1 / sum), ln = (float)log_stable(sum);
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    float v = x[base + i * inner];
    y[base + i * inner] = logarithm ? v - m - ln : exp32(v - m) * f;
  }
}

extern "C" __global__ void __launch_bounds__(128) softmax_grad(float* dx, const float* dy, const float* y, int size, i64 inner, int logarithm) {
  i64 base = (i64)blockIdx.x / inner * size * inner + (i64)blockIdx.x % inner;
  double sum = 0;
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    double d = dy[base + i * inner];
    sum += logarithm ? d : d * (double)y[base + i * inner];
  }
  float s = (float)block_sum(sum);
  for (int i = threadIdx.x; i < size; i += blockDim.x) {
    float d = dy[base + i * inner], v = y[base + i * inner];
    dx[base + i * inner] = logarithm ? d - exp32(v) * s : v * (d - s);
  }
}
