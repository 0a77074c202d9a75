// qlinear_unary: a function of codes through a table, and the mask of those
// inside of the range, 2.125 bytes an element; qlinear_unary_grad: dy times the
// slope at the code, 9 bytes an element.
//
// Targets: 75
#include "code_function.cuh"
#include "code_table.cuh"

extern "C" __global__ void __launch_bounds__(256) qlinear_unary_table(u16* table, const float* scale, const int* zero, const float* to_scale,
                                                                      const int* to_zero, int is_signed, int rule, int function, double alpha, int lo,
                                                                      int hi) {
  quantizer q = make_quantizer(rule, to_scale[0], to_zero[0], lo, hi);
  int zx = zero[0];
  float sx = scale[0];
  fill_code_table(table, is_signed, [&](int c, bool* in) {
    int v = integer(q, (float)unary_value(function, (double)__fmul_rn((float)(c - zx), sx), alpha));
    *in = inside(q, v);
    return code(q, v);
  });
}

extern "C" __global__ void __launch_bounds__(256) qlinear_unary(u8* y, u8* mask, const u8* x, const u16* table, i64 n) {
  map_code_table(y, mask, x, table, n);
}

extern "C" __global__ void __launch_bounds__(256) qlinear_unary_grad_table(float* slopes, const float* scale, const int* zero, int is_signed, int function,
                                                                           double alpha) {
  int c = code_of(threadIdx.x, is_signed);
  slopes[threadIdx.x] = (float)unary_slope(function, (double)__fmul_rn((float)(c - zero[0]), scale[0]), alpha);
}

extern "C" __global__ void __launch_bounds__(256) qlinear_unary_grad(float* dx, const float* dy, const u8* x, const float* table, i64 n) {
  SHARED(float, slopes, [256]);
  slopes[threadIdx.x] = table[threadIdx.x];
  __syncthreads();
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(dx, 16) && aligned(dy, 16) && aligned(x, 4);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    if (vector && i + lane_elements <= n) {
      float4 d = load_once(reinterpret_cast<const float4*>(dy + i));
      u32 c = *reinterpret_cast<const u32*>(x + i);
      d.x *= slopes[c & 255], d.y *= slopes[c >> 8 & 255], d.z *= slopes[c >> 16 & 255], d.w *= slopes[c >> 24];
      *reinterpret_cast<float4*>(dx + i) = d;
      continue;
    }
    for (int k = 0; k < lane_elements; k++)
      if (i + k < n) dx[i + k] = dy[i + k] * slopes[x[i + k]];
  }
}
