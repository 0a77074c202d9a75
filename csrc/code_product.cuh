// Products of matrices of codes on the tensor cores, with int32 sums, and
// convolutions with few channels a group.
#pragma once
#include "code_results.cuh"
#include "geometry.cuh"
#include "stack.cuh"

// The tiles: side x side results of side * 2 threads, of which a warp has
// side/2 x 32; 64 codes of a row at a time, in units of 16 bytes that are
// placed so that neither copies nor ldmatrix meet in a bank.
constexpr int depth = 64;
constexpr int stages = 3;
constexpr int unit = 16;
constexpr int units = depth / unit;

__device__ __forceinline__ int unit_at(int row, int u) { return row * depth + ((u ^ (row >> 1 & (units - 1))) * unit); }

// A loader brings the units of a tile that its thread is responsible for: two
// at each step, of the same k or of the same row.

// rows_of loads from a matrix.
template <int side>
struct rows_of {
  const u8* p;
  i64 row, step;
  int first, count, k;  // rows
  int width;            // of the copies: 16, 4 or 1

  __device__ __forceinline__ rows_of(const u8* p, i64 row, i64 step, int first, int count, int k) : p(p), row(row), step(step), first(first), count(count), k(k) {
    width = step != 1 ? 1 : aligned(p, 16) && row % 16 == 0 ? 16 : aligned(p, 4) && row % 4 == 0 ? 4 : 1;
  }
  __device__ __forceinline__ void load(u8* tile, int from) {
    int thread = threadIdx.x;
#pragma unroll
    for (int q = 0; q < 2; q++) {
      // Neighbouring threads take what lies together.
      int r = step == 1 ? thread / units + q * (side / 2) : thread % side;
      int u = step == 1 ? thread % units : thread / side + 2 * q;
      int at = from + u * unit;
      u8* to = tile + unit_at(r, u);
      bool valid = first + r < count;
      const u8* src = p + (i64)(first + r) * row + at * step;
      if (!valid || at >= k) {
        *reinterpret_cast<uint4*>(to) = make_uint4(0, 0, 0, 0);
      } else if (width == 16 && at + unit <= k) {
        cp_async16(to, src, true);
      } else if (width == 4 && at + unit <= k) {
#pragma unroll
        for (int i = 0; i < 4; i++) cp_async4(to + 4 * i, src + 4 * i, true);
      } else {
        // Not unrolled: this is the way of few, and long code is slow to load.
        u32 v = 0;
#pragma unroll 1
        for (int i = 0; i < unit; i++) {
          v = v >> 8 | (at + i < k ? (u32)src[i * step] << 24 : 0u);
          if (i % 4 == 3) *reinterpret_cast<u32*>(to + i - 3) = v;
        }
      }
    }
  }
};

// patches_of loads the inputs under the kernel for each position of the
// output. Outside of the image are zero points.
template <int side>
struct patches_of {
  const u8* x;
  const geometry& g;
  window at[2];
  bool valid[2];
  tap t;
  u32 pad;  // four zero points
  int k, width;

