// scale_mse: scale and zero point of the least squared error of each channel of
// x [outer, channels, inner]. A thread has a candidate, and reads what all
// threads of its block read; sums go in pieces of 512, the order of package
// quant.
//
// Targets: 75
#include "shrink.cuh"

constexpr i64 piece = 512;         // elements of a sum
constexpr int chunk_pieces = 128;  // and sums that are added up to one of a tensor

// squared_error is the square of an element's error.
__device__ __forceinline__ double squared_error(const quantizer& q, float v) {
  double d = (double)v - (double)dequantize(q, code(q, integer(q, v)));
  return d * d;
}

// range_of returns the extremes of channel c; those of nothing are 0.
__device__ __forceinline__ void range_of(const u32* extremes, int channels, int c, double* least, double* most) {
  float lo = from_ordered(extremes[c]) + 0.0f, hi = from_ordered(extremes[channels + c]) + 0.0f;
  *least = lo > hi ? 0.0 : (double)lo;
  *most = lo > hi ? 0.0 : (double)hi;
}

// scale_mse_channels: a block has a channel of size elements.
extern "C" __global__ void __launch_bounds__(128) scale_mse_channels(float* scale, int* zero, const float* x, const u32* extremes, int channels, i64 inner,
                                                                     i64 size, int rule, int lo, int hi, SCALE_ARGUMENTS, const u32* bad) {
  if (bad[0] > 0 || bad[1] > 0) return;
  for (int c = blockIdx.x; c < channels; c += gridDim.x) {
    double least, most;
    range_of(extremes, channels, c, &least, &most);
    choice best = choice_of_none();
    for (int round = 0; round < 2; round++) {
      trial t = make_trial(SCALE_RULE, round, best.at, threadIdx.x, least, most);
      double total = 0;
      if (!t.without) {
        quantizer q = make_quantizer(rule, t.scale, t.zero, lo, hi);
        const float* p = x + c * inner;
        i64 left = inner;  // of this run of the channel
        for (i64 i = 0; i < size; i += piece) {
          double sum = 0;
          for (i64 k = min(piece, size - i); k > 0; k--) {
            sum += squared_error(q, *p++);
            if (--left == 0) left = inner, p += (i64)(channels - 1) * inner;
          }
          total += sum;
        }
      }
      choose(&best, t, total);
    }
    if (threadIdx.x == 0) scale[c] = best.scale, zero[c] = best.zero;
  }
}

// scale_mse_errors writes the errors of pieces of a tensor of one channel,
// [pieces, shrink_threads]. best is read in round 1.
extern "C" __global__ void __launch_bounds__(128) scale_mse_errors(double* parts, const float* x, i64 n, const u32* extremes, const choice* best, int round,
                                                                   int rule, int lo, int hi, SCALE_ARGUMENTS, const u32* bad) {
  if (bad[0] > 0 || bad[1] > 0) return;
  double least, most;
  range_of(extremes, 1, 0, &least, &most);
  trial t = make_trial(SCALE_RULE, round, round > 0 ? best->at : 1000, threadIdx.x, least, most);
  if (t.without) return;
  quantizer q = make_quantizer(rule, t.scale, t.zero, lo, hi);
  for (i64 p = blockIdx.x; p * piece < n; p += gridDim.x) {
    const float* from = x + p * piece;
    int count = (int)min(piece, n - p * piece);
    double sum = 0;
    for (int k = 0; k < count; k++) sum += squared_error(q, from[k]);
    parts[p * shrink_threads + threadIdx.x] = sum;
  }
}

// scale_mse_choose is one block.
extern "C" __global__ void __launch_bounds__(128) scale_mse_choose(float* scale, int* zero, choice* best, const double* parts, i64 pieces,
                                                                   const u32* extremes, int round, SCALE_ARGUMENTS, const u32* bad) {
  if (bad[0] > 0 || bad[1] > 0) return;
  double least, most;
  range_of(extremes, 1, 0, &least, &most);
  choice c = round > 0 ? *best : choice_of_none();
  trial t = make_trial(SCALE_RULE, round, c.at, threadIdx.x, least, most);
  double total = 0;
  if (!t.without) {
    for (i64 from = 0; from < pieces; from += chunk_pieces) {
      double sum = 0;
      for (i64 p = from; p < min(from + chunk_pieces, pieces); p++) sum += parts[p * shrink_threads + threadIdx.x];
      total += sum;
    }
  }
  choose(&c, t, total);
  if (threadIdx.x != 0) return;
  if (round == 0) *best = c;
  else scale[0] = c.scale, zero[0] = c.zero;
}
