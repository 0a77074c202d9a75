// increment: adds 1 to the last element of a counter. One thread.
//
// Targets: 75
#include "common.cuh"

extern "C" __global__ void increment(i64* counter, i64 last) { counter[last]++; }
