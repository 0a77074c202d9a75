// lsq_grad: the straight-through gradient, and that of a learned scale (LSQ): a
// block a chunk of the elements of a channel of x [outer, channels, inner], sums
// in float64, chunks added in order. 12 bytes an element of float, 6 of bf16.
//
// Targets: 75
#include "block.cuh"
#include "reals.cuh"

// parts is [chunks, channels]; dx may be null.
template <typename D, typename X>
__device__ __forceinline__ void lsq_grad_all(D* dx, double* parts, const D* dy, const X* x, const float* scale, const int* zero, i64 count, i64 chunk,
                                             int channels, i64 inner, int rule, int lo, int hi, u32* nan) {
  int c = blockIdx.x % channels;
  i64 part = blockIdx.x / channels;
  quantizer q = make_quantizer(rule, scale[c], zero[c], lo, hi);
  float below = (float)((i64)lo - zero[c]), above = (float)((i64)hi - zero[c]);
  i64 end = min((part + 1) * chunk, count);
  double sum = 0;
  int bad = 0;
  for (i64 e = part * chunk + threadIdx.x; e < end; e += blockDim.x) {
    i64 o = e / inner, i = (o * channels + c) * inner + (e - o * inner);
    float v = to_float(x[i]), g = to_float(dy[i]), d = 0;
    int r = integer(q, v);
    float t = rule & rule_reciprocal ? v * q.factor : __fdiv_rn(v, q.factor);
    if (r == not_code) {
      bad++;
    } else if (r < lo) {
      sum += (double)(g * below);
    } else if (r > hi) {
      sum += (double)(g * above);
    } else {
      d = g;
      sum += (double)(g * ((float)(r - zero[c]) - t));
    }
    if (dx) dx[i] = rounded_to<D>(d);
  }
  sum = block_sum(sum);
  bad = block_sum(bad);
  if (threadIdx.x != 0) return;
  parts[part * channels + c] = sum;
  if (bad > 0) atomicAdd(nan, (u32)bad);
}

// The types of dy and x are in the name.
#define LSQ_GRAD(name, D, X)                                                                                                                        \
  extern "C" __global__ void __launch_bounds__(256) name(D* dx, double* parts, const D* dy, const X* x, const float* scale, const int* zero, i64 count, \
                                                         i64 chunk, int channels, i64 inner, int rule, int lo, int hi, u32* nan) {                 \
    lsq_grad_all(dx, parts, dy, x, scale, zero, count, chunk, channels, inner, rule, lo, hi, nan);                                                \
  }
LSQ_GRAD(lsq_grad, float, float)
LSQ_GRAD(lsq_grad_bf16, bf16, bf16)
LSQ_GRAD(lsq_grad_f32_bf16, float, bf16)
LSQ_GRAD(lsq_grad_bf16_f32, bf16, float)

extern "C" __global__ void __launch_bounds__(256) lsq_grad_scale(float* dscale, const double* parts, int chunks, int channels, double factor) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  double s = 0;
#pragma unroll 16
  for (int i = 0; i < chunks; i++) s += parts[(i64)i * channels + c];
  dscale[c] = (float)(s * factor);
}
