// qlinear_average_pool: the mean of the codes under each window position, whose
// scale and zero point are those of the input.
//
// Targets: 75
#include "code_mean.cuh"
#include "pool.cuh"

extern "C" __global__ void __launch_bounds__(256) qlinear_average_pool(u8* y, const u8* x, const int* zero, i64 n, WINDOW_ARGUMENTS, int bottom, int right,
                                                                       int padding, int is_signed, int rule, int requant, int lo, int hi) {
  int z = zero[0];
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    int c = (int)(e % channels);
    i64 rest = e / channels;
    int j = (int)(rest % ow);
    rest /= ow;
    int i = (int)(rest % oh);
    const u8* image = x + rest / oh * h * w * channels;
    int sum = 0, taps = 0;
    for (int a = 0; a < kh; a++) {
      int row = i * sh - top + a * dh;
      if (row < 0 || row >= h) continue;
      for (int b = 0; b < kw; b++) {
        int column = j * sw - left + b * dw;
        if (column < 0 || column >= w) continue;
        u8 v = image[((i64)row * w + column) * channels + c];
        sum += is_signed ? (int)(i8)v : (int)v;
        taps++;
      }
    }
    int count = pool_count(i, sh, top, dh, kh, h, bottom, padding) * pool_count(j, sw, left, dw, kw, w, right, padding);
    y[e] = (u8)code_mean(rule, requant, sum + (count - taps) * z, count, z, lo, hi);
  }
}
