// conv: convolutions in float32 as products of patches and weights, and their
// gradients; x and w of the gradients may be codes. Pointwise ones are in
// gemm.cu. Long sums are computed in
// units, which conv_sum_blocks adds up. Depthwise ones have a thread for each
// result, and round products before they add them, as the CPU does.
//
// Targets: 75
#include "real_product.cuh"

extern "C" __global__ void __launch_bounds__(256, 3) conv(float* y, const float* x, const float* w, const float* bias, geometry g, sum_order order) {
  int group = blockIdx.z, k = g.taps();
  operand ox = {x, nullptr, nullptr, 0, 1}, ow = {w, nullptr, nullptr, 0, 1};
  patches a = {values(ox), g, group * g.cg};
  plain<true> b = {values(ow), (i64)group * g.og * k, k, 1, 0};
  real_product<one_block>(a, b, y + group * g.og, g.o, bias ? bias + group * g.og : nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, g.rows(), g.og, order, 0);
}

extern "C" __global__ void __launch_bounds__(256) conv_grad_input(float* dx, const float* dy, operand w, geometry g, sum_order order) {
  int group = blockIdx.z;
  results_of a = {dy, g, group * g.og};
  kernels b = {values(w), g, group * g.og};
  real_product<one_block>(a, b, dx + group * g.cg, g.c, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, g.n * g.h * g.w, g.cg, order, 0);
}

// A sum over the positions of the output.
extern "C" __global__ void __launch_bounds__(256, 2) conv_grad_weight(float* dw, const float* dy, operand x, geometry g, sum_order order) {
  int group = (int)blockIdx.z / order.units, unit = (int)blockIdx.z % order.units, k = g.taps();
  operand o = {dy, nullptr, nullptr, 0, 1};
  plain<false> a = {values(o), (i64)group * g.og, 1, g.o, 0};
  patches_across b = {{values(x), g, group * g.cg}};
  dw += ((i64)unit * g.o + (i64)group * g.og) * k;
  real_product<periodic_blocks>(a, b, dw, k, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, g.og, k, order, unit);
}

// A result a thread; neighbouring threads have neighbouring channels.
extern "C" __global__ void __launch_bounds__(256, 4) conv_depthwise(float* y, const float* x, const float* w, const float* bias, geometry g) {
  i64 n = (i64)g.rows() * g.o;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    int row = (int)(i / g.o), o = (int)(i - (i64)row * g.o);
    window v = window_at(g, row);
    const float* p = w + (i64)o * g.kh * g.kw;
    float sum = bias ? bias[o] : 0;
    for (int a = 0; a < g.kh; a++) {
      int line = v.y + a * g.dh;
      if ((u32)line >= (u32)g.h) continue;
      for (int b = 0; b < g.kw; b++) {
        int c = v.x + b * g.dw;
        if ((u32)c < (u32)g.w) sum = __fadd_rn(sum, __fmul_rn(x[(v.image + (i64)line * g.w + c) * g.c + o / g.og], p[a * g.kw + b]));
      }
    }
    y[i] = sum;
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
    for (int a = 0; a < g.kh; a++)
      for (int b = 0; b < g.kw; b++) {
        float part = nothing;  // With one output a channel, its product.
        for (int q = 0; q < g.og; q++) {
          int o = c * g.og + q;
          float weight = __fmul_rn(v.at(((i64)o * g.kh + a) * g.kw + b), v.scale_of(o));
          part = __fadd_rn(part, __fmul_rn(r.at(at, tap{a, b, q}), weight));
        }
        sum = __fadd_rn(sum, part);
      }
    dx[i] = sum;
  }
}

// Parts of dw of 32 channels and one tap: a warp takes the lines of a part.
extern "C" __global__ void __launch_bounds__(256) conv_depthwise_grad_weight(float* parts, const float* dy, operand x, geometry g, int lines, int count) {
  int lane = threadIdx.x % warp_size, part = (int)blockIdx.z * 8 + (int)threadIdx.x / warp_size;
  int o = (int)blockIdx.x * warp_size + lane, all = g.n * g.oh;
  if (o >= g.o || part >= count) return;
  int a = (int)blockIdx.y / g.kw, b = (int)blockIdx.y % g.kw;
  values v(x);
  float sum = 0;
  // The results [first, last) of a line have the tap inside of the image.
  int left = b * g.dw - g.left;
  int first = left < 0 ? (-left + g.sw - 1) / g.sw : 0, last = left < g.w ? min((g.w - 1 - left) / g.sw + 1, g.ow) : 0;
  for (int l = part * lines; l < min((part + 1) * lines, all); l++) {
    int image = l / g.oh, line = (l - image * g.oh) * g.sh - g.top + a * g.dh;
    if ((u32)line >= (u32)g.h) continue;
    const float* d = dy + (i64)l * g.ow * g.o + o;
    i64 from = (((i64)image * g.h + line) * g.w + left) * g.c + o / g.og;
#pragma unroll 4
    for (int j = first; j < last; j++) sum = __fadd_rn(sum, __fmul_rn(v.at(from + (i64)j * g.sw * g.c), d[(i64)j * g.o]));
  }
  parts[((i64)part * g.o + o) * (g.kh * g.kw) + blockIdx.y] = sum;
}

extern "C" __global__ void __launch_bounds__(256) conv_sum_blocks(float* y, const float* sums, const float* bias, int columns, sum_order o, i64 n) {
  sum_blocks(y, sums, bias, columns, o, n);
}

// Of depthwise convolutions and products in bf16: equal parts.
extern "C" __global__ void __launch_bounds__(256) conv_sum_parts(float* y, const float* parts, int splits, i64 n) { add_parts(y, parts, splits, n); }
