// qlinear_add: a + b of codes with broadcast, and the mask of the results inside of
// the range. 3.125 bytes an element of one shape.
//
// Targets: 75
#include "code_pair.cuh"

CODE_PAIR_KERNELS(qlinear_add, pair_add)
