// max_pool: the largest element under each window position and where it is, the
// first of equal ones, NaN always (the last of several); max_pool_grad: each dy to
// its winner, a thread a channel of an image, in order.
//
// Targets: 75
#include "window.cuh"

template <typename T>
__device__ __forceinline__ void max_pool(T* y, int* where, const T* x, i64 n, T lowest, WINDOW_ARGUMENTS) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    int c = (int)(e % channels);
    i64 rest = e / channels;
    int j = (int)(rest % ow);
    rest /= ow;
    int i = (int)(rest % oh);
    const T* image = x + rest / oh * h * w * channels;
    T best = lowest;
    int at = -1;
    for (int a = 0; a < kh; a++) {
      int row = i * sh - top + a * dh;
      if (row < 0 || row >= h) continue;
      for (int b = 0; b < kw; b++) {
        int column = j * sw - left + b * dw;
        if (column < 0 || column >= w) continue;
        T v = image[((i64)row * w + column) * channels + c];
        // A NaN wins over all, and over it only another NaN.
        if (at < 0 || v > best || v != v) {
          best = v;
          at = row * w + column;
        }
      }
    }
    if (y) y[e] = best;
    if (where) where[e] = at;
  }
}

#define MAX_POOL(name, T, lowest)                                                                                         \
  extern "C" __global__ void __launch_bounds__(256) name(T* y, int* where, const T* x, i64 n, WINDOW_ARGUMENTS) {          \
    max_pool<T>(y, where, x, n, lowest, WINDOW_NAMES);                                                                    \
  }
MAX_POOL(max_pool_f32, float, __uint_as_float(0xff800000u))
MAX_POOL(max_pool_i8, i8, -128)
MAX_POOL(max_pool_u8, u8, 0)

// n is batch * channels; plane and from are the pixels of dx and of dy an image.
extern "C" __global__ void __launch_bounds__(256) max_pool_grad(float* dx, const float* dy, const int* where, i64 n, i64 plane, i64 from, int channels) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 image = e / channels;
    int c = (int)(e % channels);
    float* to = dx + image * plane * channels + c;
    for (i64 p = 0; p < plane; p++) to[p * channels] = 0;
    for (i64 o = 0; o < from; o++) {
      i64 at = (image * from + o) * channels + c;
      int p = where[at];
      // Positions are data: one outside the plane is no winner.
      if (p >= 0 && p < plane) to[(i64)p * channels] += dy[at];
    }
  }
}
