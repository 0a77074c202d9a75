// Scale and zero point of a range: quant.Rule.ScaleZero, the same bits.
#pragma once
#include "common.cuh"

// The rules of quant.ScaleRule.
constexpr int scale_onnx = 0, scale_pytorch = 1, scale_tflite = 2, scale_fbgemm = 3;

// Flags of a scheme.
constexpr int scheme_symmetric = 1, scheme_power = 2, scheme_signed = 4, scheme_byte = 8;

// scale_rule is a rule and a scheme, as kernels take them: SCALE_ARGUMENTS.
struct scale_rule {
  int kind, flags, lo, hi, middle;
  float least;  // MinScale of the rule
};
#define SCALE_ARGUMENTS int scale_kind, int scheme_flags, int scheme_lo, int scheme_hi, int scheme_middle, float scale_least
#define SCALE_RULE \
  scale_rule { scale_kind, scheme_flags, scheme_lo, scheme_hi, scheme_middle, scale_least }

__device__ __forceinline__ bool infinite(float v) { return (__float_as_uint(v) & 0x7fffffffu) == 0x7f800000u; }

// scale_clamp is clampInt: an integral number clamped, NaN as 0.
__device__ __forceinline__ int scale_clamp(double v, int lo, int hi) {
  if (v != v) v = 0;
  return (int)fmin(fmax(v, (double)lo), (double)hi);
}

// scale_finish makes a scale finite and normal, and a power of two where the
// scheme asks for it.
__device__ __forceinline__ float scale_finish(const scale_rule& r, float scale) {
  scale = fminf(scale, __uint_as_float(0x7f7fffffu));
  scale = fmaxf(scale, __uint_as_float(0x00800000u));
  if (!(r.flags & scheme_power)) return scale;
  u32 u = __float_as_uint(scale), exponent = u >> 23;
  if (u & 0x7fffffu) exponent++;
  return __uint_as_float(min(exponent, 254u) << 23);
}

// scale_zero_of writes scale and zero of [min, max]; false for a range that is
// not finite, or upside down.
__device__ __forceinline__ bool scale_zero_of(const scale_rule& r, float least, float most, float* scale_out, int* zero_out) {
  if (least != least || most != most || infinite(least) || infinite(most) || least > most) return false;
  if (least > 0) least = 0;
  if (most < 0) most = 0;
  bool symmetric = r.flags & scheme_symmetric;
  const float smallest = __uint_as_float(0x00800000u);
  float scale;
  int zero;
  double fmin_ = least, fmax_ = most, dsteps = (double)(r.hi - r.lo);
  if (r.kind == scale_fbgemm) {
    const float cutoff = 6.1e-5f;
    bool both = symmetric && least < 0 && most > 0;
    if (both) {
      double slo = -(double)((r.hi - r.lo) / 2 + 1), shi = (double)((r.hi - r.lo) / 2);
      double m = fmax((double)__fdiv_rn(least, (float)slo), (double)most);
      if (shi > 0) m = fmax((double)__fdiv_rn(least, (float)slo), (double)__fdiv_rn(most, (float)shi));
      fmin_ = (double)(float)(m * slo);
      fmax_ = (double)(float)(m * shi);
      const double top = 1.79769313486231570814527423731704357e308;
      fmin_ = fmax(fmin_, -top);
      fmax_ = fmin(fmax_, top);
    }
    double s = (fmax_ - fmin_) / dsteps;
    float f = (float)s;
    if (f == 0 || infinite(__fdiv_rn(1.0f, f))) s = 0.1;
    if (s < (double)cutoff) {
      double amplifier = (double)__fdiv_rn(cutoff, (float)s);
      s = (double)cutoff;
      fmin_ = (double)(float)(fmin_ * amplifier);
      fmax_ = (double)(float)(fmax_ * amplifier);
    }
    scale = scale_finish(r, (float)s);
    if (r.flags & scheme_power) s = (double)scale;
    if (both) {
      zero = scale_clamp(rint((double)(r.lo + r.hi) / 2), r.lo, r.hi);
    } else {
      double z = (double)r.hi - fmax_ / s;
      if (fabs((double)r.lo) - fabs(fmin_ / s) < fabs((double)r.hi) - fabs(fmax_ / s)) z = (double)r.lo - fmin_ / s;
      zero = scale_clamp(rint(z), r.lo, r.hi);
    }
    *scale_out = scale;
    *zero_out = zero;
    return true;
  }
  float steps = (float)(r.hi - r.lo);
  if (r.kind == scale_tflite) {
    scale = symmetric ? (float)(fmax(-fmin_, fmax_) / (dsteps / 2)) : (float)((fmax_ - fmin_) / dsteps);
  } else if (symmetric) {
    float a = -least > most ? -least : most;
    scale = __fdiv_rn(a, __fdiv_rn(steps, 2.0f));
  } else {
    scale = __fdiv_rn(most - least, steps);
    if (infinite(scale)) scale = (float)((fmax_ - fmin_) / dsteps);
  }
  if (scale < r.least) {
    scale = r.least;
  } else if (scale < smallest) {
    if (!symmetric) {
      *scale_out = 1;
      *zero_out = scale_clamp(0, r.lo, r.hi);
      return true;
    }
    scale = 1;
  }
  scale = scale_finish(r, scale);
  if (symmetric) {
    bool half = r.kind == scale_pytorch && !(r.flags & scheme_signed) && !(r.flags & scheme_byte);
    zero = half ? (r.lo + r.hi) / 2 : r.middle;
  } else if (r.kind == scale_tflite) {
    double s = (double)scale;
    double from_min = (double)r.lo - fmin_ / s, from_max = (double)r.hi - fmax_ / s;
    bool first = fabs((double)r.lo) + fabs(fmin_ / s) < fabs((double)r.hi) + fabs(fmax_ / s);
    zero = scale_clamp(round(first ? from_min : from_max), r.lo, r.hi);
  } else if (r.kind == scale_pytorch) {
    zero = scale_clamp((double)r.lo - rint((double)__fdiv_rn(least, scale)), r.lo, r.hi);
  } else {
    zero = scale_clamp(rint((double)((float)r.lo - __fdiv_rn(least, scale))), r.lo, r.hi);
  }
  *scale_out = scale;
  *zero_out = zero;
  return true;
}
