// conv: convolutions in float32 as products of patches and weights, and their
// gradients; x and w of the gradients may be codes. Depthwise ones have a
// thread for each result.
//
// Targets: 75
#include "real_product.cuh"

extern "C" __global__ void __launch_bounds__(256) conv(float* y, const float* x, const float* w, const float* bias, geometry g) {
  int group = blockIdx.z, k = g.taps();
  operand ox = {x, nullptr, nullptr, 0, 1}, ow = {w, nullptr, nullptr, 0, 1};
  patches a = {values(ox), g, group * g.cg};
  plain<true> b = {values(ow), (i64)group * g.og * k, k, 1, 0};
  real_product(a, b, y + group * g.og, g.o, bias ? bias + group * g.og : nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, g.rows(), g.og, 0, k);
}

extern "C" __global__ void __launch_bounds__(256) conv_grad_input(float* dx, const float* dy, operand w, geometry g) {
  int group = blockIdx.z;
  results_of a = {dy, g, group * g.og};
  kernels b = {values(w), g, group * g.og};
  real_product(a, b, dx + group * g.cg, g.c, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, g.n * g.h * g.w, g.cg, 0, g.kh * g.kw * g.og);
}

// Parts of dw, split along the positions of the output.
extern "C" __global__ void __launch_bounds__(256, 2) conv_grad_weight(float* parts, const float* dy, operand x, geometry g, int splits) {
  int group = (int)blockIdx.z / splits, part = (int)blockIdx.z % splits, k = g.taps();
  operand o = {dy, nullptr, nullptr, 0, 1};
  plain<false> a = {values(o), (i64)group * g.og, 1, g.o, 0};
  patches_across b = {{values(x), g, group * g.cg}};
  slice s(g.rows(), splits, part);
  real_product(a, b, parts + ((i64)part * g.o + (i64)group * g.og) * k, k, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, g.og, k, s.from, s.to);
}

// A result a thread; neighbouring threads have neighbouring channels.
extern "C" __global__ void __launch_bounds__(256) conv_depthwise(float* y, const float* x, const float* w, const float* bias, geometry g) {
  i64 n = (i64)g.rows() * g.o;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    int row = (int)(i / g.o), o = (int)(i - (i64)row * g.o);
    window v = window_at(g, row);
    const float* p = w + (i64)o * g.kh * g.kw;
    float sum = 0;
    for (int a = 0; a < g.kh; a++) {
      int line = v.y + a * g.dh;
      if ((u32)line >= (u32)g.h) continue;
      for (int b = 0; b < g.kw; b++) {
        int c = v.x + b * g.dw;
        if ((u32)c < (u32)g.w) sum = fmaf(x[(v.image + (i64)line * g.w + c) * g.c + o / g.og], p[a * g.kw + b], sum);
      }
    }
    y[i] = bias ? __fadd_rn(sum, bias[o]) : sum;
  }
}

extern "C" __global__ void __launch_bounds__(256) conv_depthwise_grad_input(float* dx, const float* dy, operand w, geometry g) {
  values v(w);
  i64 n = (i64)g.n * g.h * g.w * g.c;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    int pixel = (int)(i / g.c), c = (int)(i - (i64)pixel * g.c);
    results_of r = {dy, g, c * g.og};
    window at = r.row_at(pixel);
    float sum = 0;
    for (int q = 0; q < g.og; q++) {
      int o = c * g.og + q;
      float scale = v.scale_of(o), part = 0;
      for (int a = 0; a < g.kh; a++)
        for (int b = 0; b < g.kw; b++) {
          tap t = {a, b, q};
          part = fmaf(r.at(at, t), v.at(((i64)o * g.kh + a) * g.kw + b), part);
        }
      sum = fmaf(part, scale, sum);
    }
    dx[i] = sum;
  }
}

// Parts of dw of 32 channels and one tap a block: a warp takes each eighth
// position of its part, and the eight sums are added in order.
extern "C" __global__ void __launch_bounds__(256) conv_depthwise_grad_weight(float* parts, const float* dy, operand x, geometry g, int splits) {
  constexpr int warps = 8;
  SHARED(float, sums, [warps][warp_size]);
  int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  int o = (int)blockIdx.x * warp_size + lane, k = g.kh * g.kw;
  int tap_index = blockIdx.y;
  patches p = {values(x), g, 0};
  float sum = 0;
  if (o < g.o) {
    tap t = {tap_index / g.kw, tap_index % g.kw, o / g.og};
    slice s(g.rows(), splits, blockIdx.z);
    for (int r = s.from + warp; r < s.to; r += warps) sum = fmaf(dy[(i64)r * g.o + o], p.at(window_at(g, r), t), sum);
  }
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || o >= g.o) return;
  for (int i = 1; i < warps; i++) sum = __fadd_rn(sum, sums[i][lane]);
  parts[((i64)blockIdx.z * g.o + o) * k + tap_index] = sum;
}

extern "C" __global__ void __launch_bounds__(256) conv_sum_parts(float* y, const float* parts, int splits, i64 n) { add_parts(y, parts, splits, n); }
