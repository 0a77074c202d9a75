// Codes of a row by the range of the row, while the row is on the chip: a block
// handles a row of a weight, in two passes of which the second reads shared
// memory.
#pragma once
#include "elements.cuh"
#include "scale.cuh"

// coded_rows is where codes and ends go, each may be null, and how codes are
// made.
struct coded_rows {
  u8* codes;
  float *least, *most;
  int inner;  // elements of a row
  int kept;   // of those in dynamic shared memory; the others are read again
  int rule;
  scale_rule scale;
};
#define CODED_ARGUMENTS u8 *codes, float *least, float *most, int inner, int kept, int rule, SCALE_ARGUMENTS
#define CODED_ROWS \
  coded_rows { codes, least, most, inner, kept, rule, SCALE_RULE }

// block_range finds the range of the values of a block and whether one is NaN,
// for every thread. Whole warps take part.
__device__ __forceinline__ void block_range(float* least, float* most, int* nan) {
  SHARED(float, low, [32]);
  SHARED(float, high, [32]);
  SHARED(int, bad, [32]);
  int warp = threadIdx.x / warp_size, warps = blockDim.x / warp_size;
  float l = warp_min(*least), m = warp_max(*most);
  int n = warp_sum(*nan);
  if (threadIdx.x % warp_size == 0) low[warp] = l, high[warp] = m, bad[warp] = n;
  __syncthreads();
  for (int w = 0; w < warps; w++) l = fminf(l, low[w]), m = fmaxf(m, high[w]), n += w == warp ? 0 : bad[w];
  *least = l;
  *most = m;
  *nan = n;
}

// code_row makes codes and ends of the row of this block. row(i, count, v)
// sets v to elements i to i + count, count at most 4, of the row; it is called
// once for each. x is the row in memory, where row has left it.
template <typename Row>
__device__ __forceinline__ void code_row(const coded_rows& c, const float* x, Row row) {
  SHARED_DYNAMIC(float, held);
  float least = __uint_as_float(0x7f800000u), most = -least;
  int nan = 0;
  for (int i = threadIdx.x * lane_elements; i < c.inner; i += blockDim.x * lane_elements) {
    int count = min(c.inner - i, lane_elements);
    float v[lane_elements] = {};
    row(i, count, v);
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      if (i + k < c.kept) held[i + k] = v[k];
      nan |= v[k] != v[k];
      least = v[k] < least ? v[k] : least;
      most = v[k] > most ? v[k] : most;
    }
  }
  block_range(&least, &most, &nan);
  least += 0.0f;  // No -0.
  most += 0.0f;
  if (nan) least = most = __uint_as_float(0x7fc00000u);
  if (threadIdx.x == 0) {
    if (c.least) c.least[blockIdx.x] = least;
    if (c.most) c.most[blockIdx.x] = most;
  }
  if (!c.codes) return;
  float s = 1;
  int z = 0;
  bool some = scale_zero_of(c.scale, least, most, &s, &z);
  quantizer q = make_quantizer(c.rule, s, z, c.scale.lo, c.scale.hi);
  u8* to = c.codes + (i64)blockIdx.x * c.inner;
  for (int i = threadIdx.x * lane_elements; i < c.inner; i += blockDim.x * lane_elements) {
    int count = min(c.inner - i, lane_elements);
    u32 bytes = 0;
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count || !some) break;
      float v = i + k < c.kept ? held[i + k] : x[i + k];
      bytes |= (u32)(u8)code(q, integer(q, v)) << 8 * k;
    }
    if (count == lane_elements && aligned(to + i, 4)) {
      *reinterpret_cast<u32*>(to + i) = bytes;
    } else {
      for (int k = 0; k < count; k++) to[i + k] = (u8)(bytes >> 8 * k);
    }
  }
}

// load_four and store_four move count elements, four as one where they are
// aligned.
__device__ __forceinline__ void load_four(float* v, const float* p, int count) {
  if (count == lane_elements && aligned(p, 16)) {
    quad<float> q = *reinterpret_cast<const quad<float>*>(p);
    v[0] = q.v[0], v[1] = q.v[1], v[2] = q.v[2], v[3] = q.v[3];
    return;
  }
#pragma unroll
  for (int k = 0; k < lane_elements; k++)
    if (k < count) v[k] = p[k];
}

__device__ __forceinline__ void store_four(float* p, const float* v, int count) {
  if (count == lane_elements && aligned(p, 16)) {
    *reinterpret_cast<quad<float>*>(p) = {v[0], v[1], v[2], v[3]};
    return;
  }
#pragma unroll
  for (int k = 0; k < lane_elements; k++)
    if (k < count) p[k] = v[k];
}
