// matmul_dequant: products of stacks of matrices of codes with a real result,
// float32(sum) * (sa * sb).
//
// Targets: 75 80
#include "code_product.cuh"

CODE_MATMUL(matmul_dequant, reals)
