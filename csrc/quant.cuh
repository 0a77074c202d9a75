// The arithmetic of package quant, for kernels: the same bits as its Go code.
// Nothing else in csrc rounds, clamps or requantizes.
#pragma once
#include "common.cuh"

// Flags of a rule, as package backend/gpu passes them.
constexpr int rule_reciprocal = 1;   // x * (1/s) instead of x / s
constexpr int rule_half_away = 2;    // ties away from zero instead of to even
constexpr int rule_zero_inside = 4;  // the zero point is added before rounding

// not_code marks a NaN: it is outside of every range.
constexpr int not_code = -2147483647 - 1;

// quantizer is a rule made ready for one scale and zero point (quant.rounder).
struct quantizer {
  float scale, factor, inside, flo, fhi;
  int after, zero, lo, hi, rule;
};

__device__ __forceinline__ quantizer make_quantizer(int rule, float scale, int zero, int lo, int hi) {
  quantizer q;
  q.rule = rule;
  q.scale = scale;
  q.factor = rule & rule_reciprocal ? __fdiv_rn(1.0f, scale) : scale;
  q.inside = rule & rule_zero_inside ? (float)zero : 0.0f;
  q.after = rule & rule_zero_inside ? 0 : zero;
  q.zero = zero;
  q.lo = lo;
  q.hi = hi;
  // One step outside of the range, so that clamping before rounding changes
  // neither the code nor the mask.
  q.flo = (float)((i64)lo - q.after - 1);
  q.fhi = (float)((i64)hi - q.after + 1);
  return q;
}

// integer returns the rounded integer of x with the zero point added, clamped
// to [lo-1, hi+1], or not_code for NaN. Codes, zero points and ranges lie
// within 2^21, as quant's vector code asks, too.
__device__ __forceinline__ int integer(const quantizer& q, float x) {
  float t = q.rule & rule_reciprocal ? __fmul_rn(x, q.factor) : __fdiv_rn(x, q.factor);
  if (q.rule & rule_zero_inside) t = __fadd_rn(t, q.inside);
  if (t != t) return not_code;
  t = fminf(fmaxf(t, q.flo), q.fhi);
  int r;
  if (q.rule & rule_half_away) {
    // The fraction is exact, so a tie is seen as one.
    float a = fabsf(t);
    float b = floorf(a);
    r = (int)b + (__fsub_rn(a, b) >= 0.5f);
    if (t < 0) r = -r;
  } else {
    r = __float2int_rn(t);
  }
  return r + q.after;
}

// inside says whether an integer is in the code range: the mask of the
// straight-through estimator.
__device__ __forceinline__ bool inside(const quantizer& q, int v) { return v >= q.lo && v <= q.hi; }

// code clamps an integer; NaN becomes the zero point.
__device__ __forceinline__ int code(const quantizer& q, int v) {
  if (v == not_code) v = q.zero;
  return min(max(v, q.lo), q.hi);
}

// dequantize returns the number that a code stands for.
__device__ __forceinline__ float dequantize(const quantizer& q, int code) {
  return __fmul_rn((float)(code - q.zero), q.scale);
}
