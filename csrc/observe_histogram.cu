// observe_histogram: the counts of bins whose width doubles until all values
// fit. The extremes are those of observe_min_max; 4 bytes an element for them and
// 4 for the counts, 2 each of bf16, which are integers, so their order is of no matter.
//
// Targets: 75
#include "histogram.cuh"
#include "reals.cuh"

// histogram_grow is one block: it makes room for the extremes, ordered integers,
// as quant.GrowHistogram. merged has room for the counts.
extern "C" __global__ void __launch_bounds__(256) histogram_grow(i64* counts, u64* merged, float* ends, int bins, const u32* extremes, u32* bad) {
  SHARED(int, last, [1]);
  SHARED(int, plan, [3]);  // shift, move, first
  bool skip = bad[0] > 0 || bad[1] > 0, seen = ends[0] < ends[1];
  int bin0 = 0;
  double w = (double)__uint_as_float(0x00800000u);
  bool fault = seen && !bin_width(ends, bins, &w, &bin0);
  if (threadIdx.x == 0) last[0] = 0;
  __syncthreads();
  if (skip) return;
  if (seen) {
    int mine = 0;
    for (int i = threadIdx.x; i < bins; i += blockDim.x)
      if (counts[i] != 0) mine = i;
    atomicMax(&last[0], mine);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    float least = from_ordered(extremes[0]) + 0.0f, most = from_ordered(extremes[1]) + 0.0f;
    int bottom = bin0, top = bin0 + last[0], shift = 0;
    double a = 0;
    while (!fault) {
      a = fmin((double)bottom, floor(fmin((double)least, 0.0) / w));
      double b = fmax(fmax((double)top, floor(fmax((double)most, 0.0) / w)), 0.0);
      if (b - a < (double)bins) break;
      w *= 2, bottom >>= 1, top >>= 1, shift++;
    }
    float lo = (float)(a * w), hi = (float)((a + (double)bins) * w);
    plan[0] = -1;
    if (fault || infinite(lo) || infinite(hi)) {
      atomicAdd(bad + 1, 1u);
    } else {
      plan[0] = min(shift, 31);
      plan[1] = bottom - (int)a;
      plan[2] = bin0;
      ends[0] = lo;
      ends[1] = hi;
    }
  }
  __syncthreads();
  int shift = plan[0], move = plan[1], first = plan[2];
  if (shift < 0 || (seen && shift == 0 && move == 0)) return;
  for (int i = threadIdx.x; i < bins; i += blockDim.x) merged[i] = 0;
  __syncthreads();
  if (seen) {
    for (int i = threadIdx.x; i < bins; i += blockDim.x) {
      int to = ((first + i) >> shift) - (first >> shift) + move;
      if (counts[i] != 0 && to < bins) atomicAdd(merged + to, (u64)counts[i]);
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < bins; i += blockDim.x) counts[i] = (i64)merged[i];
}

// histogram_count adds the values of x. With shared set, a block counts in
// shared memory first, bins words.
template <typename X>
__device__ __forceinline__ void histogram_count_all(u32* local, i64* counts, const float* ends, const X* x, i64 n, int bins, int shared,
                                                    const u32* bad) {
  double width;
  int first;
  if (bad[0] > 0 || bad[1] > 0 || !bin_width(ends, bins, &width, &first)) return;
  if (shared) {
    for (int i = threadIdx.x; i < bins; i += blockDim.x) local[i] = 0;
    __syncthreads();
  }
  u64* sums = reinterpret_cast<u64*>(counts);
  float inverse = __fdiv_rn(1.0f, (float)width), bottom = (float)first, top = (float)(first + bins);
  // The bin that starts at 0 has most of the values after a ReLU: those are
  // counted in a register.
  int zeros = 0, zero_bin = -first;
  auto count = [&](float v) {
    float t = __fmul_rn(v, inverse);
    int bin = !(t < top) ? bins - 1 : t < bottom ? 0 : (int)floorf(t) - first;
    if (bin == zero_bin) zeros++;
    else if (shared) atomicAdd(local + bin, 1u);
    else atomicAdd(sums + bin, (u64)1);
  };
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned_reals(x);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    int many = (int)min(n - i, (i64)lane_elements);
    float v[lane_elements];
    load_reals(v, x + i, many, vector);
#pragma unroll
    for (int k = 0; k < lane_elements; k++)
      if (k < many) count(v[k]);
  }
  zeros = warp_sum(zeros);
  if (threadIdx.x % warp_size == 0 && zeros > 0) atomicAdd(sums + zero_bin, (u64)zeros);
  if (!shared) return;
  __syncthreads();
  for (int i = threadIdx.x; i < bins; i += blockDim.x)
    if (local[i] > 0) atomicAdd(sums + i, (u64)local[i]);
}

#define HISTOGRAM_COUNT(name, X)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(256) name(i64* counts, const float* ends, const X* x, i64 n, int bins, int shared,        \
                                                         const u32* bad) {                                                                \
    SHARED_DYNAMIC(u32, local);                                                                                                           \
    histogram_count_all(local, counts, ends, x, n, bins, shared, bad);                                                                    \
  }
HISTOGRAM_COUNT(histogram_count, float)
HISTOGRAM_COUNT(histogram_count_bf16, bf16)
