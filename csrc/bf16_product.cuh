// Products of matrices on the tensor cores in bf16 with float32 sums, for
// operands one or both of which are codes: code - zero has eight digits and a
// sign, which bf16 holds exactly. Codes are read as bytes and become bf16 on
// their way to shared memory. There they are units of 16 bits, which ldmatrix
// turns: neither operand needs a copy in memory that is contiguous along k.
//
// Needs sm_80.
#pragma once
#include "elements.cuh"
#include "geometry.cuh"

namespace bf16_tiles {

// Tiles of side x side results by side * 2 threads, of which a warp has
// side/2 x 32; 32 of k at a time, in two buffers. Operands move in units of 8
// elements, 16 bytes of shared memory, of which a thread has two: along k of
// two rows, or across, of two k.
constexpr int bf16_depth = 32;
constexpr int bf16_unit = 8;

// place is where a unit lies in a tile: neither copies nor ldmatrix meet in a
// bank. Along: row and unit of k; across: k and unit of rows.
template <int side, bool along>
__device__ __forceinline__ int place(int r, int u) {
  return along ? r * bf16_depth * 2 + (u ^ (r >> 1 & 3)) * 16 : r * side * 2 + (u ^ (r & 7)) * 16;
}

// unit_of and line_of are the thread's units: line_of(q) is the row, or k, of
// its unit q.
template <int side, bool along>
__device__ __forceinline__ int unit_of() {
  return (int)threadIdx.x % (along ? bf16_depth / bf16_unit : side / bf16_unit);
}
template <int side, bool along>
__device__ __forceinline__ int line_of(int q) {
  return along ? (int)threadIdx.x / (bf16_depth / bf16_unit) + q * (side / 2) : (int)threadIdx.x / (side / bf16_unit) + q * 16;
}

// store_unit writes a unit of a tile.
template <int side, bool along>
__device__ __forceinline__ void store_unit(u8* tile, int q, const u32 (&v)[4]) {
  *reinterpret_cast<uint4*>(tile + place<side, along>(line_of<side, along>(q), unit_of<side, along>())) = make_uint4(v[0], v[1], v[2], v[3]);
}

// counter counts [a, b, c] with b < nb and c < nc.
struct counter {
  int a, b, c;

  __device__ __forceinline__ void advance(int n, int nb, int nc) {
    c += n;
    if (c < nc) return;
    int d = c / nc;
    c -= d * nc;
    b += d;
    if (b < nb) return;
    d = b / nb;
    b -= d * nb;
    a += d;
  }
};

__device__ __forceinline__ counter counter_at(int i, int nb, int nc) {
  counter t = {0, 0, 0};
  t.advance(i, max(nb, 1), max(nc, 1));  // There may be none to count.
  return t;
}

// expander makes bf16 of codes, code - zero: a code becomes the low byte of a
// float of 2^23 and more, from which 2^23 and the zero point are taken, and of
// the rest, which is exact, the upper half has all digits.
struct expander {
  u32 flip;    // makes int8 uint8, 128 more
  u32 pad;     // four zero points
  float base;  // 2^23 + zero

