// dynamic_quantize_linear: scale and zero point of the range of x and 0, between
// observe_min_max, which finds it, and quantize_linear, which makes the codes.
//
// Targets: 75
#include "scale.cuh"

extern "C" __global__ void dynamic_quantize_linear(float* scale, int* zero, const u32* ends, SCALE_ARGUMENTS, u32* bad) {
  float least = from_ordered(ends[0]) + 0.0f, most = from_ordered(ends[1]) + 0.0f;
  if (least > most) least = most = 0;  // No elements.
  if (!scale_zero_of(SCALE_RULE, least, most, scale, zero)) {
    atomicAdd(bad + 1, 1u);
    *scale = 1;
    *zero = 0;
  }
}
