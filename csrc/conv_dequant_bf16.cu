// conv_dequant, gemm_dequant with a result of bf16: float32(sum) * (sx * sw) +
// bias, rounded. 2 bytes written a result.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_CONV(conv_dequant_bf16, real_halves)
