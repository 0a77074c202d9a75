// ema: average += take * (value - average). 12 bytes an element.
//
// Targets: 75
#include "pointwise.cuh"

struct moved {
  float take;
  __device__ __forceinline__ float operator()(float a, float v) const { return a + take * (v - a); }
};

extern "C" __global__ void __launch_bounds__(256) ema(float* average, const float* value, float take, i64 n) {
  map_two(average, average, value, n, moved{take});
}
