// transpose: permutes dimensions. Reads and writes
// each element once.
//
// Targets: 75
#include "strided.cuh"

STRIDED_KERNELS(transpose)
