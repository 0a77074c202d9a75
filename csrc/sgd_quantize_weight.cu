// sgd_quantize_weight: a step of sgd, and the codes of the new weight by the
// range of each of its rows, for the next step. With momentum 21 bytes an
// element: what sgd reads and writes, and the code; the weight is not read
// again. Rows of more than 11264 elements come from the cache in part.
//
// Targets: 75
#include "sgd.cuh"
#include "weight_codes.cuh"

// velocity null: without momentum. The momentum is moving[0], or fixed when
// moving is null.
extern "C" __global__ void __launch_bounds__(256) sgd_quantize_weight(float* param, const float* grad, float* velocity, const float* rate,
                                                                      const float* moving, float fixed, float decay, int nesterov, CODED_ARGUMENTS) {
  sgd_step update{rate[0], moving ? moving[0] : fixed, decay, velocity != nullptr, nesterov != 0};
  i64 at = (i64)blockIdx.x * inner;
  param += at;
  grad += at;
  if (velocity) velocity += at;
  code_row(CODED_ROWS, param, [&](int i, int count, float* p) {
    float g[lane_elements] = {}, v[lane_elements] = {};
    load_four(p, param + i, count);
    load_four(g, grad + i, count);
    if (velocity) load_four(v, velocity + i, count);
#pragma unroll
    for (int k = 0; k < lane_elements; k++) update(p + k, g[k], v + k);
    store_four(param + i, p, count);
    if (velocity) store_four(velocity + i, v, count);
  });
}
