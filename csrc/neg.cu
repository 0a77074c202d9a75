// neg: y = -x. 8 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"

struct value {
  __device__ __forceinline__ float operator()(float v) const { return -v; }
};

extern "C" __global__ void __launch_bounds__(256) neg(float* y, const float* x, i64 n) {
  map_one(y, x, n, value{});
}
