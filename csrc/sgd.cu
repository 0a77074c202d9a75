// sgd: stochastic gradient descent with momentum, in place. 12 bytes an element
// without momentum, 20 with. Rate and, when given, momentum are on the device.
//
// Targets: 75
#include "elements.cuh"
#include "sgd.cuh"

// velocity null: without momentum. The momentum is moving[0], or fixed when
// moving is null.
extern "C" __global__ void __launch_bounds__(256) sgd(float* param, const float* grad, float* velocity, const float* rate, const float* moving,
                                                      float fixed, float decay, int nesterov, i64 n) {
  sgd_step update{rate[0], moving ? moving[0] : fixed, decay, velocity != nullptr, nesterov != 0};
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  bool vector = aligned(param, 16) && aligned(grad, 16) && aligned(velocity, 16);
  for (i64 i = thread * lane_elements; i < n; i += threads * lane_elements) {
    bool whole = vector && i + lane_elements <= n;
    quad<float> p = {}, g = {}, v = {};
    if (whole) {
      p = *reinterpret_cast<const quad<float>*>(param + i);
      g = *reinterpret_cast<const quad<float>*>(grad + i);
      if (velocity) v = *reinterpret_cast<const quad<float>*>(velocity + i);
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (i + k < n) p.v[k] = param[i + k], g.v[k] = grad[i + k], v.v[k] = velocity ? velocity[i + k] : 0.0f;
    }
#pragma unroll
    for (int k = 0; k < lane_elements; k++) update(&p.v[k], g.v[k], &v.v[k]);
    if (whole) {
      *reinterpret_cast<quad<float>*>(param + i) = p;
      if (velocity) *reinterpret_cast<quad<float>*>(velocity + i) = v;
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (i + k < n) {
          param[i + k] = p.v[k];
          if (velocity) velocity[i + k] = v.v[k];
        }
    }
  }
}
