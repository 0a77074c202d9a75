// conv_dequant, gemm_dequant: convolutions and linear layers on codes with a real
// result, float32(sum) * (sx * sw) + bias.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_CONV(conv_dequant, reals)
