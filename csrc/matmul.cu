// matmul: products of stacks of matrices in float32. Long sums are computed in
// units, which matmul_sum_blocks adds up.
//
// Targets: 75
#include "real_product.cuh"
#include "stack.cuh"

template <bool left, bool right>
__device__ __forceinline__ void stack_product(float* y, const float* a, const float* b, const stack& s, const factors& f, const sum_order& o) {
  operand oa = {a, nullptr, nullptr, 0, 1}, ob = {b, nullptr, nullptr, 0, 1};
  for (i64 z = blockIdx.z; z < (i64)s.count * o.units; z += gridDim.z) {
    int i = (int)(z % s.count), unit = (int)(z / s.count);
    i64 at_a, at_b;
    s.find(i, &at_a, &at_b);
    plain<left> pa = {values(oa), at_a * f.a_matrix, f.a_row, f.a_step, 0};
    plain<right> pb = {values(ob), at_b * f.b_matrix, f.b_row, f.b_step, 0};
    real_product<even_blocks>(pa, pb, y + z * f.m * f.n, f.n, nullptr, (int)blockIdx.x * tile, (int)blockIdx.y * tile, f.m, f.n, o, unit);
  }
}

// One kernel for each way in which the operands may be stored: rows of a and
// columns of b along k, or across.
#define MATMUL(name, left, right)                                                                                        \
  extern "C" __global__ void __launch_bounds__(256, 2) name(float* y, const float* a, const float* b, stack s, factors f, sum_order o) { \
    stack_product<left, right>(y, a, b, s, f, o);                                                                        \
  }
MATMUL(matmul_along_along, true, true)
MATMUL(matmul_along_across, true, false)
MATMUL(matmul_across_along, false, true)
MATMUL(matmul_across_across, false, false)

extern "C" __global__ void __launch_bounds__(256) matmul_sum_blocks(float* y, const float* sums, const float* bias, int columns, sum_order o, i64 n) {
  sum_blocks(y, sums, bias, columns, o, n);
}
