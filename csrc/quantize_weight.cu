// quantize_weight: after observe_min_max has found the extremes: the ranges,
// scales and zero points of this run (next), with which quantize_linear makes the
// codes, and, when nothing was bad, the states.
//
// Targets: 75
#include "range.cuh"
#include "scale.cuh"

// next is [3, channels]: least, most, scale.
extern "C" __global__ void __launch_bounds__(256) quantize_weight_next(float* next, int* next_zero, const float* lo, const float* hi, const u32* ends,
                                                                       int channels, float momentum, SCALE_ARGUMENTS, u32* bad) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  float least = from_ordered(ends[c]) + 0.0f, most = from_ordered(ends[channels + c]) + 0.0f;
  float l = lo[c], h = hi[c];
  if (least <= most) follow(&l, &h, least, most, momentum);
  float s = 1;
  int z = 0;
  if (!scale_zero_of(SCALE_RULE, l, h, &s, &z)) atomicAdd(bad + 1, 1u);
  next[c] = l;
  next[channels + c] = h;
  next[2 * channels + c] = s;
  next_zero[c] = z;
}

extern "C" __global__ void __launch_bounds__(256) quantize_weight_commit(float* lo, float* hi, float* scale, int* zero, const float* next,
                                                                         const int* next_zero, int channels, const u32* bad) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels || bad[0] > 0 || bad[1] > 0) return;
  lo[c] = next[c];
  hi[c] = next[channels + c];
  scale[c] = next[2 * channels + c];
  zero[c] = next_zero[c];
}