  __device__ __forceinline__ patches_of(const u8* images, const geometry& g, int group, int first, const int* zx)
      : x(images + (i64)group * g.cg), g(g), k(g.taps()) {
    pad = (zx ? (u32)zx[0] & 0xffu : 0u) * 0x01010101u;
    width = aligned(x, 16) && g.c % 16 == 0 && g.cg % 16 == 0 ? 16 : aligned(x, 4) && g.c % 4 == 0 && g.cg % 4 == 0 ? 4 : 1;
#pragma unroll
    for (int q = 0; q < 2; q++) {
      int row = first + (int)threadIdx.x / units + q * (side / 2);
      valid[q] = row < g.rows();
      at[q] = window_at(g, valid[q] ? row : 0);
    }
    t = tap_at(k > 0 ? (int)(threadIdx.x % units) * unit : 0, g.kw, k > 0 ? g.cg : 1);
  }
  // source returns where tap t is for window w, null outside of the image.
  __device__ __forceinline__ const u8* source(const window& w, const tap& t) const {
    int y = w.y + t.a * g.dh, c = w.x + t.b * g.dw;
    if ((u32)y >= (u32)g.h || (u32)c >= (u32)g.w) return nullptr;
    return x + (w.image + (i64)y * g.w + c) * g.c + t.c;
  }
  __device__ __forceinline__ void load(u8* tile, int from) {
    int u = threadIdx.x % units;
    int start = from + u * unit;
#pragma unroll
    for (int q = 0; q < 2; q++) {
      u8* to = tile + unit_at(threadIdx.x / units + q * (side / 2), u);
      if (!valid[q] || start >= k) {
        *reinterpret_cast<uint4*>(to) = make_uint4(0, 0, 0, 0);
      } else if (width == 16) {
        const u8* p = source(at[q], t);
        if (p) {
          cp_async16(to, p, true);
        } else {
          *reinterpret_cast<uint4*>(to) = make_uint4(pad, pad, pad, pad);
        }
      } else if (width == 4) {
        tap v = t;
#pragma unroll 1
        for (int i = 0; i < 4; i++) {
          const u8* p = start + 4 * i < k ? source(at[q], v) : nullptr;
          if (p) {
            cp_async4(to + 4 * i, p, true);
          } else {
            reinterpret_cast<u32*>(to)[i] = start + 4 * i < k ? pad : 0u;
          }
          v.advance(4, g.kw, g.cg);
        }
      } else {
        tap v = t;
        u32 word = 0;
#pragma unroll 1
        for (int i = 0; i < unit; i++) {
          const u8* p = start + i < k ? source(at[q], v) : nullptr;
          word = word >> 8 | (p ? (u32)*p : start + i < k ? pad & 0xffu : 0u) << 24;
          if (i % 4 == 3) *reinterpret_cast<u32*>(to + i - 3) = word;
          v.advance(1, g.kw, g.cg);
        }
      }
    }
    if (k > 0) t.advance(depth, g.kw, g.cg);
  }
};

// mma is the product of 16 rows, 8 columns and 32 codes.
template <class X>
__device__ __forceinline__ void mma(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
#if GOQAT_ARCH >= 80
  mma_m16n8k32(d, a, b, X());
#else
#pragma unroll
  for (int h = 0; h < 2; h++) {
    i32 half[2] = {d[2 * h], d[2 * h + 1]};
#pragma unroll
    for (int s = 0; s < 2; s++) {
      u32 left[1] = {a[h + 2 * s]}, right[1] = {b[s]};
      mma_m8n8k16(half, left, right, X());
    }
    d[2 * h] = half[0];
    d[2 * h + 1] = half[1];
  }
#endif
}

// product computes one tile of rows [row, row+side) and columns [col, col+side)
// of m x n results, n of them a row of a group or matrix whose first column is
// base and whose first row is top.
template <int side, class X, class E, class Left>
__device__ __forceinline__ void product(const E& e, const results& out, const column* columns, Left left, rows_of<side> right, int row, int col, int m, int n,
                                        int k, i64 top, int base, bool zeros, u32 flip) {
  constexpr int warps_m = 2;
  constexpr int warp_rows = side / warps_m, tiles_m = warp_rows / 16, tiles_n = 4;
  constexpr int tile_bytes = side * depth;
  SHARED(u8, memory, [stages * 2 * tile_bytes]);
  int thread = threadIdx.x, lane = thread % warp_size, warp = thread / warp_size;
  int warp_m = warp % warps_m, warp_n = warp / warps_m;
  i32 acc[tiles_m][tiles_n][4] = {};
  int row_sum = 0;
  int steps = (k + depth - 1) / depth;
  // The first steps only fill the pipeline.
#pragma unroll 1
  for (int s = 1 - stages; s < steps; s++) {
    if (s >= 0) {
      cp_async_wait<stages - 2>();
      __syncthreads();
    }
    int next = s + stages - 1;
    if (next < steps) {
      u8* to = memory + next % stages * 2 * tile_bytes;
      left.load(to, next * depth);
      right.load(to + tile_bytes, next * depth);
    }
    cp_async_commit();
    if (s < 0) continue;
    const u8* a = memory + s % stages * 2 * tile_bytes;
    const u8* b = a + tile_bytes;
    if (zeros) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        uint4 v = *reinterpret_cast<const uint4*>(a + unit_at(thread / 2, thread % 2 * 2 + i));
        row_sum = add_bytes(v.w, add_bytes(v.z, add_bytes(v.y, add_bytes(v.x, row_sum, X()), X()), X()), X());
      }
    }
