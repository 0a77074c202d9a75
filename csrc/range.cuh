// How a range follows the values it has seen (backend.ObserveMinMax).
#pragma once
#include "common.cuh"

__device__ __forceinline__ void follow(float* lo, float* hi, float least, float most, float momentum) {
  if (momentum == 1 || *lo > *hi) {
    *lo = least;
    *hi = most;
  } else if (momentum == 0) {
    *lo = fminf(*lo, least);
    *hi = fmaxf(*hi, most);
  } else {
    *lo += momentum * (least - *lo);
    *hi += momentum * (most - *hi);
  }
}
