// qlinear_conv, qlinear_gemm: convolutions and linear layers from codes to codes,
// with the bit mask of the codes inside the range.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_CONV(qlinear_conv, codes)
