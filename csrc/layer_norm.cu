// layer_norm: normalizes rows; layer_norm_grad: dx row by row, and the sums for
// gamma and beta in two stages. A block handles a row; moments are float64. 8
// bytes an element forward, the later reads from the cache.
//
// Targets: 75
#include "block.cuh"
#include "columns.cuh"

extern "C" __global__ void __launch_bounds__(128) layer_norm(float* y, float* mean, float* inv, const float* x, const float* gamma, const float* beta,
                                                             int n, double eps) {
  i64 row = blockIdx.x;
  x += row * n;
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += (double)x[i];
  double mu = block_sum(sum) / (double)n;
  double square = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    double d = (double)x[i] - mu;
    square += d * d;
  }
  double variance = block_sum(square) / (double)n;
  float m = (float)mu, s = (float)(1 / sqrt(variance + eps));
  if (threadIdx.x == 0) {
    if (mean) mean[row] = m;
    if (inv) inv[row] = s;
  }
  if (!y) return;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float v = (x[i] - m) * s;
    if (gamma) v *= gamma[i];
    if (beta) v += beta[i];
    y[row * n + i] = v;
  }
}

// layer_norm_grad: dx = inv * (g - mean(g) - h * mean(g*h)) with g = dy*gamma and
// h = (x-mean)*inv.
extern "C" __global__ void __launch_bounds__(128) layer_norm_grad(float* dx, const float* dy, const float* x, const float* mean, const float* inv,
                                                                  const float* gamma, int n) {
  i64 row = blockIdx.x;
  dy += row * n;
  x += row * n;
  float m = mean[row], s = inv[row];
  double sum = 0, dot = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float g = gamma ? dy[i] * gamma[i] : dy[i];
    sum += (double)g;
    dot += (double)(g * ((x[i] - m) * s));
  }
  float mg = (float)(block_sum(sum) / (double)n), mh = (float)(block_sum(dot) / (double)n);
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    float g = gamma ? dy[i] * gamma[i] : dy[i];
    float h = (x[i] - m) * s;
    dx[row * n + i] = s * (g - mg - h * mh);
  }
}

extern "C" __global__ void __launch_bounds__(256) layer_norm_sums(double* parts, const float* dy, const float* x, const float* mean, const float* inv,
                                                                  i64 rows, i64 chunk, int columns) {
  column_chunk<2>(parts, rows, chunk, columns, [&](i64 row, int column, double* v) {
    float d = dy[row * columns + column];
    v[0] = (double)(d * ((x[row * columns + column] - mean[row]) * inv[row]));
    v[1] = d;
  });
}

extern "C" __global__ void __launch_bounds__(256) layer_norm_join(float* dgamma, float* dbeta, const double* parts, int chunks, int columns) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  if (dgamma) dgamma[column] = (float)column_total<2>(parts, chunks, columns, 0, column);
  if (dbeta) dbeta[column] = (float)column_total<2>(parts, chunks, columns, 1, column);
}
