// global_average_pool: the mean over the pixels of an image, a thread a channel;
// global_average_pool_grad: dy divided by their number, everywhere. 4 bytes an
// element.
//
// Targets: 75
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(256) global_average_pool(float* y, const float* x, i64 n, i64 pixels, int channels) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    const float* p = x + e / channels * pixels * channels + e % channels;
    float sum = 0;
    for (i64 k = 0; k < pixels; k++) sum += p[k * channels];
    y[e] = __fdiv_rn(sum, (float)pixels);
  }
}

extern "C" __global__ void __launch_bounds__(256) global_average_pool_grad(float* dx, const float* dy, i64 n, i64 pixels, int channels) {
  float share = __fdiv_rn(1.0f, (float)max(pixels, (i64)1));
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 image = e / (pixels * channels);
    dx[e] = dy[image * channels + e % channels] * share;
  }
}
