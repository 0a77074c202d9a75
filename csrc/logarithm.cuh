// log_stable is Log of package elementary of backend/cpu, the natural logarithm in float64
// (FreeBSD's e_log.c without fused operations), for normal numbers.
#pragma once
#include "common.cuh"

__device__ __forceinline__ double log_stable(double x) {
  if (x != x || x == __longlong_as_double(0x7ff0000000000000ll)) return x;
  if (x < 0) return __longlong_as_double(0x7ff8000000000000ll);
  if (x == 0) return __longlong_as_double((i64)0xfff0000000000000ull);
  // Fraction in [1/2, 1) and exponent.
  u64 bits = (u64)__double_as_longlong(x);
  int e = (int)(bits >> 52) - 1022;
  double f = __longlong_as_double((i64)((bits & 0xfffffffffffffull) | 0x3fe0000000000000ull));
  if (f < 0.70710678118654752440) {
    f *= 2;
    e--;
  }
  f -= 1;
  double k = (double)e;
  double s = f / (2 + f);
  double s2 = s * s;
  double s4 = s2 * s2;
  double t1 = s4 * 1.479819860511658591e-01 + 1.818357216161805012e-01;
  t1 = s4 * t1 + 2.857142874366239149e-01;
  t1 = s4 * t1 + 6.666666666666735130e-01;
  double t2 = s4 * 1.531383769920937332e-01 + 2.222219843214978396e-01;
  t2 = s4 * t2 + 3.999999999940941908e-01;
  double r = s2 * t1 + s4 * t2;
  double half = 0.5 * f * f;
  double low = s * (half + r) + k * 1.90821492927058770002e-10;
  return k * 6.93147180369123816490e-01 - ((half - low) - f);
}
