// tanh: y = the hyperbolic tangent of x; tanh_grad: dx = dy*(1-y^2). 8 and 12 bytes
// an element.
//
// Targets: 75
#include "pointwise.cuh"
#include "elementary.cuh"

struct value {
  __device__ __forceinline__ float operator()(float v) const { return tanh32(v); }
};

struct slope {
  __device__ __forceinline__ float operator()(float d, float y) const { return d * (1.0f - y * y); }
};

extern "C" __global__ void __launch_bounds__(256) tanh_f32(float* y, const float* x, i64 n) {
  map_one(y, x, n, value{});
}

extern "C" __global__ void __launch_bounds__(256) tanh_grad(float* dx, const float* dy, const float* y, i64 n) {
  map_two(dx, dy, y, n, slope{});
}
