// div: z = a / b with broadcast. 12 bytes an element of one shape in float32.
//
// Targets: 75
#include "broadcast.cuh"

template <typename T, typename U>
struct value {
  __device__ __forceinline__ T operator()(T a, T b) const { return __fdiv_rn(a, b); }
};

using value_f32 = value<float, float>;
BROADCAST_KERNELS(div, f32, float, value_f32{})
