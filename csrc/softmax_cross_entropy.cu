// softmax_cross_entropy: the mean loss of rows of logits and their
// probabilities, and its gradient. A block handles a row; the losses of the rows
// are float64 and added in a fixed order. 8 and 8 bytes an element.
//
// Targets: 75
#include "block.cuh"
#include "elementary.cuh"
#include "logarithm.cuh"

extern "C" __global__ void __launch_bounds__(128) softmax_cross_entropy_rows(double* losses, float* prob, const float* x, const int* labels, int n,
                                                                             double smooth, u32* bad) {
  i64 row = blockIdx.x;
  x += row * n;
  float m = __uint_as_float(0xff800000u);
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float v = x[i];
    if (v > m) m = v;
  }
  m = block_max(m);
  double sum = 0, all = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += (double)exp32(x[i] - m);
  sum = block_sum(sum);
  double ln = (double)m + log_stable(sum);
  if (smooth != 0) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) all += ln - (double)x[i];
    all = block_sum(all);
  }
  if (threadIdx.x == 0) {
    int label = labels[row];
    if (label < 0 || label >= n) {
      atomicAdd(bad, 1u);
      label = 0;
    }
    double l = (1 - smooth) * (ln - (double)x[label]);
    if (smooth != 0) l += smooth * all / (double)n;
    losses[row] = l;
  }
  if (!prob) return;
  float f = (float)(1 / sum);
  for (int i = threadIdx.x; i < n; i += blockDim.x) prob[row * n + i] = exp32(x[i] - m) * f;
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
