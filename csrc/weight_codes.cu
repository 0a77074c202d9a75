// weight_codes: the codes of each row of a weight by the range of the row, and
// the ranges. 5 bytes an element: read 4, write 1.
//
// Targets: 75
#include "weight_codes.cuh"

extern "C" __global__ void __launch_bounds__(256) weight_codes(const float* x, CODED_ARGUMENTS) {
  x += (i64)blockIdx.x * inner;
  code_row(CODED_ROWS, x, [&](int i, int count, float* v) { load_four(v, x + i, count); });
}
