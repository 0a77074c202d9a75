// fake_quant: y = s*(clamp(round(x/s)+z)-z) and the bit mask of the elements
// inside the code range; ste_grad: dx = dy where the mask bit is set.
// 8.125 bytes an element each: read 4, write 4, a bit of mask.
//
// Targets: 75
#include "elements.cuh"

// y and mask may be null: then they are not written. The number of NaNs is
// added to *nan.
extern "C" __global__ void __launch_bounds__(256) fake_quant(float* y, u8* mask, const float* x, const float* scale, const int* zero, i64 n,
                                                             int channels, i64 inner, int rule, int lo, int hi, u32* nan) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  bool vector = aligned(x, 16) && aligned(y, 16);
  u32 bad = 0;
  quantizer q = make_quantizer(rule, scale[0], zero[0], lo, hi);
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    float v[lane_elements] = {};
    if (vector && count == lane_elements) {
      float4 four = load_once(reinterpret_cast<const float4*>(x + i));
      v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (k < count) v[k] = x[i + k];
    }
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
    if (y) {
      if (vector && count == lane_elements) {
        store_once(reinterpret_cast<float4*>(y + i), make_float4(v[0], v[1], v[2], v[3]));
      } else {
        for (int k = 0; k < lane_elements; k++)
          if (k < count) y[i + k] = v[k];
      }
    }
    if (mask) store_mask(mask, at, n, nibble);
  }
  bad = warp_sum((int)bad);
  if (lane == 0 && bad > 0) atomicAdd(nan, bad);
}

extern "C" __global__ void __launch_bounds__(256) ste_grad(float* dx, const float* dy, const u8* mask, i64 n) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(dx, 16) && aligned(dy, 16);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    u32 bits = mask[i / 8] >> (i & 4);
    if (vector && i + lane_elements <= n) {
      float4 v = load_once(reinterpret_cast<const float4*>(dy + i));
      // A masked infinity or NaN must vanish: choose, do not multiply.
      store_once(reinterpret_cast<float4*>(dx + i),
                 make_float4(bits & 1 ? v.x : 0.0f, bits & 2 ? v.y : 0.0f, bits & 4 ? v.z : 0.0f, bits & 8 ? v.w : 0.0f));
      continue;
    }
    for (int k = 0; k < lane_elements; k++)
      if (i + k < n) dx[i + k] = bits >> k & 1 ? dy[i + k] : 0.0f;
  }
}
