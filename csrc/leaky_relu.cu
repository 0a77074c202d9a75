// leaky_relu: y = x where x > 0, else alpha*x; leaky_relu_grad: dx likewise of dy. 8
// and 12 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"

struct value {
  float alpha;
  __device__ __forceinline__ float operator()(float v) const { return v > 0 ? v : v * alpha; }
};

struct slope {
  float alpha;
  __device__ __forceinline__ float operator()(float d, float x) const { return x > 0 ? d : d * alpha; }
};

extern "C" __global__ void __launch_bounds__(256) leaky_relu(float* y, const float* x, i64 n, float alpha) {
  map_one(y, x, n, value{alpha});
}

extern "C" __global__ void __launch_bounds__(256) leaky_relu_grad(float* dx, const float* dy, const float* x, i64 n, float alpha) {
  map_two(dx, dy, x, n, slope{alpha});
}
