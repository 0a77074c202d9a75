// One element's step of stochastic gradient descent (backend.SGD).
#pragma once
#include "common.cuh"

struct sgd_step {
  float lr, mu, decay;
  bool moves, nesterov;  // moves: there is a velocity

  __device__ __forceinline__ void operator()(float* p, float g, float* v) const {
    float d = g + decay * *p;
    if (moves) {
      float s = mu * *v + d;
      *v = s;
      d = nesterov ? d + mu * s : s;
    }
    *p -= lr * d;
  }
};