  // Of operands without zero point; those of a right matrix become int8 as in
  // code_results.cuh, 128 less where they are uint8.
  static __device__ __forceinline__ expander left(bool is_signed) { return {is_signed ? 0x80808080u : 0u, 0u, is_signed ? 8388736.0f : 8388608.0f}; }
  static __device__ __forceinline__ expander right(bool is_unsigned) { return {is_unsigned ? 0u : 0x80808080u, 0u, 8388736.0f}; }
  __device__ __forceinline__ expander(u32 flip, u32 pad, float base) : flip(flip), pad(pad), base(base) {}
  __device__ __forceinline__ expander(const int* zero, bool is_signed) {
    int z = zero ? zero[0] : 0;
    flip = is_signed ? 0x80808080u : 0u;
    pad = ((u32)z & 0xffu) * 0x01010101u;
    base = (float)(8388608 + z + (is_signed ? 128 : 0));
  }
  __device__ __forceinline__ float one(u32 word, u32 select) const { return __fsub_rn(__uint_as_float(__byte_perm(word, 0x4b000000u, select)), base); }
  // four writes four codes as two pairs.
  __device__ __forceinline__ void four(u32 word, u32* to) const {
    word ^= flip;
    float a = one(word, 0x7540), b = one(word, 0x7541), c = one(word, 0x7542), d = one(word, 0x7543);
    to[0] = __byte_perm(__float_as_uint(a), __float_as_uint(b), 0x7632);
    to[1] = __byte_perm(__float_as_uint(c), __float_as_uint(d), 0x7632);
  }
  template <int side, bool along>
  __device__ __forceinline__ void store(u8* tile, const u32 (&raw)[2][2]) const {
#pragma unroll
    for (int q = 0; q < 2; q++) {
      u32 v[4];
      four(raw[q][0], v);
      four(raw[q][1], v + 2);
      store_unit<side, along>(tile, q, v);
    }
  }
};

// load_codes reads the first count of eight codes; width is what p and the
// distances between units are multiples of.
__device__ __forceinline__ void load_codes(u32 (&raw)[2], const u8* p, int count, int width, u32 pad) {
  if (width == 8 && count >= 8) {
    uint2 v = *reinterpret_cast<const uint2*>(p);
    raw[0] = v.x, raw[1] = v.y;
  } else if (width == 4 && count >= 8) {
    raw[0] = reinterpret_cast<const u32*>(p)[0];
    raw[1] = reinterpret_cast<const u32*>(p)[1];
  } else {
    raw[0] = raw[1] = pad;
    if (count <= 0) return;
#pragma unroll
    for (int i = 0; i < bf16_unit; i++)
      if (i < count) raw[i / 4] = (raw[i / 4] & ~(0xffu << 8 * (i % 4))) | (u32)p[i] << 8 * (i % 4);
  }
}

// width_of returns what p and n codes are a multiple of: 8, 4 or 1.
__device__ __forceinline__ int width_of(const void* p, int n, int m) {
  return aligned(p, 8) && n % 8 == 0 && m % 8 == 0 ? 8 : aligned(p, 4) && n % 4 == 0 && m % 4 == 0 ? 4 : 1;
}

// round_unit makes bf16 of eight gradients times their factors, as package
// backend/cpu does: subnormal numbers become zeros. With low it makes what
// that rounding leaves.
__device__ __forceinline__ void round_unit(u32 (&to)[4], const float (&v)[bf16_unit], const float (&s)[bf16_unit], bool low) {
#pragma unroll
  for (int i = 0; i < bf16_unit; i += 2) {
    float a = flush(__fmul_rn(v[i], s[i])), b = flush(__fmul_rn(v[i + 1], s[i + 1]));
    u32 pair = round_bf16x2(a, b);
    if (low) {
      a = flush(__fsub_rn(a, __uint_as_float(pair << 16)));
      b = flush(__fsub_rn(b, __uint_as_float(pair & 0xffff0000u)));
      pair = round_bf16x2(a, b);
    }
    to[i / 2] = pair;
  }
}

// gradients holds a thread's units of an operand that are floats, times
// factors.
template <int side, bool along, int terms>
struct gradients {
  float v[2][bf16_unit];

