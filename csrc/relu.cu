// relu: y = max(x, 0); relu_grad: dx = dy where y > 0, else 0. Both on bit
// patterns, as the CPU's: a NaN stays visible, whatever its sign. 8 and 12
// bytes an element.
//
// Targets: 75
#include "elements.cuh"

__device__ __forceinline__ int relu_bits(int b) {
  const int magnitude = 0x7fffffff, infinity = 0x7f800000;
  return (b & magnitude) > infinity ? b : b & ~(b >> 31);
}

extern "C" __global__ void __launch_bounds__(256) relu(int* y, const int* x, i64 n) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(x, 16) && aligned(y, 16);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    if (vector && i + lane_elements <= n) {
      int4 v = load_once(reinterpret_cast<const int4*>(x + i));
      *reinterpret_cast<int4*>(y + i) = make_int4(relu_bits(v.x), relu_bits(v.y), relu_bits(v.z), relu_bits(v.w));
      continue;
    }
    for (int k = 0; k < lane_elements; k++)
      if (i + k < n) y[i + k] = relu_bits(x[i + k]);
  }
}

extern "C" __global__ void __launch_bounds__(256) relu_grad(int* dx, const int* dy, const int* y, i64 n) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(dx, 16) && aligned(dy, 16) && aligned(y, 16);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    if (vector && i + lane_elements <= n) {
      int4 d = load_once(reinterpret_cast<const int4*>(dy + i));
      int4 v = load_once(reinterpret_cast<const int4*>(y + i));
      *reinterpret_cast<int4*>(dx + i) = make_int4(v.x > 0 ? d.x : 0, v.y > 0 ? d.y : 0, v.z > 0 ? d.z : 0, v.w > 0 ? d.w : 0);
      continue;
    }
    for (int k = 0; k < lane_elements; k++)
      if (i + k < n) dx[i + k] = y[i + k] > 0 ? dy[i + k] : 0;
  }
}
