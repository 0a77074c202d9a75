// The grid of a histogram (quant.GrowHistogram).
#pragma once
#include "scale.cuh"

// bin_width is quant.BinWidth: false when the ends are not those of a histogram
// that has seen values.
__device__ __forceinline__ bool bin_width(const float* ends, int bins, double* width, int* first) {
  if (bins < 2 || !(ends[0] < ends[1]) || !(ends[0] <= 0)) return false;
  double w = ((double)ends[1] - (double)ends[0]) / (double)bins;
  double g = (double)ends[0] / w;
  u64 bits = (u64)__double_as_longlong(w);
  bool power = (bits & 0xfffffffffffffull) == 0 && (bits >> 52 & 0x7ff) != 0x7ff;
  if (!power || g != floor(g) || g <= -(double)bins) return false;
  *width = w;
  *first = (int)g;
  return true;
}
