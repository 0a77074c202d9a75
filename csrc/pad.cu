// pad: puts a constant, the mirrored or the border elements around a tensor;
// pad_grad: adds up dy at the elements that were shown.
//
// Targets: 75
#include "strided.cuh"

STRIDED_KERNELS(pad)

// pad_value reads the constant: value itself, or the element of another type
// (0 none, 1 float32, 2 float64, 3 int32, 4 int64).
__device__ __forceinline__ double pad_value(double value, const void* from, int kind) {
  if (kind == 1) return *(const float*)from;
  if (kind == 2) return *(const double*)from;
  if (kind == 3) return *(const int*)from;
  if (kind == 4) return (double)*(const i64*)from;
  return value;
}

// pad_integer truncates and saturates; NaN is 0.
template <typename T>
__device__ __forceinline__ T pad_integer(double v, double low, double high, T lowest, T highest) {
  if (v != v) return 0;
  if (v <= low) return lowest;
  if (v >= high) return highest;
  return (T)(i64)v;
}

#define PAD_FILL(name, T, convert)                                                                                                 \
  extern "C" __global__ void __launch_bounds__(256) name(T* y, i64 n, double value, const void* from, int kind) {                    \
    double v = pad_value(value, from, kind);                                                                                       \
    T t = convert;                                                                                                                 \
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) y[i] = t;                      \
  }
PAD_FILL(pad_fill_f32, float, (float)v)
PAD_FILL(pad_fill_f64, double, v)
PAD_FILL(pad_fill_i8, i8, pad_integer<i8>(v, -128, 127, -128, 127))
PAD_FILL(pad_fill_u8, u8, pad_integer<u8>(v, 0, 255, 0, 255))
PAD_FILL(pad_fill_i32, i32, pad_integer<i32>(v, -2147483648.0, 2147483647.0, -2147483647 - 1, 2147483647))
PAD_FILL(pad_fill_i64, i64, pad_integer<i64>(v, -9223372036854775808.0, 9223372036854775808.0, -9223372036854775807ll - 1, 9223372036854775807ll))

// Dimensions of the padded tensor (o), of the tensor inside (i), and elements
// before it (b), innermost first.
#define PAD_ARGUMENTS                                                                                                              \
  int o0, int o1, int o2, int o3, int o4, int o5, int o6, int o7, int i0, int i1, int i2, int i3, int i4, int i5, int i6, int i7, int b0, \
      int b1, int b2, int b3, int b4, int b5, int b6, int b7
#define PAD_ARRAYS                                                                                                  \
  const int outs[8] = {o0, o1, o2, o3, o4, o5, o6, o7}, ins[8] = {i0, i1, i2, i3, i4, i5, i6, i7}, before[8] = {b0, b1, b2, b3, b4, b5, b6, b7}

// pad_source is the index that output index o shows; reflect is 1 or 0 (edge).
__device__ __forceinline__ int pad_source(int o, int before, int dim, int reflect) {
  int s = o - before;
  if (s >= 0 && s < dim) return s;
  if (!reflect) return min(max(s, 0), dim - 1);
  return s < 0 ? -s : 2 * (dim - 1) - s;
}

template <typename T>
__device__ __forceinline__ void pad_show(T* y, const T* x, i64 n, int reflect, PAD_ARGUMENTS) {
  PAD_ARRAYS;
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 rest = e, at = 0, stride = 1;
#pragma unroll
    for (int k = 0; k < 8; k++) {
      i64 next = rest / outs[k];
      at += stride * pad_source((int)(rest - next * outs[k]), before[k], ins[k], reflect);
      stride *= ins[k];
      rest = next;
    }
    y[e] = x[at];
  }
}
#define PAD_SHOW(name, T)                                                                                                     \
  extern "C" __global__ void __launch_bounds__(256) name(T* y, const T* x, i64 n, int reflect, PAD_ARGUMENTS) {                  \
    pad_show(y, x, n, reflect, o0, o1, o2, o3, o4, o5, o6, o7, i0, i1, i2, i3, i4, i5, i6, i7, b0, b1, b2, b3, b4, b5, b6, b7); \
  }
PAD_SHOW(pad_show_1, u8)
PAD_SHOW(pad_show_4, u32)
PAD_SHOW(pad_show_8, u64)

// pad_show_grad gives each element of dx to one thread, which finds the outputs
// that show it dimension by dimension, in order. n is the number of dx.
extern "C" __global__ void __launch_bounds__(256) pad_show_grad(float* dx, const float* dy, i64 n, int reflect, PAD_ARGUMENTS) {
  PAD_ARRAYS;
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    int index[8], at[8];
    i64 rest = e;
    for (int k = 0; k < 8; k++) {
      i64 next = rest / ins[k];
      index[k] = (int)(rest - next * ins[k]);
      rest = next;
      at[k] = -1;
    }
    // at[k] counts through the outputs of dimension k that show index[k].
    int k = 7;
    float sum = 0;
    while (k < 8) {
      do at[k]++;
      while (at[k] < outs[k] && pad_source(at[k], before[k], ins[k], reflect) != index[k]);
      if (at[k] == outs[k]) {
        at[k] = -1;
        k++;
        continue;
      }
      if (k > 0) {
        k--;
        continue;
      }
      i64 from = 0;
      for (int d = 7; d >= 0; d--) from = from * outs[d] + at[d];
      sum += dy[from];
    }
    dx[e] = sum;
  }
}
