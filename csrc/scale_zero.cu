// scale_zero: scale and zero point of the range of each channel. bad[1] counts
// ranges that are not finite or have seen nothing.
//
// Targets: 75
#include "scale.cuh"

extern "C" __global__ void __launch_bounds__(256) scale_zero(float* scale, int* zero, const float* least, const float* most, int channels,
                                                             SCALE_ARGUMENTS, u32* bad) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  float s;
  int z;
  if (!scale_zero_of(SCALE_RULE, least[c], most[c], &s, &z)) {
    atomicAdd(least[c] != least[c] || most[c] != most[c] ? bad : bad + 1, 1u);
    return;
  }
  scale[c] = s;
  zero[c] = z;
}
