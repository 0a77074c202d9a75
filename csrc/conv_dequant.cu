// conv_dequant, gemm_dequant: convolutions and linear layers on codes with a real
// result, float32(sum) * (sx * sw) + bias.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_CONV(conv_dequant, reals)

// Layers that collect of their results (backend.Collect).
CONV_PRODUCT(conv_dequant_64_i8_collect, 64, i8, collected_reals)
CONV_PRODUCT(conv_dequant_64_u8_collect, 64, u8, collected_reals)
CONV_PRODUCT(conv_dequant_128_i8_collect, 128, i8, collected_reals)
CONV_PRODUCT(conv_dequant_128_u8_collect, 128, u8, collected_reals)
#define COLLECT_DIRECT(X)                                                                                                                          \
  extern "C" __global__ void __launch_bounds__(collected_threads) conv_dequant_direct_##X##_collect(results out, const u8* x, const u8* w,       \
                                                                                                    const column* columns, geometry g,             \
                                                                                                    const int* zx, int w_unsigned, int quads) {    \
    collect_direct<X>(out, x, w, columns, g, zx, w_unsigned, quads);                                                                               \
  }
COLLECT_DIRECT(i8)
COLLECT_DIRECT(u8)

// What was collected becomes moments, a thread a channel, or ends.
extern "C" __global__ void __launch_bounds__(128) conv_dequant_moments(double* moments, const u64* found, const column* columns, i64 rows, int n) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= n) return;
  column v = {};
  if (rows > 0) v = columns[c];
  write_moments(moments, found, rows, n, c, __int_as_float(v.factor), __int_as_float(v.shift));
}

extern "C" __global__ void conv_dequant_ends(float* ends, const u32* found, i64 count) { write_ends(ends, found, count); }
