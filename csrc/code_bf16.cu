// The products of codes of conv_dequant, gemm_dequant, conv_integer,
// qlinear_conv, qlinear_gemm, matmul_dequant, matmul_integer and qlinear_matmul
// on tensor cores that have bf16 but little int8, with the same bits: codes are
// exact in bf16, their products in float32, and so are sums below 2^24, which
// go to int32 before they could get there. Arguments are those of the kernels
// of int8.
//
// Targets: 80
#include "bf16_product.cuh"
#include "code_product.cuh"

namespace code_bf16 {

using namespace bf16_tiles;

// chunk is after how many products sums go to int32: 1024 * 128 * 128 is 2^24,
// and 512 * 255 * 128 below it.
template <class X>
constexpr int chunk = X(-1) < 0 ? 1024 : 512;

// rows of codes along k, two units a thread, and their sums.
template <int side, class X>
struct row_units {
  u32 raw[2][2];
  int sums[2];

  __device__ __forceinline__ row_units() : sums{0, 0} {}
  __device__ __forceinline__ void add() {
#pragma unroll
    for (int q = 0; q < 2; q++) sums[q] = add_bytes(raw[q][1], add_bytes(raw[q][0], sums[q], X()), X());
  }
};

// patches_along has the inputs under the kernel for each position of the
// output. Outside of the image are zero points.
template <int side, class X>
struct patches_along {
  static constexpr bool along = true;
  static constexpr int terms = 1;
  row_units<side, X> v;
  const u8* x;
  const geometry& g;
  window at[2];
  bool valid[2], zeros;
  counter t;
  u32 pad;
  int width;

  __device__ __forceinline__ patches_along(const u8* images, const geometry& g, int group, int row, const int* zx, bool zeros)
      : x(images + (i64)group * g.cg), g(g), zeros(zeros) {
    pad = (zx ? (u32)zx[0] & 0xffu : 0u) * 0x01010101u;
    width = width_of(images, g.cg, g.c);
#pragma unroll
    for (int q = 0; q < 2; q++) {
      int r = row + line_of<side, true>(q);
      valid[q] = r < g.rows();
      at[q] = window_at(g, valid[q] ? r : 0);
    }
    t = counter_at(unit_of<side, true>() * bf16_unit, g.kw, g.cg);
  }
  // source returns where tap t is for window w, null outside of the image.
  __device__ __forceinline__ const u8* source(const window& w, const counter& t) const {
    int y = w.y + t.a * g.dh, c = w.x + t.b * g.dw;
    if ((u32)y >= (u32)g.h || (u32)c >= (u32)g.w) return nullptr;
    return x + (w.image + (i64)y * g.w + c) * g.c + t.c;
  }
  __device__ __forceinline__ void load(int from, int to) {
    int k = from + unit_of<side, true>() * bf16_unit;
#pragma unroll
    for (int q = 0; q < 2; q++) {
      v.raw[q][0] = v.raw[q][1] = 0;
      if (!valid[q] || k >= to) continue;
      if (width == 8) {
        const u8* p = source(at[q], t);
        uint2 two = p ? *reinterpret_cast<const uint2*>(p) : make_uint2(pad, pad);
        v.raw[q][0] = two.x, v.raw[q][1] = two.y;
      } else if (width == 4) {
        counter c = t;
#pragma unroll
        for (int i = 0; i < 2; i++) {
          const u8* p = source(at[q], c);
          if (k + 4 * i < to) v.raw[q][i] = p ? *reinterpret_cast<const u32*>(p) : pad;
          c.advance(4, g.kw, g.cg);
        }
      } else {
        // Not unrolled: this is the way of few, and long code is slow to load.
        counter c = t;
        u32 low = 0, high = 0;
#pragma unroll 1
        for (int i = 0; i < bf16_unit; i++) {
          const u8* p = k + i < to ? source(at[q], c) : nullptr;
          low = low >> 8 | high << 24;
          high = high >> 8 | (p ? (u32)*p : k + i < to ? pad & 0xffu : 0u) << 24;
          c.advance(1, g.kw, g.cg);
        }
        v.raw[q][0] = low, v.raw[q][1] = high;
      }
    }
    t.advance(bf16_depth, g.kw, g.cg);
    if (zeros) v.add();
  }
  __device__ __forceinline__ void store(u8* tile) const {
    expander e = expander::left(X(-1) < 0);
    e.store<side, true>(tile, v.raw);
  }
};

// matrix_along has rows of a matrix, element k of row r at p[r*row + k*step].
template <int side, class X>
struct matrix_along {
  static constexpr bool along = true;
  static constexpr int terms = 1;
  row_units<side, X> v;
  const u8* p;
  i64 row, step;
  int first, count, width;
  bool zeros;
  expander e;

