// dequantize_linear: y = s*(code-z). 5 bytes an element of int8: read 1,
// write 4; 3 to bf16.
//
// Targets: 75
#include "reals.cuh"

// zero may be null: then it is 0.
template <typename Y, typename T>
__device__ __forceinline__ void dequantize_all(Y* y, const T* x, const float* scale, const int* zero, i64 n, int channels, i64 inner) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(x, 4 * sizeof(T)) && aligned_reals(y);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    int count = (int)min(n - i, (i64)lane_elements);
    T v[lane_elements] = {};
    if (vector && count == lane_elements) {
      quad<T> four = *reinterpret_cast<const quad<T>*>(x + i);
#pragma unroll
      for (int k = 0; k < lane_elements; k++) v[k] = four.v[k];
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (k < count) v[k] = x[i + k];
    }
    channels_of c(i, channels, inner);
    float s = scale[c.channel];
    int z = zero ? zero[c.channel] : 0;
    float r[lane_elements] = {};
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      // The difference wraps like Go's.
      r[k] = __fmul_rn((float)(int)((u32)v[k] - (u32)z), s);
      if (c.next() && k + 1 < count) {
        s = scale[c.channel];
        z = zero ? zero[c.channel] : 0;
      }
    }
    store_reals(y + i, r, count, vector);
  }
}

#define DEQUANTIZE(name, Y, T)                                                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) name(Y* y, const T* x, const float* scale, const int* zero, i64 n, int channels, i64 inner) { \
    dequantize_all(y, x, scale, zero, n, channels, inner);                                                                                         \
  }
DEQUANTIZE(dequantize_linear_i8, float, i8)
DEQUANTIZE(dequantize_linear_u8, float, u8)
DEQUANTIZE(dequantize_linear_i32, float, i32)
DEQUANTIZE(dequantize_linear_i8_bf16, bf16, i8)
DEQUANTIZE(dequantize_linear_u8_bf16, bf16, u8)
DEQUANTIZE(dequantize_linear_i32_bf16, bf16, i32)
