// hard_sigmoid: y = min(max(x+3, 0), 6)/6; hard_sigmoid_grad: dx = dy/6 where
// -3 < x < 3, else 0. 8 and 12 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"

struct value {
  __device__ __forceinline__ float operator()(float v) const { float t = v + 3.0f; t = t < 0.0f ? 0.0f : t; t = t > 6.0f ? 6.0f : t; return __fdiv_rn(t, 6.0f); }
};

struct slope {
  __device__ __forceinline__ float operator()(float d, float x) const { return x > -3.0f && x < 3.0f ? __fdiv_rn(d, 6.0f) : 0.0f; }
};

extern "C" __global__ void __launch_bounds__(256) hard_sigmoid(float* y, const float* x, i64 n) {
  map_one(y, x, n, value{});
}

extern "C" __global__ void __launch_bounds__(256) hard_sigmoid_grad(float* dx, const float* dy, const float* x, i64 n) {
  map_two(dx, dy, x, n, slope{});
}