#pragma unroll
    for (int h = 0; h < depth / 32; h++) {
      u32 fa[tiles_m][4], fb[tiles_n][2];
#pragma unroll
      for (int i = 0; i < tiles_m; i++) ldmatrix_x4(fa[i], a + unit_at(warp_m * warp_rows + i * 16 + lane % 16, 2 * h + lane / 16));
#pragma unroll
      for (int j = 0; j < tiles_n; j += 2) {
        u32 two[4];
        ldmatrix_x4(two, b + unit_at(warp_n * 32 + j * 8 + lane % 8 + lane / 16 * 8, 2 * h + lane / 8 % 2));
        fb[j][0] = two[0] ^ flip;
        fb[j][1] = two[1] ^ flip;
        fb[j + 1][0] = two[2] ^ flip;
        fb[j + 1][1] = two[3] ^ flip;
      }
#pragma unroll
      for (int i = 0; i < tiles_m; i++)
#pragma unroll
        for (int j = 0; j < tiles_n; j++) mma<X>(acc[i][j], fa[i], fb[j]);
    }
  }
  cp_async_wait<0>();
  __syncthreads();
  // The sums go through shared memory, half of the rows at a time, so that a
  // thread has eight neighbours and writes are whole.
  constexpr int stride = side + 8;
  int* staged = reinterpret_cast<int*>(memory);
  int* row_sums = staged + warp_rows * stride;
  static_assert((warp_rows * stride + side) * 4 <= stages * 2 * tile_bytes, "");
  row_sum += __shfl_xor_sync(all_lanes, row_sum, 1);
  if (thread % 2 == 0) row_sums[thread / 2] = row_sum;
#pragma unroll 1
  for (int pass = 0; pass < warps_m; pass++) {
    if (warp_m == pass) {
#pragma unroll
      for (int i = 0; i < tiles_m; i++)
#pragma unroll
        for (int j = 0; j < tiles_n; j++)
#pragma unroll
          for (int h = 0; h < 2; h++)
            *reinterpret_cast<int2*>(staged + (i * 16 + h * 8 + lane / 4) * stride + warp_n * 32 + j * 8 + lane % 4 * 2) =
                make_int2(acc[i][j][2 * h], acc[i][j][2 * h + 1]);
    }
    __syncthreads();
#pragma unroll 1
    for (int s = thread; s < warp_rows * (side / 8); s += side * 2) {
      int r = s / (side / 8), c = s % (side / 8) * 8;
      int y = row + pass * warp_rows + r, count = min(n - col - c, 8);
      if (y >= m || count <= 0) continue;
      int v[8];
      int4 four = *reinterpret_cast<int4*>(staged + r * stride + c);
      v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
      four = *reinterpret_cast<int4*>(staged + r * stride + c + 4);
      v[4] = four.x, v[5] = four.y, v[6] = four.z, v[7] = four.w;
      store_results(e, out, columns + col + c, v, zeros ? row_sums[pass * warp_rows + r] : 0, (top + y) * out.n + base + col + c, count);
    }
    if (E::collects)
      collect_tile<side, warp_rows, stride>(e, out, columns + col, staged, row_sums + pass * warp_rows, m - row - pass * warp_rows, n - col, base + col);
    __syncthreads();
  }
}

// conv_product is a tile of a convolution as a product of patches and weights.
template <int side, class X, class E>
__device__ __forceinline__ void conv_product(const results& out, const u8* x, const u8* w, const column* columns, const geometry& g, const int* zx,
                                             const float* sy, const int* zy, const rule_of& rule, int zeros, u32 flip) {
  int row = (int)blockIdx.x * side, col = (int)blockIdx.y * side, group = blockIdx.z;
  int k = g.taps();
  E e(rule, sy, zy);
  patches_of<side> left(x, g, group, row, zx);
  rows_of<side> right(w + (i64)group * g.og * k, k, 1, col, g.og, k);
  product<side, X>(e, out, columns + group * g.og, left, right, row, col, g.rows(), g.og, k, 0, group * g.og, zeros != 0, flip);
}

