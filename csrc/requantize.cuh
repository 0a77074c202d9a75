// Requantization, the bits of quant.Rule.Requantize.
#pragma once
#include "quant.cuh"

// How accumulators become codes (quant.Requant), as package backend/gpu passes
// them.
constexpr int requant_float = 0;
constexpr int requant_double = 1;
constexpr int requant_single = 2;

// multiplier is quant.Multiplier: the float bits of M, or Q and Shift.
struct multiplier {
  int q, shift;
};

// fixed_multiplier is quant.QuantizeMultiplier of a number that is 0, no
// number or a normal one, as products and quotients of float32 are in float64.
__device__ __forceinline__ multiplier fixed_multiplier(double real) {
  multiplier m = {0, 0};
  u64 bits = (u64)__double_as_longlong(real);
  int exponent = (int)(bits >> 52 & 0x7ff);
  bool negative = bits >> 63 != 0;
  u64 fraction = bits & ((1ull << 52) - 1);
  if (exponent == 0 || (exponent == 0x7ff && fraction != 0)) return m;
  int e = exponent - 1022;
  // Half away from zero is half up of the magnitude.
  i64 v = (i64)(((fraction | 1ull << 52) + (1ull << 21)) >> 22);
  if (v == 1ll << 31) {
    v >>= 1;
    e++;
  }
  if (e < -31) return m;
  if (e > 30) {
    v = 2147483647;
    e = 30;
  }
  m.q = (int)(negative ? -v : v);
  m.shift = e;
  return m;
}

// make_multiplier is Rule.NewMultiplier; *bad is set where the factor is no
// finite number.
__device__ __forceinline__ multiplier make_multiplier(int requant, float sx, float sw, float sy, bool* bad) {
  if (requant != requant_float) return fixed_multiplier(__ddiv_rn(__dmul_rn((double)sx, (double)sw), (double)sy));
  float f = __fdiv_rn(__fmul_rn(sx, sw), sy);
  u32 bits = __float_as_uint(f);
  *bad = (bits & 0x7f800000u) == 0x7f800000u;
  multiplier m = {(int)bits, 0};
  return m;
}

// doubling_high is gemmlowp's SaturatingRoundingDoublingHighMul.
__device__ __forceinline__ int doubling_high(int a, int b) {
  i64 v = ((i64)a * b + (1ll << 30)) >> 31;
  return (int)min(v, (i64)2147483647);
}

// divide_by_power is gemmlowp's RoundingDivideByPOT, n <= 31.
__device__ __forceinline__ int divide_by_power(int x, int n) {
  int mask = (int)((1u << n) - 1);
  int threshold = (mask >> 1) + (int)((u32)x >> 31);
  return (x >> n) + ((x & mask) > threshold);
}

// requantizer is a rule with the codes of the result, for all channels.
struct requantizer {
  int requant, half_away, zero, lo, hi;
  float flo, fhi;
};

__device__ __forceinline__ requantizer make_requantizer(int rule, int requant, int zero, int lo, int hi) {
  requantizer r;
  r.requant = requant;
  r.half_away = rule & rule_half_away;
  r.zero = zero;
  r.lo = lo;
  r.hi = hi;
  r.flo = (float)((i64)lo - zero - 1);
  r.fhi = (float)((i64)hi - zero + 1);
  return r;
}

// requantize returns the integer of an accumulator with the zero point added,
// clamped to [lo-1, hi+1]: inside the range or not, as its code.
__device__ __forceinline__ int requantize(const requantizer& r, int acc, multiplier m) {
  if (r.requant == requant_float) {
    float t = __fmul_rn((float)acc, __int_as_float(m.q));
    t = fminf(fmaxf(t, r.flo), r.fhi);
    int v;
    if (r.half_away) {
      float a = fabsf(t), b = floorf(a);
      v = (int)b + (__fsub_rn(a, b) >= 0.5f);
      if (t < 0) v = -v;
    } else {
      v = __float2int_rn(t);
    }
    return v + r.zero;
  }
  i64 v = r.zero;
  if (r.requant == requant_single) {
    int s = 31 - m.shift;
    v += ((i64)acc * m.q + (1ll << (s - 1))) >> s;
  } else if (m.shift > 0) {
    i64 left = (i64)((u64)(i64)acc << m.shift);
    v += doubling_high((int)min(max(left, (i64)-2147483647 - 1), (i64)2147483647), m.q);
  } else {
    v += divide_by_power(doubling_high(acc, m.q), -m.shift);
  }
  return (int)min(max(v, (i64)r.lo - 1), (i64)r.hi + 1);
}
