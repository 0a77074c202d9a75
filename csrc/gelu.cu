// gelu: y = x times the normal distribution at x, or with _tanh the approximation of
// Hendrycks and Gimpel, by (1+tanh(u))/2 = sigmoid(2u), which does not cancel; gelu_grad
// and gelu_tanh_grad their gradients. 8 and 12 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"
#include "elementary.cuh"

constexpr float cube = 0.044715f;
constexpr float cube3 = (float)(3 * 0.044715);
constexpr float factor2 = (float)(2 * 0.79788456080286535588);  // 2 sqrt(2/pi)
constexpr float peak = 0.39894228040143267794f;                 // of the normal density

struct value {
  __device__ __forceinline__ float operator()(float v) const { return v * normal32(v); }
};

struct slope {
  __device__ __forceinline__ float operator()(float d, float v) const { return d * (normal32(v) + v * peak * exp32(-v * v / 2.0f)); }
};

struct tanh_value {
  __device__ __forceinline__ float operator()(float v) const { return v * sigmoid32(factor2 * (v + cube * v * v * v)); }
};

struct tanh_slope {
  __device__ __forceinline__ float operator()(float d, float v) const {
    float s = sigmoid32(factor2 * (v + cube * v * v * v));
    float of = factor2 * (1.0f + cube3 * v * v);
    return d * (s + v * s * (1.0f - s) * of);
  }
};

extern "C" __global__ void __launch_bounds__(256) gelu(float* y, const float* x, i64 n) {
  map_one(y, x, n, value{});
}

extern "C" __global__ void __launch_bounds__(256) gelu_grad(float* dx, const float* dy, const float* x, i64 n) {
  map_two(dx, dy, x, n, slope{});
}

extern "C" __global__ void __launch_bounds__(256) gelu_tanh(float* y, const float* x, i64 n) {
  map_one(y, x, n, tanh_value{});
}

extern "C" __global__ void __launch_bounds__(256) gelu_tanh_grad(float* dx, const float* dy, const float* x, i64 n) {
  map_two(dx, dy, x, n, tanh_slope{});
}