// direct_sums finds count sums of neighbouring channels from channel o of a row
// on, in a convolution with few channels a group, where each is of a few
// products. The channels go on in the next row; together says that each has one
// input, and that four of those lie as a word.
template <class X>
__device__ __forceinline__ void direct_sums(int (&acc)[lane_elements], const u8* x, const u8* w, const column* columns, const geometry& g, int zero, int w_unsigned,
                                            bool together, int row, int o, int count) {
  int k = g.taps();
  window v = window_at(g, row);
  if (together) {
    int zw[lane_elements];
    for (int j = 0; j < lane_elements; j++) zw[j] = columns[o + j].zero;
#pragma unroll 1
    for (int a = 0; a < g.kh; a++) {
      int y = v.y + a * g.dh;
      if ((u32)y >= (u32)g.h) continue;
#pragma unroll 1
      for (int b = 0; b < g.kw; b++) {
        int c = v.x + b * g.dw;
        if ((u32)c >= (u32)g.w) continue;
        u32 four = *reinterpret_cast<const u32*>(x + (v.image + (i64)y * g.w + c) * g.c + o);
        const u8* p = w + (i64)o * k + a * g.kw + b;
#pragma unroll
        for (int j = 0; j < lane_elements; j++) {
          int s = p[(i64)j * k];
          acc[j] += ((int)(X)(four >> 8 * j) - zero) * ((w_unsigned ? s : (int)(i8)s) - zw[j]);
        }
      }
    }
    return;
  }
#pragma unroll 1
  for (int j = 0; j < lane_elements; j++) {
    if (j >= count) break;
    int zw = columns[o].zero;
    const u8* p = w + (i64)o * k;
    i64 first = (i64)(o / g.og) * g.cg;
    int sum = 0;
    for (int a = 0; a < g.kh; a++) {
      int y = v.y + a * g.dh;
      if ((u32)y >= (u32)g.h) continue;
      for (int b = 0; b < g.kw; b++) {
        int c = v.x + b * g.dw;
        if ((u32)c >= (u32)g.w) continue;
        const u8* q = x + (v.image + (i64)y * g.w + c) * g.c + first;
        const u8* r = p + (a * g.kw + b) * g.cg;
        for (int d = 0; d < g.cg; d++) sum += ((int)(X)q[d] - zero) * ((w_unsigned ? (int)r[d] : (int)(i8)r[d]) - zw);
      }
    }
#pragma unroll
    for (int q = 0; q < lane_elements; q++) acc[q] = q == j ? sum : acc[q]; // In registers.
    if (++o == g.o && j + 1 < count) {
      o = 0;
      v = window_at(g, ++row);
    }
  }
}

// direct_words reports whether direct_sums may read four channels as a word.
__device__ __forceinline__ bool direct_words(const geometry& g, const u8* x) { return g.cg == 1 && g.og == 1 && g.o % 4 == 0 && aligned(x, 4); }

// conv_direct is a convolution of direct_sums: four results a thread.
template <class X, class E>
__device__ __forceinline__ void conv_direct(const results& out, const u8* x, const u8* w, const column* columns, const geometry& g, const int* zx,
                                            const float* sy, const int* zy, const rule_of& rule, int w_unsigned) {
  typedef typename E::type T;
  E e(rule, sy, zy);
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  i64 n = (i64)g.rows() * g.o;
  int zero = zx ? zx[0] : 0;
  bool together = direct_words(g, x);
  bool vector = aligned(out.y, 4 * sizeof(T));
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    int acc[lane_elements] = {};
    if (count > 0) {
      int row = (int)(i / g.o), o = (int)(i - (i64)row * g.o);
      direct_sums<X>(acc, x, w, columns, g, zero, w_unsigned, together, row, o, count);
    }
    u32 nibble = 0;
    quad<T> results4 = {};
#pragma unroll
    for (int j = 0; j < lane_elements; j++) {
      if (j >= count) break;
      column c = columns[(i + j) % g.o];
      bool in = false;
      results4.v[j] = e.finish((int)((u32)acc[j] + (u32)c.add), c, in);
      nibble |= (u32)in << j;
    }
    if (out.y) {
      T* y = static_cast<T*>(out.y) + i;
      if (vector && count == lane_elements) {
        *reinterpret_cast<quad<T>*>(y) = results4;
      } else {
        for (int j = 0; j < lane_elements; j++)
          if (j < count) y[j] = results4.v[j];
      }
    }
    if (E::masks && out.mask) store_mask(out.mask, at, n, nibble);
  }
}

