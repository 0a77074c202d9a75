// The candidates of quant.SearchShrink, one a thread: ranges times f / 1000, f
// in 1000, 990, ..., 10 in round 0, then every f around the best in round 1.
#pragma once
#include "quant.cuh"
#include "scale.cuh"

constexpr int shrink_threads = 128;

// trial is a candidate; without is true where a thread has none.
struct trial {
  float scale;
  int zero, factor;
  bool without;
};

__device__ __forceinline__ trial make_trial(const scale_rule& rule, int round, int at, int j, double least, double most) {
  trial t = {0, 0, round == 0 ? 1000 - 10 * j : at + 9 - j, false};
  t.without = round == 0 ? j >= 100 : j >= 19 || t.factor <= 0 || t.factor >= 1000 || t.factor % 10 == 0;
  if (t.without) return t;
  double k = (double)t.factor / 1000;
  t.without = !scale_zero_of(rule, (float)(least * k), (float)(most * k), &t.scale, &t.zero);
  return t;
}

// choice is the best so far, begun with choice_of_none.
struct choice {
  double error;
  float scale;
  int zero, at;
};

__device__ __forceinline__ choice choice_of_none() {
  choice c = {__longlong_as_double(0x7ff0000000000000ll), 0, 0, 1000};
  return c;
}

// choose goes on with the errors of a block's candidates in their order; of
// equal ones the first wins. Every thread of the block takes part, and has the
// result.
__device__ __forceinline__ void choose(choice* best, const trial& t, double error) {
  SHARED(double, errors, [shrink_threads]);
  SHARED(float, scales, [shrink_threads]);
  SHARED(int, zeros, [shrink_threads]);
  SHARED(int, factors, [shrink_threads]);
  SHARED(choice, result, [1]);
  int j = threadIdx.x;
  if (j < shrink_threads) errors[j] = error, scales[j] = t.scale, zeros[j] = t.zero, factors[j] = t.without ? 0 : t.factor;
  __syncthreads();
  if (j == 0) {
    choice c = *best;
    for (int i = 0; i < shrink_threads; i++) {
      if (factors[i] == 0 || !(errors[i] < c.error || c.scale == 0)) continue;
      c.error = errors[i], c.scale = scales[i], c.zero = zeros[i], c.at = factors[i];
    }
    result[0] = c;
  }
  __syncthreads();
  *best = result[0];
  __syncthreads();  // The arrays may be used again.
}