  __device__ __forceinline__ matrix_along(const u8* p, i64 row, i64 step, int first, int count, bool zeros, expander e)
      : p(p), row(row), step(step), first(first), count(count), zeros(zeros), e(e) {
    width = step == 1 ? width_of(p, (int)(row % 8), 8) : 1;
  }
  __device__ __forceinline__ void load(int from, int to) {
    int k = from + unit_of<side, true>() * bf16_unit;
#pragma unroll
    for (int q = 0; q < 2; q++) {
      v.raw[q][0] = v.raw[q][1] = 0;
      int r = first + line_of<side, true>(q);
      if (r >= count || k >= to) continue;
      const u8* from_here = p + r * row + k * step;
      if (step == 1) {
        load_codes(v.raw[q], from_here, to - k, width, 0);
      } else {
        u32 low = 0, high = 0;
#pragma unroll 1
        for (int i = 0; i < bf16_unit; i++) {
          low = low >> 8 | high << 24;
          high = high >> 8 | (k + i < to ? (u32)from_here[i * step] : 0u) << 24;
        }
        v.raw[q][0] = low, v.raw[q][1] = high;
      }
    }
    if (zeros) v.add();
  }
  __device__ __forceinline__ void store(u8* tile) const { e.store<side, true>(tile, v.raw); }
};

// product_of is code_product.cuh's product: a tile of m x n results, n of them
// a row of a group or matrix whose first column is base and whose first row is
// top.
template <int side, class X, class E, class L, class R>
__device__ __forceinline__ void product_of(const E& e, const results& out, const column* columns, L& left, R& right, int row, int col, int m, int n, int k,
                                           i64 top, int base, bool zeros) {
  constexpr int stride = side + 8, half = side / 2;
  constexpr int staged_bytes = (half * stride + side) * 4, needed = product_bytes<side, 1>;
  static_assert(chunk<X> % (2 * bf16_depth) == 0, "a product starts with the buffer that the one before did not end with");
  SHARED(u8, memory, [staged_bytes > needed ? staged_bytes : needed]);
  int sums[side / 32][4][4] = {};
#pragma unroll 1
  for (int from = 0; from < k; from += chunk<X>) {
    float acc[side / 32][4][4] = {};
    bf16_tiles::product<side>(memory, acc, left, right, from, min(from + chunk<X>, k));
#pragma unroll
    for (int i = 0; i < side / 32; i++)
#pragma unroll
      for (int j = 0; j < 4; j++)
#pragma unroll
        for (int h = 0; h < 4; h++) sums[i][j][h] = (int)((u32)sums[i][j][h] + (u32)__float2int_rz(acc[i][j][h]));
  }
  // The sums go through shared memory, half of the rows at a time, so that a
  // thread has eight neighbours and writes are whole.
  int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
  int* staged = reinterpret_cast<int*>(memory);
  int* row_sums = staged + half * stride;
  __syncthreads();
#pragma unroll
  for (int q = 0; q < 2; q++) {
    int s = left.v.sums[q];
    s += __shfl_xor_sync(all_lanes, s, 1);
    s += __shfl_xor_sync(all_lanes, s, 2);
    if (lane % 4 == 0) row_sums[line_of<side, true>(q)] = s;
  }
#pragma unroll 1
  for (int pass = 0; pass < 2; pass++) {
    if (warp % 2 == pass) {
#pragma unroll
      for (int i = 0; i < side / 32; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
          for (int h = 0; h < 2; h++)
            *reinterpret_cast<int2*>(staged + (i * 16 + h * 8 + lane / 4) * stride + warp / 2 * 32 + j * 8 + lane % 4 * 2) =
                make_int2(sums[i][j][2 * h], sums[i][j][2 * h + 1]);
    }
    __syncthreads();
#pragma unroll 1
    for (int s = threadIdx.x; s < half * (side / 8); s += side * 2) {
      int r = s / (side / 8), c = s % (side / 8) * 8;
      int y = row + pass * half + r, count = min(n - col - c, 8);
      if (y >= m || count <= 0) continue;
      int v[8];
      int4 four = *reinterpret_cast<int4*>(staged + r * stride + c);
      v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
      four = *reinterpret_cast<int4*>(staged + r * stride + c + 4);
      v[4] = four.x, v[5] = four.y, v[6] = four.z, v[7] = four.w;
      store_results(e, out, columns + col + c, v, zeros ? row_sums[pass * half + r] : 0, (top + y) * out.n + base + col + c, count);
    }
    if (E::collects)
      collect_tile<side, half, stride>(e, out, columns + col, staged, row_sums + pass * half, m - row - pass * half, n - col, base + col);
    __syncthreads();
  }
}

template <int side, class X, class E>
__device__ __forceinline__ void conv(const results& out, const u8* x, const u8* w, const column* columns, const geometry& g, const int* zx,
                                     const float* sy, const int* zy, const rule_of& rule, int zeros, u32 flip) {
  int row = (int)blockIdx.x * side, col = (int)blockIdx.y * side, group = blockIdx.z;
  int k = g.taps();
  E e(rule, sy, zy);
  patches_along<side, X> left(x, g, group, row, zx, zeros != 0);
  matrix_along<side, i8> right(w + (i64)group * g.og * k, k, 1, col, g.og, false, expander::right(flip != 0));
  product_of<side, X>(e, out, columns + group * g.og, left, right, row, col, g.rows(), g.og, k, 0, group * g.og, zeros != 0);
}

template <int side, class X, class E>
__device__ __forceinline__ void matmul(const results& out, const u8* a, const u8* b, const column* columns, const stack& s, const factors& f,
                                       const float* sy, const int* zy, const rule_of& rule, u32 flip) {
  int row = (int)blockIdx.x * side, col = (int)blockIdx.y * side;
  E e(rule, sy, zy);
  for (int i = blockIdx.z; i < s.count; i += gridDim.z) {
    i64 at_a, at_b;
    s.find(i, &at_a, &at_b);
    matrix_along<side, X> left(a + at_a * f.a_matrix, f.a_row, f.a_step, row, f.m, f.zeros != 0, expander::left(X(-1) < 0));
    matrix_along<side, i8> right(b + at_b * f.b_matrix, f.b_row, f.b_step, col, f.n, false, expander::right(flip != 0));
    product_of<side, X>(e, out, columns + at_b * f.n, left, right, row, col, f.m, f.n, f.k, (i64)i * f.m, 0, f.zeros != 0);
  }
}

}  // namespace code_bf16

#define CODE_BF16_CONV(name, E, side, X)                                                                                                       \
  extern "C" __global__ void __launch_bounds__(2 * side) name(results out, const u8* x, const u8* w, const column* columns, geometry g,        \
                                                              const int* zx, const float* sy, const int* zy, rule_of rule, int zeros, u32 flip) { \
    code_bf16::conv<side, X, E>(out, x, w, columns, g, zx, sy, zy, rule, zeros, flip);                                                         \
  }
#define CODE_BF16_TILES(E, side, X)                                                                                                            \
  CODE_BF16_CONV(conv_##E##_##side##_##X, E, side, X)                                                                                          \
  extern "C" __global__ void __launch_bounds__(2 * side) matmul_##E##_##side##_##X(results out, const u8* a, const u8* b,                      \
                                                                                   const column* columns, stack s, factors f,                  \
                                                                                   const float* sy, const int* zy, rule_of rule, u32 flip) {   \
    code_bf16::matmul<side, X, E>(out, a, b, columns, s, f, sy, zy, rule, flip);                                                               \
  }
#define CODE_BF16(E)           \
  CODE_BF16_TILES(E, 64, i8)   \
  CODE_BF16_TILES(E, 64, u8)   \
  CODE_BF16_TILES(E, 128, i8)  \
  CODE_BF16_TILES(E, 128, u8)
CODE_BF16(sums)
CODE_BF16(reals)
CODE_BF16(codes)
// Of layers on codes that collect.
CODE_BF16_CONV(conv_reals_64_i8_collect, collected_reals, 64, i8)
CODE_BF16_CONV(conv_reals_64_u8_collect, collected_reals, 64, u8)
CODE_BF16_CONV(conv_reals_128_i8_collect, collected_reals, 128, i8)
CODE_BF16_CONV(conv_reals_128_u8_collect, collected_reals, 128, u8)
