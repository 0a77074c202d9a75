// lsq_grad: the straight-through gradient, and that of a learned scale (LSQ): a
// block a chunk of the elements of a channel of x [outer, channels, inner], sums
// in float64, chunks added in order. 12 bytes an element.
//
// Targets: 75
#include "block.cuh"
#include "quant.cuh"

// parts is [chunks, channels]; dx may be null.
extern "C" __global__ void __launch_bounds__(256) lsq_grad(float* dx, double* parts, const float* dy, const float* x, const float* scale, const int* zero,
                                                           i64 count, i64 chunk, int channels, i64 inner, int rule, int lo, int hi, u32* nan) {
  int c = blockIdx.x % channels;
  i64 part = blockIdx.x / channels;
  quantizer q = make_quantizer(rule, scale[c], zero[c], lo, hi);
  float below = (float)((i64)lo - zero[c]), above = (float)((i64)hi - zero[c]);
  i64 end = min((part + 1) * chunk, count);
  double sum = 0;
  int bad = 0;
  for (i64 e = part * chunk + threadIdx.x; e < end; e += blockDim.x) {
    i64 o = e / inner, i = (o * channels + c) * inner + (e - o * inner);
    float v = x[i], g = dy[i], d = 0;
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
    if (dx) dx[i] = d;
  }
  sum = block_sum(sum);
  bad = block_sum(bad);
  if (threadIdx.x != 0) return;
  parts[part * channels + c] = sum;
  if (bad > 0) atomicAdd(nan, (u32)bad);
}

extern "C" __global__ void __launch_bounds__(256) lsq_grad_scale(float* dscale, const double* parts, int chunks, int channels, double factor) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  double s = 0;
  for (int i = 0; i < chunks; i++) s += parts[(i64)i * channels + c];
  dscale[c] = (float)(s * factor);
}
