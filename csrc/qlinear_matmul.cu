// qlinear_matmul: products of stacks of matrices from codes to codes, with the bit
// mask of the codes inside the range.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_MATMUL(qlinear_matmul, codes)
