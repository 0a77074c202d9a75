// The code of a mean of codes: the bits of quant.Rule.AvgPoolCode.
#pragma once
#include "requantize.cuh"

// code_mean returns the code of the mean of count codes when input and output
// share scale and zero point.
__device__ __forceinline__ int code_mean(int rule, int requant, int sum, i64 count, int zero, int lo, int hi) {
  if (count < 1) return min(max(zero, lo), hi);
  i64 v;
  if (requant == requant_float) {
    double t = (double)__fdiv_rn((float)((i64)sum - count * zero), (float)count);
    v = (i64)(rule & rule_half_away ? round(t) : rint(t)) + zero;
  } else if (sum > 0) {
    v = (sum + count / 2) / count;
  } else {
    v = (sum - count / 2) / count;
  }
  return (int)min(max(v, (i64)lo), (i64)hi);
}
