// add: z = a + b with broadcast. 12 bytes an element of one shape in float32.
//
// Targets: 75
#include "broadcast.cuh"

template <typename T, typename U>
struct value {
  // Integers wrap around, which unsigned ones may.
  __device__ __forceinline__ T operator()(T a, T b) const { return (T)((U)a + (U)b); }
};

using value_f32 = value<float, float>;
BROADCAST_KERNELS(add, f32, float, value_f32{})
using value_i32 = value<int, u32>;
BROADCAST_KERNELS(add, i32, int, value_i32{})
using value_i64 = value<i64, u64>;
BROADCAST_KERNELS(add, i64, i64, value_i64{})
