// zero_points: whether zero points that may change are codes. A launch of one
// thread, for operations whose zero points are no constants.
//
// Targets: 75
#include "common.cuh"

// What is wrong, in the third word of a flag; the fourth is the zero point.
constexpr u32 zero_of_input = 1, zero_of_result = 2;

extern "C" __global__ void zero_points_check(u32* flag, const int* x, int xlo, int xhi, const int* y, int ylo, int yhi) {
  if (x && (x[0] < xlo || x[0] > xhi)) {
    flag[2] = zero_of_input;
    flag[3] = (u32)x[0];
  } else if (y && (y[0] < ylo || y[0] > yhi)) {
    flag[2] = zero_of_result;
    flag[3] = (u32)y[0];
  }
}
