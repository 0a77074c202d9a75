// dropout_train, dropout_grad: y = x * (1/(1-p) or 0), the mask a function of
// seed, step and index alone (SplitMix64); the step counts on the device. 8
// bytes an element.
//
// Targets: 75
#include "common.cuh"

constexpr u64 weyl = 0x9e3779b97f4a7c15ull;  // the step of SplitMix64

__device__ __forceinline__ u64 mix(u64 z) {
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

// state is {seed, step}; first is the pair of elements that the tensor starts
// with; back is taken from the step: the gradient runs after
// the step is counted.
extern "C" __global__ void __launch_bounds__(256) dropout(float* y, const float* x, const i64* state, i64 first, i64 back, u64 threshold, float factor, i64 n) {
  u64 key = mix(mix((u64)state[0]) + (u64)(state[1] - back));
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  for (i64 pair = thread; pair < (n + 1) / 2; pair += threads) {
    u64 word = mix(key + (u64)(first + pair + 1) * weyl);
    i64 i = 2 * pair;
    y[i] = x[i] * ((word & 0xffffffffull) >= threshold ? factor : 0.0f);
    if (i + 1 < n) y[i + 1] = x[i + 1] * (word >> 32 >= threshold ? factor : 0.0f);
  }
}

extern "C" __global__ void dropout_count(i64* state) { state[1]++; }
