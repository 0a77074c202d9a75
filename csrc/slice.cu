// slice: takes ranges with steps of each dimension; slice_grad puts them back into zeros. Reads and writes
// each element once.
//
// Targets: 75
#include "strided.cuh"

STRIDED_KERNELS(slice)
