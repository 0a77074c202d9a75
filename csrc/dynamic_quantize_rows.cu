// dynamic_quantize_rows: each row of x [rows, k] to int8 by the scale of its
// largest magnitude, a block a row. 5 bytes an element of float, 3 of bf16, as
// the second read of a row finds it in a cache.
//
// Targets: 75
#include "block.cuh"
#include "reals.cuh"
#include "scale.cuh"

// NaNs are counted in bad[0], rows that reach infinity in bad[1]; codes and
// scales may be null.
template <typename X>
__device__ __forceinline__ void quantize_rows_all(i8* codes, float* scales, const X* x, i64 rows, i64 k, int rule, const scale_rule& range, u32* bad) {
  for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
    const X* p = x + r * k;
    bool vector = aligned_reals(p) && (!codes || aligned(codes + r * k, 4));
    float most = 0;
    int nan = 0;
    for (i64 i = (i64)threadIdx.x * lane_elements; i < k; i += (i64)blockDim.x * lane_elements) {
      int count = (int)min(k - i, (i64)lane_elements);
      float v[lane_elements] = {};
      load_reals(v, p + i, count, vector);
#pragma unroll
      for (int j = 0; j < lane_elements; j++) {
        nan += v[j] != v[j];
        most = fmaxf(most, fabsf(v[j]));
      }
    }
    nan = block_sum(nan);
    most = block_max(most);
    float scale = 1;
    int zero = 0;
    bool ok = nan == 0 && scale_zero_of(range, -most, most, &scale, &zero);
    if (threadIdx.x == 0) {
      if (nan > 0) atomicAdd(bad, (u32)nan);
      else if (!ok) atomicAdd(bad + 1, 1u);
      if (scales) scales[r] = scale;
    }
    if (!codes || !ok) continue;
    quantizer q = make_quantizer(rule, scale, 0, range.lo, range.hi);
    for (i64 i = (i64)threadIdx.x * lane_elements; i < k; i += (i64)blockDim.x * lane_elements) {
      int count = (int)min(k - i, (i64)lane_elements);
      float v[lane_elements] = {};
      load_reals(v, p + i, count, vector);
      u32 bytes = 0;
#pragma unroll
      for (int j = 0; j < lane_elements; j++) bytes |= (u32)(u8)code(q, integer(q, v[j])) << 8 * j;
      i8* to = codes + r * k + i;
      if (vector && count == lane_elements) {
        *reinterpret_cast<u32*>(to) = bytes;
      } else {
        for (int j = 0; j < lane_elements; j++)
          if (j < count) to[j] = (i8)(bytes >> 8 * j);
      }
    }
  }
}

#define QUANTIZE_ROWS(name, X)                                                                                                        \
  extern "C" __global__ void __launch_bounds__(256) name(i8* codes, float* scales, const X* x, i64 rows, i64 k, int rule,             \
                                                         SCALE_ARGUMENTS, u32* bad) {                                                 \
    scale_rule range = SCALE_RULE;                                                                                                    \
    quantize_rows_all(codes, scales, x, rows, k, rule, range, bad);                                                                   \
  }
QUANTIZE_ROWS(dynamic_quantize_rows, float)
QUANTIZE_ROWS(dynamic_quantize_rows_bf16, bf16)
