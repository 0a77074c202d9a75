// conv_dequant, gemm_dequant with a result of bf16: float32(sum) * (sx * sw) +
// bias, rounded. 2 bytes written a result.
//
// Targets: 75 80
#include "code_product.cuh"

// A block a multiprocessor is enough for tiles of 128: bound to two, kernels of
// sm_86 would spill.
#define HALF_CONV_PRODUCT(name, side, X)                                                                                                      \
  extern "C" __global__ void __launch_bounds__(2 * side, side == 64 ? 3 : 1) name(results out, const u8* x, const u8* w, const column* columns, \
                                                                                  geometry g, const int* zx, const float* sy, const int* zy,   \
                                                                                  rule_of rule, int zeros, u32 flip) {                         \
    conv_product<side, X, real_halves>(out, x, w, columns, g, zx, sy, zy, rule, zeros, flip);                                                 \
  }

CODE_COLUMNS(conv_dequant_bf16, real_halves)
HALF_CONV_PRODUCT(conv_dequant_bf16_64_i8, 64, i8)
HALF_CONV_PRODUCT(conv_dequant_bf16_64_u8, 64, u8)
HALF_CONV_PRODUCT(conv_dequant_bf16_128_i8, 128, i8)
HALF_CONV_PRODUCT(conv_dequant_bf16_128_u8, 128, u8)
CONV_DIRECT(conv_dequant_bf16_direct_i8, i8, real_halves)
CONV_DIRECT(conv_dequant_bf16_direct_u8, u8, real_halves)
