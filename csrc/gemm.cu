// gemm: y = x*w^T + bias; gemm_grad_input: dx = dy*w; gemm_grad_weight:
// dw = dy^T*x, in parts of the rows that gemm_sum_parts adds up. In float32; x and w
// of the gradients may be codes.
//
// Targets: 75
#include "real_product.cuh"

extern "C" __global__ void __launch_bounds__(256) gemm(float* y, const float* x, const float* w, const float* bias, int m, int n, int k) {
  operand ox = {x, nullptr, nullptr, 0, 1}, ow = {w, nullptr, nullptr, 0, 1};
  plain<true> a = {values(ox), 0, k, 1, 0}, b = {values(ow), 0, k, 1, 0};
  real_product(a, b, y, n, bias, (int)blockIdx.x * tile, (int)blockIdx.y * tile, m, n, 0, k);
}

// dx [m, k] of dy [m, n] and w [n, k].
extern "C" __global__ void __launch_bounds__(256) gemm_grad_input(float* dx, const float* dy, operand w, int m, int n, int k) {
  operand o = {dy, nullptr, nullptr, 0, 1};
  plain<true> a = {values(o), 0, n, 1, 0};
  plain<false> b = {values(w), 0, 1, k, w.type != 0 && w.channels > 1};
  real_product(a, b, dx, k, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, m, k, 0, n);
}

// Parts of dw [n, k] of dy [m, n] and x [m, k].
extern "C" __global__ void __launch_bounds__(256) gemm_grad_weight(float* parts, const float* dy, operand x, int m, int n, int k, int splits) {
  operand o = {dy, nullptr, nullptr, 0, 1};
  plain<false> a = {values(o), 0, 1, n, 0}, b = {values(x), 0, 1, k, 0};
  slice s(m, splits, blockIdx.z);
  real_product(a, b, parts + (i64)blockIdx.z * n * k, k, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, n, k, s.from, s.to);
}

extern "C" __global__ void __launch_bounds__(256) gemm_sum_parts(float* y, const float* parts, int splits, i64 n) { add_parts(y, parts, splits, n); }
