// sigmoid: y = 1/(1+exp(-x)); sigmoid_grad: dx = dy*y*(1-y). 8 and 12 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"
#include "elementary.cuh"

struct value {
  __device__ __forceinline__ float operator()(float v) const { return sigmoid32(v); }
};

struct slope {
  __device__ __forceinline__ float operator()(float d, float y) const { return d * y * (1.0f - y); }
};

extern "C" __global__ void __launch_bounds__(256) sigmoid(float* y, const float* x, i64 n) {
  map_one(y, x, n, value{});
}

extern "C" __global__ void __launch_bounds__(256) sigmoid_grad(float* dx, const float* dy, const float* y, i64 n) {
  map_two(dx, dy, y, n, slope{});
}
