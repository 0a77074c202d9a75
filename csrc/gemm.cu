// gemm: y = x*w^T + bias; gemm_grad_input: dx = dy*w; gemm_grad_weight:
// dw = dy^T*x. In float32; x and w of the gradients may be codes. Pointwise convolutions are
// the same. Long sums are computed in units, which gemm_sum_blocks adds up.
//
// Targets: 75
#include "real_product.cuh"

extern "C" __global__ void __launch_bounds__(256) gemm(float* y, const float* x, const float* w, const float* bias, int m, int n, int k, sum_order o) {
  operand ox = {x, nullptr, nullptr, 0, 1}, ow = {w, nullptr, nullptr, 0, 1};
  plain<true> a = {values(ox), 0, k, 1, 0}, b = {values(ow), 0, k, 1, 0};
  real_product<even_blocks>(a, b, y + (i64)blockIdx.z * m * n, n, bias, (int)blockIdx.x * tile, (int)blockIdx.y * tile, m, n, o, blockIdx.z);
}

// dx [m, k] of dy [m, n] and w [n, k].
extern "C" __global__ void __launch_bounds__(256) gemm_grad_input(float* dx, const float* dy, operand w, int m, int n, int k, sum_order o) {
  operand od = {dy, nullptr, nullptr, 0, 1};
  plain<true> a = {values(od), 0, n, 1, 0};
  plain<false> b = {values(w), 0, 1, k, w.type != 0 && w.channels > 1};
  real_product<even_blocks>(a, b, dx + (i64)blockIdx.z * m * k, k, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, m, k, o, blockIdx.z);
}

// dw [n, k] of dy [m, n] and x [m, k].
extern "C" __global__ void __launch_bounds__(256) gemm_grad_weight(float* dw, const float* dy, operand x, int m, int n, int k, sum_order o) {
  operand od = {dy, nullptr, nullptr, 0, 1};
  plain<false> a = {values(od), 0, 1, n, 0}, b = {values(x), 0, 1, k, 0};
  real_product<even_blocks>(a, b, dw + (i64)blockIdx.z * n * k, k, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, n, k, o, blockIdx.z);
}

extern "C" __global__ void __launch_bounds__(256) gemm_sum_blocks(float* y, const float* sums, const float* bias, int columns, sum_order o, i64 n) {
  sum_blocks(y, sums, bias, columns, o, n);
}

// Of products in bf16: equal parts.
extern "C" __global__ void __launch_bounds__(256) gemm_sum_parts(float* y, const float* parts, int splits, i64 n) { add_parts(y, parts, splits, n); }
