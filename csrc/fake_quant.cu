// fake_quant: y = s*(clamp(round(x/s)+z)-z) and the bit mask of the elements
// inside the code range; ste_grad: dx = dy where the mask bit is set.
// 8.125 bytes an element of float each: read 4, write 4, a bit of mask; 4.125
// of bf16.
//
// Targets: 75
#include "reals.cuh"

// y and mask may be null: then they are not written. The number of NaNs is
// added to *nan.
template <typename X>
__device__ __forceinline__ void fake_quantize_all(X* y, u8* mask, const X* x, const float* scale, const int* zero, i64 n, int channels, i64 inner,
                                                  int rule, int lo, int hi, u32* nan) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  bool vector = aligned_reals(x) && aligned_reals(y);
  u32 bad = 0;
  quantizer q = make_quantizer(rule, scale[0], zero[0], lo, hi);
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    float v[lane_elements] = {};
    load_reals(v, x + i, count, vector);
    channels_of c(i, channels, inner);
    if (channels > 1 && count > 0) q = make_quantizer(rule, scale[c.channel], zero[c.channel], lo, hi);
    u32 nibble = 0;
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      int r = integer(q, v[k]);
      bad += r == not_code;
      nibble |= (u32)inside(q, r) << k;
      v[k] = dequantize(q, code(q, r));
      if (c.next() && k + 1 < count) q = make_quantizer(rule, scale[c.channel], zero[c.channel], lo, hi);
    }
    if (y) store_reals(y + i, v, count, vector);
    if (mask) store_mask(mask, at, n, nibble);
  }
  bad = warp_sum((int)bad);
  if (lane == 0 && bad > 0) atomicAdd(nan, bad);
}

template <typename X>
__device__ __forceinline__ void ste_grad_all(X* dx, const X* dy, const u8* mask, i64 n) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned_reals(dx) && aligned_reals(dy);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    u32 bits = mask[i / 8] >> (i & 4);
    int count = (int)min(n - i, (i64)lane_elements);
    float v[lane_elements] = {};
    load_reals(v, dy + i, count, vector);
    // A masked infinity or NaN must vanish: choose, do not multiply.
#pragma unroll
    for (int k = 0; k < lane_elements; k++) v[k] = bits >> k & 1 ? v[k] : 0.0f;
    store_reals(dx + i, v, count, vector);
  }
}

#define FAKE_QUANT(name, X)                                                                                                             \
  extern "C" __global__ void __launch_bounds__(256) name(X* y, u8* mask, const X* x, const float* scale, const int* zero, i64 n,     \
                                                         int channels, i64 inner, int rule, int lo, int hi, u32* nan) {                 \
    fake_quantize_all(y, mask, x, scale, zero, n, channels, inner, rule, lo, hi, nan);                                                 \
  }
FAKE_QUANT(fake_quant, float)
FAKE_QUANT(fake_quant_bf16, bf16)

extern "C" __global__ void __launch_bounds__(256) ste_grad(float* dx, const float* dy, const u8* mask, i64 n) { ste_grad_all(dx, dy, mask, n); }
extern "C" __global__ void __launch_bounds__(256) ste_grad_bf16(bf16* dx, const bf16* dy, const u8* mask, i64 n) { ste_grad_all(dx, dy, mask, n); }
