// Operations on two tensors of codes (quant.AddParams, quant.MulParams) with
// broadcast.
#pragma once
#include "broadcast.cuh"
#include "requantize.cuh"

constexpr int pair_add = 0, pair_sub = 1, pair_mul = 2;

// Flags of the types of the operands.
constexpr int pair_a_signed = 1, pair_b_signed = 2;

// fixed_scaled is quant.Multiplier's double or single.
__device__ __forceinline__ i64 fixed_scaled(int requant, int x, multiplier m) {
  if (requant == requant_single) {
    int s = 31 - m.shift;
    return ((i64)x * m.q + (1ll << (s - 1))) >> s;
  }
  if (m.shift <= 0) return divide_by_power(doubling_high(x, m.q), -m.shift);
  i64 left = (i64)((u64)(i64)x << m.shift);
  return doubling_high((int)min(max(left, (i64)-2147483647 - 1), (i64)2147483647), m.q);
}

// code_pair is an operation made ready for its scales and zero points.
template <int kind>
struct code_pair {
  quantizer q;
  multiplier ma, mb, my;
  float sa, sb;
  int za, zb, requant, signs;

  __device__ __forceinline__ int term(int x, multiplier m) const {
    return (int)fixed_scaled(requant, (int)min(max((i64)x * (1 << 20), (i64)-2147483647 - 1), (i64)2147483647), m);
  }

  // operator() returns the integer before clamping, that of bytes a and b.
  __device__ __forceinline__ int operator()(u32 a, u32 b) const {
    int x = (signs & pair_a_signed ? (int)(i8)(u8)a : (int)(u8)a) - za;
    int y = (signs & pair_b_signed ? (int)(i8)(u8)b : (int)(u8)b) - zb;
    if (requant == requant_float) {
      float fa = __fmul_rn((float)x, sa), fb = __fmul_rn((float)y, sb);
      return integer(q, kind == pair_mul ? __fmul_rn(fa, fb) : kind == pair_sub ? __fadd_rn(fa, -fb) : __fadd_rn(fa, fb));
    }
    int acc = kind == pair_mul ? x * y : kind == pair_sub ? term(x, ma) - term(y, mb) : term(x, ma) + term(y, mb);
    i64 v = fixed_scaled(requant, acc, my) + q.zero;
    return (int)min(max(v, (i64)q.lo - 1), (i64)q.hi + 1);
  }
};

// low and high are the real bounds of an activation, none unless low < high.
template <int kind>
__device__ __forceinline__ code_pair<kind> make_code_pair(const float* scale_a, const int* zero_a, const float* scale_b, const int* zero_b,
                                                          const float* scale, const int* zero, int signs, float low, float high, int rule, int requant,
                                                          int lo, int hi) {
  code_pair<kind> p;
  p.sa = scale_a[0], p.sb = scale_b[0];
  p.za = zero_a[0], p.zb = zero_b[0];
  p.requant = requant;
  p.signs = signs;
  float sy = scale[0];
  p.q = make_quantizer(rule, sy, zero[0], lo, hi);
  if (low < high) {
    int from = code(p.q, integer(p.q, low)), to = code(p.q, integer(p.q, high));
    p.q = make_quantizer(rule, sy, zero[0], from, to);
  }
  p.ma = p.mb = p.my = multiplier{0, 0};
  if (requant == requant_float) return p;
  if (kind == pair_mul) {
    bool bad = false;
    p.my = make_multiplier(requant, p.sa, p.sb, sy, &bad);
    return p;
  }
  double twice = 2 * (double)fmaxf(p.sa, p.sb);
  p.ma = fixed_multiplier((double)p.sa / twice);
  p.mb = fixed_multiplier((double)p.sb / twice);
  p.my = fixed_multiplier(twice / ((double)(1 << 20) * (double)sy));
  return p;
}