// collect_direct is conv_direct that collects.
template <class X>
__device__ __forceinline__ void collect_direct(const results& out, const u8* x, const u8* w, const column* columns, const geometry& g, const int* zx, int w_unsigned,
                                               int quads) {
  rule_of none = {};
  reals e(none, nullptr, nullptr);
  int zero = zx ? zx[0] : 0;
  bool together = direct_words(g, x);
  collect_quads(e, out, columns, g.rows(), quads, [&](i64 row, int c, int count, int(&acc)[lane_elements], int&) {
    direct_sums<X>(acc, x, w, columns, g, zero, w_unsigned, together, (int)row, c, count);
  });
}

// matrix_product is a tile of a stack of products.
template <int side, class X, class E>
__device__ __forceinline__ void matrix_product(const results& out, const u8* a, const u8* b, const column* columns, const stack& s, const factors& f,
                                               const float* sy, const int* zy, const rule_of& rule, u32 flip) {
  int row = (int)blockIdx.x * side, col = (int)blockIdx.y * side;
  E e(rule, sy, zy);
  for (int i = blockIdx.z; i < s.count; i += gridDim.z) {
    i64 at_a, at_b;
    s.find(i, &at_a, &at_b);
    rows_of<side> left(a + at_a * f.a_matrix, f.a_row, f.a_step, row, f.m, f.k);
    rows_of<side> right(b + at_b * f.b_matrix, f.b_row, f.b_step, col, f.n, f.k);
    product<side, X>(e, out, columns + at_b * f.n, left, right, row, col, f.m, f.n, f.k, (i64)i * f.m, 0, f.zeros != 0, flip);
  }
}

#define CODE_COLUMNS(name, E)                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(128) name##_columns(column* to, const u8* w, weights s, const int* zx, const int* zw, int zws, \
                                                                   const float* sx, const float* sw, int sws, const float* sy,                 \
                                                                   const void* bias, rule_of rule, int direct, u32* nan) {                     \
    fill_columns<E>(to, w, s, zx, zw, zws, sx, sw, sws, sy, bias, rule, direct, nan);                                                          \
  }

#define CONV_PRODUCT(name, side, X, E)                                                                                                             \
  extern "C" __global__ void __launch_bounds__(2 * side) name(results out, const u8* x, const u8* w, const column* columns, geometry g,            \
                                                              const int* zx, const float* sy, const int* zy, rule_of rule, int zeros, u32 flip) { \
    conv_product<side, X, E>(out, x, w, columns, g, zx, sy, zy, rule, zeros, flip);                                                                \
  }
#define CONV_DIRECT(name, X, E)                                                                                                                   \
  extern "C" __global__ void __launch_bounds__(256) name(results out, const u8* x, const u8* w, const column* columns, geometry g, const int* zx, \
                                                         const float* sy, const int* zy, rule_of rule, int w_unsigned) {                          \
    conv_direct<X, E>(out, x, w, columns, g, zx, sy, zy, rule, w_unsigned);                                                                       \
  }
// CODE_CONV makes the kernels of a convolution with epilogue E.
#define CODE_CONV(name, E)                   \
  CODE_COLUMNS(name, E)                      \
  CONV_PRODUCT(name##_64_i8, 64, i8, E)      \
  CONV_PRODUCT(name##_64_u8, 64, u8, E)      \
  CONV_PRODUCT(name##_128_i8, 128, i8, E)    \
  CONV_PRODUCT(name##_128_u8, 128, u8, E)    \
  CONV_DIRECT(name##_direct_i8, i8, E)       \
  CONV_DIRECT(name##_direct_u8, u8, E)

#define MATRIX_PRODUCT(name, side, X, E)                                                                                                        \
  extern "C" __global__ void __launch_bounds__(2 * side, side == 64 ? 3 : 1) name(results out, const u8* a, const u8* b, const column* columns, stack s, factors f, \
                                                              const float* sy, const int* zy, rule_of rule, u32 flip) {                         \
    matrix_product<side, X, E>(out, a, b, columns, s, f, sy, zy, rule, flip);                                                                   \
  }
// CODE_MATMUL makes the kernels of a product of matrices with epilogue E.
#define CODE_MATMUL(name, E)                   \
  CODE_COLUMNS(name, E)                        \
  MATRIX_PRODUCT(name##_64_i8, 64, i8, E)      \
  MATRIX_PRODUCT(name##_64_u8, 64, u8, E)      \
  MATRIX_PRODUCT(name##_128_i8, 128, i8, E)    \
  MATRIX_PRODUCT(name##_128_u8, 128, u8, E)
