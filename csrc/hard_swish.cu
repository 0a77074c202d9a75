// hard_swish: y = x*min(max(x+3, 0), 6)/6; hard_swish_grad: dx = 0 for x <= -3,
// dy*(2x+3)/6 for x <= 3, else dy. 8 and 12 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"

struct value {
  __device__ __forceinline__ float operator()(float v) const { float t = v + 3.0f; t = t < 0.0f ? 0.0f : t; t = t > 6.0f ? 6.0f : t; return __fdiv_rn(v * t, 6.0f); }
};

struct slope {
  __device__ __forceinline__ float operator()(float d, float x) const { if (x <= -3.0f) return 0.0f; if (x <= 3.0f) return __fdiv_rn(d * (2.0f * x + 3.0f), 6.0f); return d; }
};

extern "C" __global__ void __launch_bounds__(256) hard_swish(float* y, const float* x, i64 n) {
  map_one(y, x, n, value{});
}

extern "C" __global__ void __launch_bounds__(256) hard_swish_grad(float* dx, const float* dy, const float* x, i64 n) {
  map_two(dx, dy, x, n, slope{});
}
