// adam_quantize_weight: a step of adam, and the codes of the new weight by the
// range of each of its rows, for the next step. 29 bytes an element: what adam
// reads and writes, and the code; the weight is not read again. Rows of more
// than 11264 elements come from the cache in part.
//
// Targets: 75
#include "adam.cuh"
#include "weight_codes.cuh"

extern "C" __global__ void __launch_bounds__(256) adam_quantize_weight(float* param, const float* grad, float* first, float* second, const float* rate,
                                                                       const i64* step, double beta1, double beta2, double decay, float eps,
                                                                       int decoupled, CODED_ARGUMENTS) {
  adam_step update = make_adam(rate, step, beta1, beta2, decay, eps, decoupled);
  i64 at = (i64)blockIdx.x * inner;
  param += at;
  grad += at;
  first += at;
  second += at;
  code_row(CODED_ROWS, param, [&](int i, int count, float* p) {
    float g[lane_elements] = {}, m[lane_elements] = {}, v[lane_elements] = {};
    load_four(p, param + i, count);
    load_four(g, grad + i, count);
    load_four(m, first + i, count);
    load_four(v, second + i, count);
#pragma unroll
    for (int k = 0; k < lane_elements; k++) update(p + k, g[k], m + k, v + k);
    store_four(param + i, p, count);
    store_four(first + i, m, count);
    store_four(second + i, v, count);
  });
}
