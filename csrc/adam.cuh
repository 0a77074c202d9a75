// One element's step of Adam and AdamW (backend.Adam), and its factors.
#pragma once
#include "common.cuh"

// power is x^n by squaring, in the order of backend/cpu's powInt.
__device__ __forceinline__ double power(double x, i64 n) {
  double r = 1.0;
  for (; n > 0; n >>= 1) {
    if (n & 1) r *= x;
    x *= x;
  }
  return r;
}

struct adam_step {
  float size, root, shrink, take, keep2, take2, coupled, eps;

  __device__ __forceinline__ void operator()(float* p, float g, float* m, float* v) const {
    float w = *p * shrink;
    float d = g + coupled * w;
    float a = *m + take * (d - *m);
    float b = keep2 * *v + take2 * d * d;
    *m = a;
    *v = b;
    *p = w - __fdiv_rn(size * a, __fdiv_rn(__fsqrt_rn(b), root) + eps);
  }
};

// make_adam works out the factors in float64, as the CPU does: one thread of
// the block for all, which must all call it.
__device__ __forceinline__ adam_step make_adam(const float* rate, const i64* step, double beta1, double beta2, double decay, float eps, int decoupled) {
  SHARED(float, factors, [3]);
  if (threadIdx.x == 0) {
    double lr = rate[0];
    i64 t = step[0];
    factors[0] = (float)(lr / (1 - power(beta1, t)));
    factors[1] = (float)sqrt(1 - power(beta2, t));
    factors[2] = decoupled ? (float)(1 - lr * decay) : 1.0f;
  }
  __syncthreads();
  return {factors[0], factors[1], factors[2], (float)(1 - beta1), (float)beta2, (float)(1 - beta2), decoupled ? 0.0f : (float)decay, eps};
}
