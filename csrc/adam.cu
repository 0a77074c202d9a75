// adam: Adam and AdamW, in place, by the formula of backend.Adam. 28 bytes an
// element. Rate and step are on the device; each block works out the factors in
// float64, as the CPU does.
//
// Targets: 75
#include "elements.cuh"

// power is x^n by squaring, in the order of backend/cpu's powInt.
__device__ __forceinline__ double power(double x, i64 n) {
  double r = 1.0;
  for (; n > 0; n >>= 1) {
    if (n & 1) r *= x;
    x *= x;
  }
  return r;
}

extern "C" __global__ void __launch_bounds__(256) adam(float* param, const float* grad, float* first, float* second, const float* rate, const i64* step,
                                                       double beta1, double beta2, double decay, float eps, int decoupled, i64 n) {
  SHARED(float, factors, [3]);
  if (threadIdx.x == 0) {
    double lr = rate[0];
    i64 t = step[0];
    factors[0] = (float)(lr / (1 - power(beta1, t)));
    factors[1] = (float)sqrt(1 - power(beta2, t));
    factors[2] = decoupled ? (float)(1 - lr * decay) : 1.0f;
  }
  __syncthreads();
  float size = factors[0], root = factors[1], shrink = factors[2];
  float take = (float)(1 - beta1), keep2 = (float)beta2, take2 = (float)(1 - beta2), coupled = decoupled ? 0.0f : (float)decay;
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(param, 16) && aligned(grad, 16) && aligned(first, 16) && aligned(second, 16);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    bool whole = vector && i + lane_elements <= n;
    quad<float> p = {}, g = {}, m = {}, v = {};
    if (whole) {
      p = *reinterpret_cast<const quad<float>*>(param + i);
      g = *reinterpret_cast<const quad<float>*>(grad + i);
      m = *reinterpret_cast<const quad<float>*>(first + i);
      v = *reinterpret_cast<const quad<float>*>(second + i);
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (i + k < n) p.v[k] = param[i + k], g.v[k] = grad[i + k], m.v[k] = first[i + k], v.v[k] = second[i + k];
    }
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      float w = p.v[k] * shrink;
      float d = g.v[k] + coupled * w;
      float a = m.v[k] + take * (d - m.v[k]);
      float b = keep2 * v.v[k] + take2 * d * d;
      m.v[k] = a;
      v.v[k] = b;
      p.v[k] = w - __fdiv_rn(size * a, __fdiv_rn(__fsqrt_rn(b), root) + eps);
    }
    if (whole) {
      *reinterpret_cast<quad<float>*>(param + i) = p;
      *reinterpret_cast<quad<float>*>(first + i) = m;
      *reinterpret_cast<quad<float>*>(second + i) = v;
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (i + k < n) param[i + k] = p.v[k], first[i + k] = m.v[k], second[i + k] = v.v[k];
    }
  }
}