#define CODE_PAIR_ARGUMENTS                                                                                                                       \
  u8 *z, u8 *mask, const u8 *a, const u8 *b, const float *scale_a, const int *zero_a, const float *scale_b, const int *zero_b, const float *scale, \
      const int *zero, i64 n, int signs, float low, float high, int rule, int requant, int lo, int hi
#define CODE_PAIR(kind) make_code_pair<kind>(scale_a, zero_a, scale_b, zero_b, scale, zero, signs, low, high, rule, requant, lo, hi)

// map_codes writes codes and mask, either may be null, of f(i, count, bytes of
// a, bytes of b), which loads four neighbours.
template <typename P, typename F>
__device__ __forceinline__ void map_codes(u8* z, u8* mask, i64 n, const P& p, F load) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  bool vector = aligned(z, 4);
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    u32 x = 0, y = 0, bytes = 0, nibble = 0;
    if (count > 0) load(i, count, &x, &y);
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      int v = p(x >> 8 * k & 255, y >> 8 * k & 255);
      nibble |= (u32)inside(p.q, v) << k;
      bytes |= (u32)(u8)code(p.q, v) << 8 * k;
    }
    if (z && vector && count == lane_elements) {
      *reinterpret_cast<u32*>(z + i) = bytes;
    } else if (z) {
      for (int k = 0; k < lane_elements; k++)
        if (k < count) z[i + k] = (u8)(bytes >> 8 * k);
    }
    if (mask) store_mask(mask, at, n, nibble);
  }
}

__device__ __forceinline__ u32 load_codes(const u8* x, int count) {
  if (count == lane_elements && aligned(x, 4)) return *reinterpret_cast<const u32*>(x);
  u32 v = 0;
  for (int k = 0; k < lane_elements; k++)
    if (k < count) v |= (u32)x[k] << 8 * k;
  return v;
}

template <int kind>
__device__ __forceinline__ void map_code_pair(CODE_PAIR_ARGUMENTS) {
  map_codes(z, mask, n, CODE_PAIR(kind), [&](i64 i, int count, u32* x, u32* y) {
    *x = load_codes(a + i, count);
    *y = load_codes(b + i, count);
  });
}

template <int kind>
__device__ __forceinline__ void map_code_pair_broadcast(CODE_PAIR_ARGUMENTS, BROADCAST_ARGUMENTS) {
  map_codes(z, mask, n, CODE_PAIR(kind), [&](i64 i, int count, u32* x, u32* y) {
    const int sizes[6] = {n0, n1, n2, n3, n4, n5};
    const i64 as[6] = {a0, a1, a2, a3, a4, a5}, bs[6] = {b0, b1, b2, b3, b4, b5};
    for (int k = 0; k < count; k++) {
      i64 rest = i + k, at = 0, bt = 0;
#pragma unroll
      for (int d = 0; d < 6; d++) {
        if (sizes[d] == 1) continue;
        i64 next = rest / sizes[d], index = rest - next * sizes[d];
        at += index * as[d];
        bt += index * bs[d];
        rest = next;
      }
      *x |= (u32)a[at] << 8 * k;
      *y |= (u32)b[bt] << 8 * k;
    }
  });
}

// CODE_PAIR_KERNELS writes the kernels of an operation: NAME for operands of
// one shape, NAME_broadcast for others.
#define CODE_PAIR_KERNELS(name, kind)                                                                                                         \
  extern "C" __global__ void __launch_bounds__(256) name(CODE_PAIR_ARGUMENTS) {                                                               \
    map_code_pair<kind>(z, mask, a, b, scale_a, zero_a, scale_b, zero_b, scale, zero, n, signs, low, high, rule, requant, lo, hi);            \
  }                                                                                                                                           \
  extern "C" __global__ void __launch_bounds__(256) name##_broadcast(CODE_PAIR_ARGUMENTS, BROADCAST_ARGUMENTS) {                              \
    map_code_pair_broadcast<kind>(z, mask, a, b, scale_a, zero_a, scale_b, zero_b, scale, zero, n, signs, low, high, rule, requant, lo, hi,   \
                                  BROADCAST_NAMES);                                                                                           \
  }
