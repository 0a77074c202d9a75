// The elementary functions of float32 of package elementary of backend/cpu: float32
// arithmetic in the same fixed order, so the same bits. Contraction is off.
#pragma once
#include "common.cuh"

// exp32 is e^x (polynomial of Cephes expf).
__device__ __forceinline__ float exp32(float x) {
  if (!(x <= 88.722839f)) return x > 0 ? __uint_as_float(0x7f800000u) : x;
  if (x < -104.0f) return 0.0f;
  const float magic = 12582912.0f;  // Adding and taking away rounds to an integer.
  float t = x * 1.44269504088896341f + magic;
  float k = t - magic;
  float r = x - k * 0.693359375f;
  r -= k * -2.12194440e-4f;
  float p = 1.9875691500e-4f * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r;
  p += 1.0f;
  int n = (int)(__float_as_uint(t) - __float_as_uint(magic));
  int h = n >> 1;
  return p * __uint_as_float((u32)(h + 127) << 23) * __uint_as_float((u32)(n - h + 127) << 23);
}

// sigmoid32 is 1/(1+exp(-x)).
__device__ __forceinline__ float sigmoid32(float x) {
  if (x >= 0) return __fdiv_rn(1.0f, 1.0f + exp32(-x));
  float e = exp32(x);
  return __fdiv_rn(e, 1.0f + e);
}

// tanh32 is the hyperbolic tangent (polynomial of Cephes tanhf).
__device__ __forceinline__ float tanh32(float x) {
  float a = fabsf(x);
  if (a < 0.625f) {
    float z = x * x;
    float p = -5.70498872745e-3f * z + 2.06390887954e-2f;
    p = p * z - 5.37397155531e-2f;
    p = p * z + 1.33314422036e-1f;
    p = p * z - 3.33332819422e-1f;
    return p * z * x + x;
  }
  float y = 1.0f - __fdiv_rn(2.0f, exp32(2.0f * a) + 1.0f);
  return x < 0 ? -y : y;
}

// normal32 is the distribution function of the normal distribution.
__device__ __forceinline__ float normal32(float x) {
  float y = x * 0.70710678118654752440f;
  float z = fabsf(y);
  if (z < 1.0f) {
    float q = y * y;
    float p = 7.853861353153693e-5f * q - 8.010193625184903e-4f;
    p = p * q + 5.188327685732524e-3f;
    p = p * q - 2.685381193529856e-2f;
    p = p * q + 1.128358514861418e-1f;
    p = p * q - 3.761262582423300e-1f;
    p = p * q + 1.128379165726710f;
    return 0.5f + 0.5f * y * p;
  }
  float t = __fdiv_rn(1.0f, 1.0f + 0.5f * z);
  float p = 0.17087277f * t - 0.82215223f;
  p = p * t + 1.48851587f;
  p = p * t - 1.13520398f;
  p = p * t + 0.27886807f;
  p = p * t - 0.18628806f;
  p = p * t + 0.09678418f;
  p = p * t + 0.37409196f;
  p = p * t + 1.00002368f;
  p = p * t - 1.26551223f;
  float tail = 0.5f * t * exp32(p - z * z);
  return x < 0 ? tail : 1.0f - tail;
}
