// adam: Adam and AdamW, in place, by the formula of backend.Adam. 28 bytes an
// element. Rate and step are on the device; each block works out the factors in
// float64, as the CPU does.
//
// Targets: 75
#include "adam.cuh"
#include "elements.cuh"

extern "C" __global__ void __launch_bounds__(256) adam(float* param, const float* grad, float* first, float* second, const float* rate, const i64* step,
                                                       double beta1, double beta2, double decay, float eps, int decoupled, i64 n) {
  adam_step update = make_adam(rate, step, beta1, beta2, decay, eps, decoupled);
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(param, 16) && aligned(grad, 16) && aligned(first, 16) && aligned(second, 16);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    bool whole = vector && i + lane_elements <= n;
    quad<float> p = {}, g = {}, m = {}, v = {};
    if (whole) {
      p = *reinterpret_cast<const quad<float>*>(param + i);
      g = *reinterpret_cast<const quad<float>*>(grad + i);
      m = *reinterpret_cast<const quad<float>*>(first + i);
      v = *reinterpret_cast<const quad<float>*>(second + i);
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (i + k < n) p.v[k] = param[i + k], g.v[k] = grad[i + k], m.v[k] = first[i + k], v.v[k] = second[i + k];
    }
#pragma unroll
    for (int k = 0; k < lane_elements; k++) update(&p.v[k], g.v[k], &m.v[k], &v.v[k]);
    if (whole) {
      *reinterpret_cast<quad<float>*>(param + i) = p;
      *reinterpret_cast<quad<float>*>(first + i) = m;
      *reinterpret_cast<quad<float>*>(second + i) = v;
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (i + k < n) param[i + k] = p.v[k], first[i + k] = m.v[k], second[i + k] = v.v[k];
    }
  }
}
