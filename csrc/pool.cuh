// Means over windows.
#pragma once
#include "window.cuh"

// pool_count is the divisor of one axis: taps inside the input, and, where
// padding counts, in front of it and up to end = in + padding behind.
__device__ __forceinline__ int pool_count(int out, int stride, int before, int dilation, int kernel, int in, int after, int padding) {
  int count = 0;
  for (int t = 0; t < kernel; t++) {
    int i = out * stride - before + t * dilation;
    if ((i >= 0 && i < in) || (padding && i < in + after)) count++;
  }
  return count;
}
