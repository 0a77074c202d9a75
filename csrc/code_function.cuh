// The functions of backend.UnaryFunc in float64, operation by operation those
// of package backend, so that tables of codes have its bits.
#pragma once
#include "common.cuh"

constexpr int unary_sigmoid = 0, unary_tanh = 1, unary_hard_swish = 2, unary_hard_sigmoid = 3, unary_gelu = 4, unary_gelu_tanh = 5,
              unary_leaky_relu = 6, unary_exp = 7;

constexpr double two_by_sqrt_pi = 2 / 1.7724538509055159;  // 2/sqrt(pi)
constexpr double sqrt_two_pi = 2.5066282746310002, sqrt_two = 1.4142135623730951, ln_two = 0.6931471805599453;
constexpr double gelu_factor = 0.79788456080286535588, gelu_cube = 0.044715;

// power_of_two is 2^k of a normal number.
__device__ __forceinline__ double power_of_two(int k) { return __longlong_as_double((i64)(k + 1023) << 52); }

__device__ __forceinline__ double table_exp(double x) {
  if (x != x) return x;
  if (x > 710) return __longlong_as_double(0x7ff0000000000000ll);
  if (x < -750) return 0;
  double k = rint(x / ln_two);
  double r = x - k * 6.93147180369123816490e-01 - k * 1.90821492927058770002e-10;
  double p = 1;
  for (int i = 18; i > 0; i--) p = 1 + p * r / (double)i;
  // In two steps, the last of which alone may round or overflow.
  int e = (int)k, half = e / 2;
  if (e < -1021) half = -1000;
  return p * power_of_two(half) * power_of_two(e - half);
}

__device__ __forceinline__ double table_tanh(double x) {
  double a = fabs(x);
  if (a < 0.1) {
    double x2 = x * x;
    return x / (1 + x2 / (3 + x2 / (5 + x2 / (7 + x2 / (9 + x2 / 11)))));
  }
  double e = table_exp(-2 * a), t = (1 - e) / (1 + e);
  return x < 0 ? -t : t;
}

__device__ __forceinline__ double table_erf(double x) {
  if (x > 6) return 1;
  if (x < -6) return -1;
  double term = x, sum = x;
  for (int n = 1; n < 200; n++) {
    term = term * 2 * x * x / (double)(2 * n + 1);
    double next = sum + term;
    if (next == sum) break;
    sum = next;
  }
  return two_by_sqrt_pi * table_exp(-x * x) * sum;
}

__device__ __forceinline__ double gelu_inner(double x) { return gelu_factor * (x + gelu_cube * x * x * x); }

__device__ __forceinline__ double unary_value(int f, double x, double alpha) {
  if (x != x) return x;
  switch (f) {
    case unary_sigmoid: return 1 / (1 + table_exp(-x));
    case unary_tanh: return table_tanh(x);
    case unary_hard_swish: return x * fmin(fmax(x + 3, 0.0), 6.0) / 6;
    case unary_hard_sigmoid: return fmin(fmax(x + 3, 0.0), 6.0) / 6;
    case unary_gelu: return x / 2 * (1 + table_erf(x / sqrt_two));
    case unary_gelu_tanh: return x / 2 * (1 + table_tanh(gelu_inner(x)));
    case unary_leaky_relu: return x < 0 ? alpha * x : x;
    default: return table_exp(x);
  }
}

__device__ __forceinline__ double unary_slope(int f, double x, double alpha) {
  switch (f) {
    case unary_sigmoid: {
      double s = 1 / (1 + table_exp(-x));
      return s * (1 - s);
    }
    case unary_tanh: {
      double t = table_tanh(x);
      return (1 - t) * (1 + t);
    }
    case unary_hard_swish: return x <= -3 ? 0.0 : x <= 3 ? (2 * x + 3) / 6 : 1.0;
    case unary_hard_sigmoid: return x > -3 && x < 3 ? 1.0 / 6 : 0.0;
    case unary_gelu: {
      double density = table_exp(-x * x / 2) / sqrt_two_pi;
      return (1 + table_erf(x / sqrt_two)) / 2 + x * density;
    }
    case unary_gelu_tanh: {
      double t = table_tanh(gelu_inner(x));
      double inner = gelu_factor * (1 + 3 * gelu_cube * x * x);
      return (1 + t) / 2 + x / 2 * ((1 - t) * (1 + t)) * inner;
    }
    case unary_leaky_relu: return x > 0 ? 1.0 : alpha;
    default: return table_exp(x);
  }
}
