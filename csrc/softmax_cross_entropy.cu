// softmax_cross_entropy: the mean loss of rows of logits and their
// probabilities, or their gradient in the same pass, and the gradient alone. A
// warp handles a short row, a block any other; what fits stays in registers, the
// rest is read again from the cache. The losses of the rows are float64 and added
// in a fixed order. 4 and 4 bytes an element, 8 and 8 in two operations.
//
// Targets: 75
#include "block.cuh"
#include "elementary.cuh"
#include "logarithm.cuh"

// of_warp and of_block are the threads that share a row.
struct of_warp {
  int rank = threadIdx.x % warp_size;
  static constexpr int size = warp_size;
  __device__ double sum(double v) { return warp_sum(v); }
  __device__ float most(float v) { return warp_max(v); }
};

struct of_block {
  int rank = threadIdx.x;
  static constexpr int size = 128;
  __device__ double sum(double v) { return block_sum(v); }
  __device__ float most(float v) { return block_max(v); }
};

// cross_entropy_row handles the n elements at x; held of them a thread stay in
// registers. to is nil, or gets the probabilities, or with gradient what
// times * (probability - rest), less hit of the label, is.
template <typename Threads, int held>
__device__ __forceinline__ void cross_entropy_row(double* loss, float* to, const float* x, int label, int n, double smooth, bool gradient, float hit, float rest,
                                                  float times, u32* bad) {
  Threads t;
  bool known = label >= 0 && label < n;
  float v[held];
  float m = __uint_as_float(0xff800000u);
#pragma unroll
  for (int j = 0; j < held; j++) {
    int i = t.rank + j * t.size;
    v[j] = i < n ? x[i] : m;
    if (v[j] > m) m = v[j];  // A NaN is passed over, and shows in the exponentials.
  }
  for (int i = t.rank + held * t.size; i < n; i += t.size) {
    float w = x[i];
    if (w > m) m = w;
  }
  m = t.most(m);
  double sum = 0, gap = 0;
#pragma unroll
  for (int j = 0; j < held; j++) {
    if (t.rank + j * t.size >= n) break;
    if (smooth != 0) gap += (double)m - (double)v[j];
    v[j] = exp32(v[j] - m);
    sum += (double)v[j];
  }
  for (int i = t.rank + held * t.size; i < n; i += t.size) {
    float w = x[i];
    if (smooth != 0) gap += (double)m - (double)w;
    sum += (double)exp32(w - m);
  }
  sum = t.sum(sum);
  if (smooth != 0) gap = t.sum(gap);
  if (t.rank == 0) {
    double ln = log_stable(sum);
    if (!known) atomicAdd(bad, 1u);
    double l = (1 - smooth) * ((double)m + ln - (double)x[known ? label : 0]);
    if (smooth != 0) l += smooth * (ln + gap / (double)n);
    *loss = l;
  }
  if (!to) return;
  float f = (float)(1 / sum);
  auto result = [&](int i, float e) {
    float p = e * f;
    if (!gradient) return p;
    p = p - rest;
    if (i == label) p = p - hit;
    return times * p;
  };
#pragma unroll
  for (int j = 0; j < held; j++) {
    int i = t.rank + j * t.size;
    if (i < n) to[i] = result(i, v[j]);
  }
  for (int i = t.rank + held * t.size; i < n; i += t.size) to[i] = result(i, exp32(x[i] - m));
}

// One warp a row, of at most 128 elements.
extern "C" __global__ void __launch_bounds__(128) softmax_cross_entropy_short_rows(double* losses, float* to, const float* x, const int* labels, int n, i64 rows,
                                                                                   double smooth, int gradient, float hit, float rest, float times, u32* bad) {
  i64 row = (i64)blockIdx.x * (128 / warp_size) + threadIdx.x / warp_size;
  if (row >= rows) return;
  cross_entropy_row<of_warp, 4>(losses + row, to ? to + row * n : to, x + row * n, labels[row], n, smooth, gradient != 0, hit, rest, times, bad);
}

// One block a row.
extern "C" __global__ void __launch_bounds__(128) softmax_cross_entropy_rows(double* losses, float* to, const float* x, const int* labels, int n, i64 rows,
                                                                             double smooth, int gradient, float hit, float rest, float times, u32* bad) {
  i64 row = blockIdx.x;
  cross_entropy_row<of_block, 8>(losses + row, to ? to + row * n : to, x + row * n, labels[row], n, smooth, gradient != 0, hit, rest, times, bad);
}

// softmax_cross_entropy_mean is one block.
extern "C" __global__ void __launch_bounds__(256) softmax_cross_entropy_mean(float* loss, const double* losses, i64 rows) {
  double sum = 0;
  for (i64 r = threadIdx.x; r < rows; r += blockDim.x) sum += losses[r];
  sum = block_sum(sum);
  if (threadIdx.x == 0) loss[0] = (float)(sum / (double)rows);
}

extern "C" __global__ void __launch_bounds__(256) softmax_cross_entropy_grad(float* dx, const float* dloss, const float* prob, const int* labels, i64 n,
                                                                             int classes, i64 rows, float hit, float rest) {
  float f = (float)((double)dloss[0] / (double)rows);
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 row = e / classes;
    float v = prob[e] - rest;
    if (labels[row] == (int)(e - row * classes)) v = v - hit;
    dx[e] = f * v;
  }
}
