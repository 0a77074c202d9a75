// fold_batch_norm: batch normalization moved into scales, codes and int32 bias of
// the layer before it, by the formula of backend.FoldBatchNorm; and its gradient.
// All in float64, every step rounded.
//
// Targets: 75
#include "block.cuh"

constexpr double min_normal = 1.17549435082228750797e-38;  // 2^-126
constexpr double max_folded_bias = 1073741824.0 - 1024.0, constant_bias = 536870912.0;

__device__ __forceinline__ bool not_finite(double v) { return !(v - v == 0); }

// bad[0] counts NaN, bad[1] results out of range. half_away is the rounding of
// the rule. Of gamma, beta, mean and variance there are all or none.
extern "C" __global__ void __launch_bounds__(256) fold_batch_norm(float* out_scale, int* out_bias, i8* sign, const float* sw, int scales, const float* sx,
                                                                  const float* bias, const float* gamma, const float* beta, const float* mean,
                                                                  const float* variance, int channels, float eps, int half_away, u32* bad) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  double scale = sw[min(c, scales - 1)], b = bias ? (double)bias[c] : 0.0, a = 1;
  if (gamma) {
    a = (double)gamma[c] / sqrt((double)variance[c] + (double)eps);
    b = (double)beta[c] + (b - (double)mean[c]) * a;
  }
  if (not_finite(a) || not_finite(b) || scale != scale) {
    atomicAdd(bad, 1u);
    return;
  }
  int g = a < 0 ? -1 : 1;
  double s = scale * fabs(a), grid = sx[0];
  if (s < min_normal || fabs(b) >= grid * s * max_folded_bias) {
    g = 0;
    s = fmax(min_normal, fabs(b) / (grid * constant_bias));
  }
  float f = (float)s;
  double v = b / (grid * (double)f);
  v = half_away ? round(v) : rint(v);
  if (v != v) {
    atomicAdd(bad, 1u);
    return;
  }
  if ((__float_as_uint(f) & 0x7fffffffu) == 0x7f800000u || v < -2147483648.0 || v > 2147483647.0) {
    atomicAdd(bad + 1, 1u);
    return;
  }
  sign[c] = (i8)g;
  if (out_scale) out_scale[c] = f;
  if (out_bias) out_bias[c] = (int)v;
}

// fold_batch_norm_codes multiplies codes by the sign of their channel.
extern "C" __global__ void __launch_bounds__(256) fold_batch_norm_codes(i8* out, const i8* codes, const i8* sign, i64 n, i64 k) {
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    int g = sign[i / k], v = codes[i];
    out[i] = (i8)(g == 0 ? 0 : g > 0 ? v : -max(v, -127));
  }
}

// fold_batch_norm_grad: a block a channel. Absent gradients and results are null.
extern "C" __global__ void __launch_bounds__(128) fold_batch_norm_grad(float* dw, float* dbias, float* dgamma, float* dbeta, const float* dw_out,
                                                                       const float* db_out, const i8* codes, const float* sw, int scales,
                                                                       const float* bias, const float* gamma, const float* mean, const float* variance,
                                                                       i64 k, float eps) {
  int c = blockIdx.x;
  double inv = 1 / sqrt((double)variance[c] + (double)eps), a = (double)gamma[c] * inv;
  double db = db_out ? (double)db_out[c] : 0.0, center = (bias ? (double)bias[c] : 0.0) - (double)mean[c];
  double sum = 0;
  float f = (float)a;
  for (i64 i = threadIdx.x; i < k; i += blockDim.x) {
    i64 at = c * k + i;
    float d = dw_out ? dw_out[at] : 0.0f;
    sum += (double)d * (double)codes[at];
    if (dw) dw[at] = dw_out ? d * f : 0.0f;
  }
  sum = block_sum(sum) * (double)sw[min(c, scales - 1)];
  if (threadIdx.x != 0) return;
  if (dbias) dbias[c] = (float)(db * a);
  if (dgamma) dgamma[c] = (float)(inv * (sum + db * center));
  if (dbeta) dbeta[c] = (float)db;
}
