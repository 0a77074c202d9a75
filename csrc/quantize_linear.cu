// quantize_linear: codes clamp(round(x/s)+z), and the bit mask of the elements
// inside the code range. 5.125 bytes an element of float: read 4, write 1, a
// bit of mask; 3.125 of bf16.
//
// Targets: 75
#include "reals.cuh"

// Codes are int8 or uint8: the same bytes. codes and mask may be null: then
// they are not written. The number of NaNs is added to *nan.
template <typename X>
__device__ __forceinline__ void quantize_all(u8* codes, u8* mask, const X* x, const float* scale, const int* zero, i64 n, int channels, i64 inner,
                                             int rule, int lo, int hi, u32* nan) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  bool vector = aligned_reals(x) && aligned(codes, 4);
  u32 bad = 0;
  quantizer q = make_quantizer(rule, scale[0], zero[0], lo, hi);
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    float v[lane_elements] = {};
    load_reals(v, x + i, count, vector);
    channels_of c(i, channels, inner);
    if (channels > 1 && count > 0) q = make_quantizer(rule, scale[c.channel], zero[c.channel], lo, hi);
    u32 nibble = 0, bytes = 0;
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      int r = integer(q, v[k]);
      bad += r == not_code;
      nibble |= (u32)inside(q, r) << k;
      bytes |= (u32)(u8)code(q, r) << 8 * k;
      if (c.next() && k + 1 < count) q = make_quantizer(rule, scale[c.channel], zero[c.channel], lo, hi);
    }
    if (codes) {
      if (vector && count == lane_elements) {
        *reinterpret_cast<u32*>(codes + i) = bytes; // The next kernel reads it: it may stay in the cache.
      } else {
        for (int k = 0; k < lane_elements; k++)
          if (k < count) codes[i + k] = (u8)(bytes >> 8 * k);
      }
    }
    if (mask) store_mask(mask, at, n, nibble);
  }
  bad = warp_sum((int)bad);
  if (lane == 0 && bad > 0) atomicAdd(nan, bad);
}

#define QUANTIZE(name, X)                                                                                                                    \
  extern "C" __global__ void __launch_bounds__(256) name(u8* codes, u8* mask, const X* x, const float* scale, const int* zero, i64 n,      \
                                                         int channels, i64 inner, int rule, int lo, int hi, u32* nan) {                      \
    quantize_all(codes, mask, x, scale, zero, n, channels, inner, rule, lo, hi, nan);                                                       \
  }
QUANTIZE(quantize_linear, float)
QUANTIZE(quantize_linear_bf16, bf16)
