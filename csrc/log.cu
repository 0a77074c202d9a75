// log: y = the natural logarithm of x, computed in float64. 8 bytes an element.
//
// Targets: 75
#include "logarithm.cuh"
#include "pointwise.cuh"

struct value {
  __device__ __forceinline__ float operator()(float v) const { return (float)log_stable((double)v); }
};

extern "C" __global__ void __launch_bounds__(256) log_f32(float* y, const float* x, i64 n) { map_one(y, x, n, value{}); }
