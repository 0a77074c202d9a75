// observe_min_max: the range of each channel of x [outer, channels, inner], and
// the states that follow it. The extremes are found with integer atomics, whose
// result does not depend on their order. 4 bytes an element of float, 2 of bf16.
//
// Targets: 75
#include "range.cuh"
#include "reals.cuh"

constexpr i64 segment = 4096;  // elements that a warp reads at a time
constexpr int row_chunk = 64;  // rows that a thread reads

// observe_runs: a warp reads a segment of a run of one channel. ends are
// [2, channels], least and most as ordered integers. NaNs are counted in *bad.
template <typename X>
__device__ __forceinline__ void observe_all_runs(u32* ends, const X* x, i64 runs, int channels, i64 inner, u32* bad) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size, warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  i64 segments = (inner + segment - 1) / segment;
  for (i64 s = warp; s < runs * segments; s += warps) {
    i64 run = s / segments, from = s % segments * segment, to = min(from + segment, inner);
    const X* p = x + run * inner;
    float least = __uint_as_float(0x7f800000u), most = -least;
    int nan = 0;
    for (i64 i = from + lane; i < to; i += warp_size) {
      float v = to_float(p[i]);
      nan |= v != v;
      least = v < least ? v : least;
      most = v > most ? v : most;
    }
    least = warp_min(least);
    most = warp_max(most);
    nan = warp_sum(nan);
    if (lane != 0) continue;
    int c = (int)(run % channels);
    atomicMin(ends + c, ordered(least));
    atomicMax(ends + channels + c, ordered(most));
    if (nan > 0) atomicAdd(bad, (u32)nan);
  }
}

// observe_columns: a thread reads some rows of a column of x [rows, columns],
// columns = channels * inner.
template <typename X>
__device__ __forceinline__ void observe_all_columns(u32* ends, const X* x, i64 rows, i64 columns, int channels, i64 inner, u32* bad) {
  i64 column = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= columns) return;
  float least = __uint_as_float(0x7f800000u), most = -least;
  u32 nan = 0;
  for (i64 from = (i64)blockIdx.y * row_chunk; from < rows; from += (i64)gridDim.y * row_chunk) {
    i64 end = min(from + row_chunk, rows);
    for (i64 r = from; r < end; r++) {
      float v = to_float(x[r * columns + column]);
      nan += v != v;
      least = v < least ? v : least;
      most = v > most ? v : most;
    }
  }
  int c = (int)(column / inner);
  atomicMin(ends + c, ordered(least));
  atomicMax(ends + channels + c, ordered(most));
  if (nan > 0) atomicAdd(bad, nan);
}

#define OBSERVE(runs, columns, X)                                                                                                              \
  extern "C" __global__ void __launch_bounds__(256) runs(u32* ends, const X* x, i64 count, int channels, i64 inner, u32* bad) {                 \
    observe_all_runs(ends, x, count, channels, inner, bad);                                                                                    \
  }                                                                                                                                             \
  extern "C" __global__ void __launch_bounds__(256) columns(u32* ends, const X* x, i64 rows, i64 width, int channels, i64 inner, u32* bad) {    \
    observe_all_columns(ends, x, rows, width, channels, inner, bad);                                                                           \
  }
OBSERVE(observe_runs, observe_columns, float)
OBSERVE(observe_runs_bf16, observe_columns_bf16, bf16)

// observe_check counts channels that reach infinity in bad[1].
extern "C" __global__ void __launch_bounds__(256) observe_check(const u32* ends, int channels, u32* bad) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  float least = from_ordered(ends[c]), most = from_ordered(ends[channels + c]);
  if (least <= most && (least == __uint_as_float(0xff800000u) || most == __uint_as_float(0x7f800000u))) atomicAdd(bad + 1, 1u);
}

// observe_follow moves the states, unless something was bad.
extern "C" __global__ void __launch_bounds__(256) observe_follow(float* lo, float* hi, const u32* ends, int channels, float momentum, const u32* bad) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels || bad[0] > 0 || bad[1] > 0) return;
  float least = from_ordered(ends[c]) + 0.0f, most = from_ordered(ends[channels + c]) + 0.0f;  // No -0.
  if (least <= most) follow(lo + c, hi + c, least, most, momentum);
}
