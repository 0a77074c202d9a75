// batch_norm_affine: batch normalization as a factor and an addend a channel, and
// the range of what it will give, from one reading of x: sums in two stages, and
// the extremes of each channel. 4 bytes an element; nothing where the moments were
// collected before.
//
// Targets: 75
#include "columns.cuh"

// batch_norm_affine_shift finds a number near the mean of each channel, from up
// to 32 rows, which keeps the variance of values far from zero.
extern "C" __global__ void __launch_bounds__(256) batch_norm_affine_shift(float* shift, const float* x, i64 rows, int columns) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  i64 step = max(rows / 32, (i64)1);
  int n = (int)min(rows / step, (i64)32);
  float s = 0;
  for (int r = 0; r < n; r++) s = __fadd_rn(s, __fdiv_rn(x[r * step * columns + j], (float)n));
  shift[j] = s;
}

// Sums of x - shift and of its square; ends are [2, columns] ordered integers,
// nan a flag.
extern "C" __global__ void __launch_bounds__(256) batch_norm_affine_moments(double* parts, u32* ends, u32* nan, const float* x, const float* shift,
                                                                            row_blocks b, int columns) {
  float least = __uint_as_float(0x7f800000u), most = -least;
  u32 bad = 0;
  column_blocks<2, 0>(parts, b, columns, [&](i64 row, int column, float* v, double*) {
    float f = x[row * columns + column];
    least = f < least ? f : least;
    most = f > most ? f : most;
    bad |= f != f;
    float d = f - shift[column];
    v[0] = d;
    v[1] = d * d;
  });
  int column = blockIdx.x * column_tile + threadIdx.x % column_tile;
  if (column >= columns) return;
  atomicMin(ends + column, ordered(least));
  atomicMax(ends + columns + column, ordered(most));
  if (bad) atomicAdd(nan, 1u);
}

// normalize_channel makes scale, shift, mean and inverse deviation of channel j,
// affine is [4, columns], and follows the running statistics; first and last are
// what the least and the greatest number become.
__device__ __forceinline__ void normalize_channel(float* affine, float* running_mean, float* running_var, const float* gamma, const float* beta, int j, int columns,
                                                  double n, double m, double v, float least, float most, float eps, float momentum, float lo, float hi,
                                                  float* first, float* last) {
  double mo = (double)momentum;
  double inv = 1 / sqrt(v + (double)eps);
  double a = (double)gamma[j] * inv;
  float scale = (float)a, shift = (float)((double)beta[j] - m * a);
  affine[j] = scale;
  affine[columns + j] = shift;
  affine[2 * columns + j] = (float)m;
  affine[3 * columns + j] = (float)inv;
  double rm = running_mean[j], rv = running_var[j];
  running_mean[j] = (float)(rm + mo * (m - rm));
  running_var[j] = (float)(rv + mo * (v * (n / (n - 1)) - rv));
  float f = least * scale + shift, l = most * scale + shift;
  f = f < lo ? lo : f;
  *first = (f > hi ? hi : f) + 0.0f;
  l = l < lo ? lo : l;
  *last = (l > hi ? hi : l) + 0.0f;
}

// range gets the ends of each column as ordered integers.
extern "C" __global__ void __launch_bounds__(256) batch_norm_affine(float* affine, u32* range, float* running_mean, float* running_var, const float* shifts,
                                                                    const float* gamma, const float* beta, const double* parts, const u32* ends,
                                                                    int chunks, i64 rows, int columns, float eps, float momentum, float lo, float hi) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  double n = (double)rows;
  double d = column_total<2>(parts, chunks, columns, 0, j) / n;
  double v = fmax(column_total<2>(parts, chunks, columns, 1, j) / n - d * d, 0.0);
  float first, last;
  normalize_channel(affine, running_mean, running_var, gamma, beta, j, columns, n, (double)shifts[j] + d, v, from_ordered(ends[j]), from_ordered(ends[columns + j]), eps,
                    momentum, lo, hi, &first, &last);
  atomicMin(range, ordered(fminf(first, last)));
  atomicMax(range + 1, ordered(fmaxf(first, last)));
}

// The same of moments [4, columns], mean, variance, least and greatest, which
// somebody else has collected (backend.CollectMoments).
extern "C" __global__ void __launch_bounds__(256) batch_norm_affine_collected(float* affine, u32* range, u32* nan, float* running_mean, float* running_var,
                                                                              const float* gamma, const float* beta, const double* moments, i64 rows, int columns,
                                                                              float eps, float momentum, float lo, float hi) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  float first, last;
  normalize_channel(affine, running_mean, running_var, gamma, beta, j, columns, (double)rows, moments[j], moments[columns + j], (float)moments[2 * columns + j],
                    (float)moments[3 * columns + j], eps, momentum, lo, hi, &first, &last);
  if (first != first || last != last) {
    atomicAdd(nan, 1u);
    return;
  }
  atomicMin(range, ordered(fminf(first, last)));
  atomicMax(range + 1, ordered(fmaxf(first, last)));
}

extern "C" __global__ void batch_norm_affine_range(float* out, const u32* range, const u32* nan) {
  float quiet = __uint_as_float(0x7fc00000u);
  out[0] = nan[0] ? quiet : from_ordered(range[0]);
  out[1] = nan[0] ? quiet : from_ordered(range[1]);
}
