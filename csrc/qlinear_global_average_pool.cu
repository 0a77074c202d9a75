// qlinear_global_average_pool: the mean of the codes of each channel of an image,
// on the grid of the input or on its own, then with a mask. 1 byte an element.
//
// Targets: 75
#include "code_mean.cuh"
#include "elements.cuh"

// pixel_sums adds the codes of results i to i + count - 1, neighbours, over the
// pixels of their images.
__device__ __forceinline__ void pixel_sums(int* sums, const u8* x, i64 i, int count, i64 pixels, int channels, int is_signed) {
  i64 image = i / channels;
  int c = (int)(i - image * channels);
  const u8* p = x + image * pixels * channels + c;
  if (count == lane_elements && channels % lane_elements == 0 && aligned(x, 4)) {
    for (i64 k = 0; k < pixels; k++, p += channels) {
      u32 v = *reinterpret_cast<const u32*>(p);
#pragma unroll
      for (int e = 0; e < lane_elements; e++) sums[e] += is_signed ? (int)(i8)(u8)(v >> 8 * e) : (int)(u8)(v >> 8 * e);
    }
    return;
  }
#pragma unroll
  for (int e = 0; e < lane_elements; e++) {
    if (e >= count) break;
    const u8* from = x + (i + e) / channels * pixels * channels + (i + e) % channels;
    for (i64 k = 0; k < pixels; k++) {
      u8 v = from[k * channels];
      sums[e] += is_signed ? (int)(i8)v : (int)v;
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) qlinear_global_average_pool(u8* y, const u8* x, const int* zero, i64 n, i64 pixels, int channels,
                                                                              int is_signed, int rule, int requant, int lo, int hi) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    int count = (int)min(n - i, (i64)lane_elements), sums[lane_elements] = {};
    pixel_sums(sums, x, i, count, pixels, channels, is_signed);
#pragma unroll
    for (int e = 0; e < lane_elements; e++)
      if (e < count) y[i + e] = (u8)code_mean(rule, requant, sums[e], pixels, zero[0], lo, hi);
  }
}

// share is 1 / pixels. y and mask may be null.
extern "C" __global__ void __launch_bounds__(256) qlinear_global_average_pool_rescaled(u8* y, u8* mask, const u8* x, const int* zero, const float* scale,
                                                                                       const float* to_scale, const int* to_zero, i64 n, i64 pixels,
                                                                                       int channels, float share, int is_signed, int rule, int requant,
                                                                                       int lo, int hi) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  requantizer r = make_requantizer(rule, requant, to_zero[0], lo, hi);
  bool bad = false;
  multiplier m = make_multiplier(requant, scale[0], share, to_scale[0], &bad);
  int excess = (int)pixels * zero[0];
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements), sums[lane_elements] = {};
    if (count > 0) pixel_sums(sums, x, i, count, pixels, channels, is_signed);
    u32 nibble = 0;
#pragma unroll
    for (int e = 0; e < lane_elements; e++) {
      if (e >= count) break;
      int v = requantize(r, sums[e] - excess, m);
      nibble |= (u32)(v >= lo && v <= hi) << e;
      if (y) y[i + e] = (u8)min(max(v, lo), hi);
    }
    if (mask) store_mask(mask, at, n, nibble);
  }
}
