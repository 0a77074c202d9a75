// conv_integer: convolutions of codes with an int32 result.
//
// Targets: 75 80
#include "code_product.cuh"

CODE_CONV(conv_integer, sums)
