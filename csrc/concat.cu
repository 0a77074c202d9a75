// concat: joins tensors along an axis, one launch an input. Reads and writes
// each element once.
//
// Targets: 75
#include "strided.cuh"

STRIDED_KERNELS(concat)