  __device__ __forceinline__ void store(u8* tile, const float (&s)[bf16_unit]) const {
#pragma unroll
    for (int t = 0; t < terms; t++)
#pragma unroll
      for (int q = 0; q < 2; q++) {
        u32 to[4];
        round_unit(to, v[q], s, t > 0);
        store_unit<side, along>(tile + t * side * bf16_depth * 2, q, to);
      }
  }
};

// multiply adds to a warp's sums the products of a tile of A, terms of it, and
// one of B.
template <int side, int terms, bool along_a, bool along_b>
__device__ __forceinline__ void multiply(float (&acc)[side / 32][4][4], const u8* a, const u8* b) {
  constexpr int tile_bytes = side * bf16_depth * 2, tiles_m = side / 32;
  int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  int row = warp % 2 * (side / 2), col = warp / 2 * 32;
#pragma unroll
  for (int h = 0; h < bf16_depth / 16; h++) {
    u32 fb[4][2];
#pragma unroll
    for (int j = 0; j < 4; j += 2) {
      u32 two[4];
      if (along_b) {
        ldmatrix_x4(two, b + place<side, true>(col + j * 8 + lane % 8 + lane / 16 * 8, 2 * h + lane / 8 % 2));
      } else {
        ldmatrix_x4_trans(two, b + place<side, false>(h * 16 + lane % 16, col / 8 + j + lane / 16));
      }
      fb[j][0] = two[0], fb[j][1] = two[1], fb[j + 1][0] = two[2], fb[j + 1][1] = two[3];
    }
#pragma unroll
    for (int t = 0; t < terms; t++)
#pragma unroll
      for (int i = 0; i < tiles_m; i++) {
        u32 fa[4];
        if (along_a) {
          ldmatrix_x4(fa, a + t * tile_bytes + place<side, true>(row + i * 16 + lane % 16, 2 * h + lane / 16));
        } else {
          ldmatrix_x4_trans(fa, a + t * tile_bytes + place<side, false>(h * 16 + lane % 8 + lane / 16 * 8, row / 8 + i * 2 + lane / 8 % 2));
        }
#pragma unroll
        for (int j = 0; j < 4; j++) mma_bf16(acc[i][j], fa, fb[j]);
      }
  }
}

// product_bytes is the shared memory of a product.
template <int side, int terms>
constexpr int product_bytes = 2 * (terms + 1) * side * bf16_depth * 2;

// product sums over k of [from, to) the products of a tile. Loaders L and R
// have along and, L, terms; load brings the elements of the next depth of k to
// registers, zeros from to on, and store writes them to a tile.
template <int side, class L, class R>
__device__ __forceinline__ void product(u8* memory, float (&acc)[side / 32][4][4], L& left, R& right, int from, int to) {
  constexpr int tile_bytes = side * bf16_depth * 2, stage = (L::terms + 1) * tile_bytes;
  if (from < to) {
    left.load(from, to);
    right.load(from, to);
  }
  int buffer = 0;
#pragma unroll 1
  for (int k = from; k < to; k += bf16_depth) {
    u8* a = memory + buffer * stage;
    left.store(a);
    right.store(a + L::terms * tile_bytes);
    // One barrier is enough: who writes this buffer again has passed the next
    // one, which nobody does before all have read it.
    __syncthreads();
    // The next elements are on their way while these are multiplied.
    if (k + bf16_depth < to) {
      left.load(k + bf16_depth, to);
      right.load(k + bf16_depth, to);
    }
    multiply<side, L::terms, L::along, R::along>(acc, a, a + L::terms * tile_bytes);
    buffer ^= 1;
  }
}

// store writes a tile of results from (row, col) on; place_of(r) is where row
// r of m starts, of n columns.
template <int side, class F>
__device__ __forceinline__ void store(const float (&acc)[side / 32][4][4], const F& place_of, int row, int col, int m, int n) {
  int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  row += warp % 2 * (side / 2) + lane / 4;
  col += warp / 2 * 32 + lane % 4 * 2;
#pragma unroll
  for (int i = 0; i < side / 32; i++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      int r = row + i * 16 + h * 8;
      if (r >= m) continue;
      float* p = place_of(r);
      bool pairs = aligned(p, 8);
#pragma unroll
      for (int j = 0; j < 4; j++) {
        int c = col + j * 8;
        if (pairs && c + 2 <= n) {
          *reinterpret_cast<float2*>(p + c) = make_float2(acc[i][j][2 * h], acc[i][j][2 * h + 1]);
        } else {
          if (c < n) p[c] = acc[i][j][2 * h];
          if (c + 1 < n) p[c + 1] = acc[i][j][2 * h + 1];
        }
      }
    }
}

}  // namespace bf16_tiles
