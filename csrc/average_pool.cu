// average_pool: the mean under each window position; average_pool_grad: the share
// of each dy that reaches an element, added in order.
//
// Targets: 75
#include "pool.cuh"

extern "C" __global__ void __launch_bounds__(256) average_pool(float* y, const float* x, i64 n, WINDOW_ARGUMENTS, int bottom, int right, int padding) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    int c = (int)(e % channels);
    i64 rest = e / channels;
    int j = (int)(rest % ow);
    rest /= ow;
    int i = (int)(rest % oh);
    const float* image = x + rest / oh * h * w * channels;
    float sum = 0;
    for (int a = 0; a < kh; a++) {
      int row = i * sh - top + a * dh;
      if (row < 0 || row >= h) continue;
      for (int b = 0; b < kw; b++) {
        int column = j * sw - left + b * dw;
        if (column >= 0 && column < w) sum += image[((i64)row * w + column) * channels + c];
      }
    }
    float count = (float)(pool_count(i, sh, top, dh, kh, h, bottom, padding) * pool_count(j, sw, left, dw, kw, w, right, padding));
    y[e] = count > 1 ? __fdiv_rn(sum, count) : sum;
  }
}

extern "C" __global__ void __launch_bounds__(256) average_pool_grad(float* dx, const float* dy, i64 n, WINDOW_ARGUMENTS, int bottom, int right,
                                                                    int padding) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    int c = (int)(e % channels);
    i64 rest = e / channels;
    int column = (int)(rest % w);
    rest /= w;
    int row = (int)(rest % h);
    const float* image = dy + rest / h * oh * ow * channels;
    float sum = 0;
    // Later taps see earlier outputs.
    for (int a = kh - 1; a >= 0; a--) {
      int i = row + top - a * dh;
      if (i < 0 || i % sh != 0 || i / sh >= oh) continue;
      i /= sh;
      int rows = pool_count(i, sh, top, dh, kh, h, bottom, padding);
      for (int b = kw - 1; b >= 0; b--) {
        int j = column + left - b * dw;
        if (j < 0 || j % sw != 0 || j / sw >= ow) continue;
        j /= sw;
        int count = rows * pool_count(j, sw, left, dw, kw, w, right, padding);
        sum += image[((i64)i * ow + j) * channels + c] * __fdiv_rn(1.0f, (float)max(count, 1));
      }
    }
    dx[e] = sum;
  }
}
