// batch_norm: by the statistics of the batch (train) or the running ones (eval),
// and the gradients. Moments and sums are float64 in two stages; what is applied
// is one factor and one addend a channel. Train reads x twice and writes y: 12
// bytes an element; eval 8; gradients 20 and 16.
//
// Targets: 75
#include "columns.cuh"

// Sums of x - shift and of its square; shift is the first row, which keeps the
// variance of values far from zero.
extern "C" __global__ void __launch_bounds__(256) batch_norm_moments(double* parts, const float* x, i64 rows, i64 chunk, int columns) {
  column_chunk<2>(parts, rows, chunk, columns, [&](i64 row, int column, double* v) {
    double d = (double)x[row * columns + column] - (double)x[column];
    v[0] = d;
    v[1] = d * d;
  });
}

// Results that nobody uses are null. affine is [2, columns]: factors, addends.
extern "C" __global__ void __launch_bounds__(256) batch_norm_train(float* affine, float* mean, float* invstd, float* running_mean, float* running_var,
                                                                   const float* x, const float* gamma, const float* beta, const float* old_mean,
                                                                   const float* old_var, const double* parts, int chunks, i64 rows, int columns,
                                                                   float eps, float momentum) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  double n = (double)rows, mo = (double)momentum;
  double d = column_total<2>(parts, chunks, columns, 0, j) / n;
  double m = (double)x[j] + d;
  double v = fmax(column_total<2>(parts, chunks, columns, 1, j) / n - d * d, 0.0);
  double inv = 1 / sqrt(v + (double)eps);
  double a = (double)gamma[j] * inv;
  affine[j] = (float)a;
  affine[columns + j] = (float)((double)beta[j] - m * a);
  if (mean) mean[j] = (float)m;
  if (invstd) invstd[j] = (float)inv;
  double rm = old_mean[j], rv = old_var[j];
  running_mean[j] = (float)(rm + mo * (m - rm));
  running_var[j] = (float)(rv + mo * (v * (n / (n - 1)) - rv));
}

extern "C" __global__ void __launch_bounds__(256) batch_norm_eval(float* affine, const float* gamma, const float* beta, const float* mean, const float* var,
                                                                  int columns, float eps) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  double a = (double)gamma[j] / sqrt((double)var[j] + (double)eps);
  affine[j] = (float)a;
  affine[columns + j] = (float)((double)beta[j] - (double)mean[j] * a);
}

// batch_norm_apply: y = x * factor + addend.
extern "C" __global__ void __launch_bounds__(256) batch_norm_apply(float* y, const float* x, const float* affine, i64 n, int columns) {
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    int j = (int)(i % columns);
    y[i] = x[i] * affine[j] + affine[columns + j];
  }
}

// Sums of dy and of dy * (x - mean).
extern "C" __global__ void __launch_bounds__(256) batch_norm_products(double* parts, const float* dy, const float* x, const float* mean,
                                                                      row_blocks b, int columns) {
  column_blocks<2, 0>(parts, b, columns, [&](i64 row, int column, float* v, double*) {
    float d = dy[row * columns + column];
    v[0] = d;
    v[1] = d * (x[row * columns + column] - mean[column]);
  });
}

// spread is the inverse standard deviation, or with running statistics (eval)
// the variance. coefficients [3, columns]: of dy, of x - mean, plus. No rows:
// the sums are zero.
extern "C" __global__ void __launch_bounds__(256) batch_norm_grad(float* coefficients, float* dgamma, float* dbeta, const float* gamma, const float* spread,
                                                                  const double* parts, int chunks, i64 rows, int columns, int eval, float eps) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  double inv = eval ? 1 / sqrt((double)spread[j] + (double)eps) : (double)spread[j];
  double a = (double)gamma[j] * inv;
  double sum = column_total<2>(parts, chunks, columns, 0, j), product = column_total<2>(parts, chunks, columns, 1, j);
  if (dbeta) dbeta[j] = (float)sum;
  if (dgamma) dgamma[j] = (float)(product * inv);
  coefficients[j] = (float)a;
  coefficients[columns + j] = eval ? 0.0f : (float)(-a * inv * inv * product / (double)rows);
  coefficients[2 * columns + j] = eval ? 0.0f : (float)(-a * sum / (double)rows);
}

extern "C" __global__ void __launch_bounds__(256) batch_norm_grad_apply(float* dx, const float* dy, const float* x, const float* mean,
                                                                        const float* coefficients, i64 n, int columns) {
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    int j = (int)(i % columns);
    dx[i] = dy[i] * coefficients[j] + (x[i] - mean[j]) * coefficients[columns + j] + coefficients[2 * columns + j];
  }
}

extern "C" __global__ void __launch_bounds__(256) batch_norm_eval_grad_apply(float* dx, const float* dy, const float* coefficients, i64 n, int columns) {
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) dx[i] = dy[i] * coefficients[i % columns];
}
