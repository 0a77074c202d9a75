// clamp_range: the least and the greatest element of x, clamped; NaN when x has
// one. 4 bytes an element; nothing where the ends were collected before.
//
// Targets: 75
#include "common.cuh"

// ends are least and most as ordered integers, and the number of NaN.
extern "C" __global__ void __launch_bounds__(256) clamp_range_ends(u32* ends, const float* x, i64 n) {
  float least = __uint_as_float(0x7f800000u), most = -least;
  int nan = 0;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    float v = x[i];
    nan |= v != v;
    least = v < least ? v : least;
    most = v > most ? v : most;
  }
  least = warp_min(least);
  most = warp_max(most);
  nan = warp_sum(nan);
  if (threadIdx.x % warp_size != 0) return;
  atomicMin(ends, ordered(least));
  atomicMax(ends + 1, ordered(most));
  if (nan > 0) atomicAdd(ends + 2, 1u);
}

extern "C" __global__ void clamp_range(float* range, const u32* ends, i64 n, float lo, float hi) {
  float least = from_ordered(ends[0]), most = from_ordered(ends[1]);
  if (ends[2] > 0) {
    least = most = __uint_as_float(0x7fc00000u);
  } else if (n > 0) {
    least = fminf(fmaxf(least, lo), hi);
    most = fminf(fmaxf(most, lo), hi);
  }
  range[0] = least + 0.0f;
  range[1] = most + 0.0f;
}

// The same of ends that somebody else has collected (backend.CollectEnds).
extern "C" __global__ void clamp_range_collected(float* range, const float* ends, float lo, float hi) {
  float v[2] = {ends[0], ends[1]};
  if (!(v[0] > v[1])) {  // Nothing has no ends to clamp.
#pragma unroll
    for (int i = 0; i < 2; i++)
      if (v[i] == v[i]) v[i] = fminf(fmaxf(v[i], lo), hi) + 0.0f;
  }
  range[0] = v[0];
  range[1] = v[1];
}
