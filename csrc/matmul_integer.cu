// matmul_integer: products of stacks of matrices of codes with an int32 result.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_MATMUL(matmul_integer, sums)
