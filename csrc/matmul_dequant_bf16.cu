// matmul_dequant with a result of bf16: float32(sum) * (sa * sb), rounded.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_MATMUL(matmul_dequant_bf16, real_halves)
