// adopt_range: the ends that weight_codes found become range, scale and zero
// point, unless one is bad. One block: there are as many as rows of a weight.
//
// Targets: 75
#include "block.cuh"
#include "scale.cuh"

// To bad[0] go the ranges that are NaN, to bad[1] the others that are none.
extern "C" __global__ void __launch_bounds__(256) adopt_range(float* lo, float* hi, float* scale, int* zero, const float* least, const float* most,
                                                              int channels, SCALE_ARGUMENTS, u32* bad) {
  int nan = 0, none = 0;
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    float s, l = least[c], m = most[c];
    int z;
    if (l != l || m != m)
      nan++;
    else if (!scale_zero_of(SCALE_RULE, l, m, &s, &z))
      none++;
  }
  nan = block_sum(nan);
  none = block_sum(none);
  if (threadIdx.x == 0) {
    if (nan > 0) atomicAdd(bad, (u32)nan);
    if (none > 0) atomicAdd(bad + 1, (u32)none);
  }
  if (nan > 0 || none > 0) return;
  for (int c = threadIdx.x; c < channels; c += blockDim.x) {
    float s = 1;
    int z = 0;
    scale_zero_of(SCALE_RULE, least[c], most[c], &s, &z);
    lo[c] = least[c];
    hi[c] = most[c];
    scale[c] = s;
    zero[c] = z;
  }
}
