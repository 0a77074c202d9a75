// clip_scale: the factor min(1, limit / (norm + 1e-6)) that limits a gradient's
// norm. One thread.
//
// Targets: 75
#include "common.cuh"

extern "C" __global__ void clip_scale(float* factor, const float* norm, double limit) {
  double f = limit / ((double)norm[0] + 1e-6);
  factor[0] = (float)(f > 1 ? 1.0 : f);  // Not min: a NaN must stay visible.
}
