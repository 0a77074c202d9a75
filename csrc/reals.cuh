// Numbers that are float or bf16 in memory, and float in a kernel: four
// neighbours of a lane at a time.
#pragma once
#include "elements.cuh"

__device__ __forceinline__ float to_float(float v) { return v; }

// rounded_to makes a number of type T of a float.
template <typename T>
__device__ __forceinline__ T rounded_to(float v);
template <>
__device__ __forceinline__ float rounded_to<float>(float v) { return v; }
template <>
__device__ __forceinline__ bf16 rounded_to<bf16>(float v) { return to_bf16(v); }

// load_reals reads the count numbers at x; vector says that four lie aligned.
__device__ __forceinline__ void load_reals(float (&v)[lane_elements], const float* x, int count, bool vector) {
  if (vector && count == lane_elements) {
    float4 four = load_once(reinterpret_cast<const float4*>(x));
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    return;
  }
  for (int k = 0; k < lane_elements; k++)
    if (k < count) v[k] = x[k];
}
__device__ __forceinline__ void load_reals(float (&v)[lane_elements], const bf16* x, int count, bool vector) {
  if (vector && count == lane_elements) {
    u64 four = load_once(reinterpret_cast<const u64*>(x));
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      bf16 b;
      b.bits = (u16)(four >> 16 * k);
      v[k] = to_float(b);
    }
    return;
  }
  for (int k = 0; k < lane_elements; k++)
    if (k < count) v[k] = to_float(x[k]);
}

// store_reals writes the first count numbers of v, bf16 rounded.
__device__ __forceinline__ void store_reals(float* y, const float (&v)[lane_elements], int count, bool vector) {
  if (vector && count == lane_elements) {
    store_once(reinterpret_cast<float4*>(y), make_float4(v[0], v[1], v[2], v[3]));
    return;
  }
  for (int k = 0; k < lane_elements; k++)
    if (k < count) y[k] = v[k];
}
__device__ __forceinline__ void store_reals(bf16* y, const float (&v)[lane_elements], int count, bool vector) {
  if (vector && count == lane_elements) {
    store_once(reinterpret_cast<u64*>(y), (u64)pack_bf16(v[0], v[1]) | (u64)pack_bf16(v[2], v[3]) << 32);
    return;
  }
  for (int k = 0; k < lane_elements; k++)
    if (k < count) y[k] = to_bf16(v[k]);
}

template <typename T>
__device__ __forceinline__ bool aligned_reals(const T* p) { return aligned(p, lane_elements * sizeof(T)); }
