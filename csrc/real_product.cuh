// Products of matrices in float32, c[m,n] = sum over k of a[m,k] * b[k,n] with
// the sums in the order of sum_order.cuh, on tiles in shared memory. An operand is read
// through a struct that knows where its elements are, so that patches of
// images are never written down, and which may be codes that stand for
// scale * (code - zero).
#pragma once
#include "elements.cuh"
#include "geometry.cuh"
#include "sum_order.cuh"

// operand is a float tensor, or codes.
struct operand {
  const void* p;
  const float* scale;  // of codes: one, or one a channel
  const int* zero;     // null for 0
  int type;            // 0 float32, 1 int8, 2 uint8
  int channels;        // scales
};

// values reads an operand; the scale of a channel is left to scale_of.
struct values {
  const float* real;
  const u8* codes;
  const float* scales;
  float one;  // scale, 1 where there is one a channel
  int zero, is_signed, channels;

  __device__ __forceinline__ values(const operand& o) {
    real = o.type == 0 ? static_cast<const float*>(o.p) : nullptr;
    codes = static_cast<const u8*>(o.p);
    is_signed = o.type == 1;
    channels = o.type == 0 ? 1 : o.channels;
    scales = o.scale;
    zero = o.type != 0 && o.zero ? o.zero[0] : 0;
    one = o.type != 0 && channels == 1 ? o.scale[0] : 1.0f;
  }
  __device__ __forceinline__ float at(i64 i) const {
    if (real) return real[i];
    int c = codes[i];
    return __fmul_rn((float)((is_signed ? (int)(i8)c : c) - zero), one);
  }
  // scale_of is the factor of a channel that at leaves out.
  __device__ __forceinline__ float scale_of(int channel) const { return channels > 1 ? scales[channel] : 1.0f; }
};

// The operands. row_at makes ready row r (of b: column r), step_at element k
// of the sums, and at reads where they meet; along says that elements of
// neighbouring k lie together, else those of neighbouring rows.

// plain is a matrix with strides.
template <bool together>
struct plain {
  static constexpr bool along = together;
  typedef i64 row;
  struct step {
    i64 at;
    float scale;
  };
  values v;
  i64 start, row_stride, step_stride;
  int step_channels;  // the channels of codes lie along k

  __device__ __forceinline__ row row_at(int r) const { return start + r * row_stride; }
  __device__ __forceinline__ step step_at(int k) const { return {k * step_stride, step_channels ? v.scale_of(k) : 1.0f}; }
  __device__ __forceinline__ float at(const row& r, const step& s) const {
    float f = v.at(r + s.at);
    return step_channels ? __fmul_rn(f, s.scale) : f;
  }
};

// patches has the inputs under the kernel, a row for each position of the
// output.
struct patches {
  static constexpr bool along = true;
  typedef window row;
  typedef tap step;
  values v;
  const geometry& g;
  int first;  // channel of the group

  __device__ __forceinline__ row row_at(int r) const { return window_at(g, r); }
  __device__ __forceinline__ step step_at(int k) const { return tap_at(k, g.kw, g.cg); }
  __device__ __forceinline__ float at(const window& w, const tap& t) const {
    int y = w.y + t.a * g.dh, x = w.x + t.b * g.dw;
    if ((u32)y >= (u32)g.h || (u32)x >= (u32)g.w) return 0;
    return v.at((w.image + (i64)y * g.w + x) * g.c + first + t.c);
  }
};

// patches_across is the same matrix the other way: rows are taps.
struct patches_across {
  static constexpr bool along = false;
  typedef tap row;
  typedef window step;
  patches p;

  __device__ __forceinline__ row row_at(int r) const { return p.step_at(r); }
  __device__ __forceinline__ step step_at(int k) const { return p.row_at(k); }
  __device__ __forceinline__ float at(const tap& t, const window& w) const { return p.at(w, t); }
};

// results_of has the gradients of all results that an input is part of, a row
// for each pixel of the input, k over [kh, kw, channels of the group's output].
struct results_of {
  static constexpr bool along = true;
  typedef window row;
  typedef tap step;
  const float* dy;
  const geometry& g;
  int first;  // output channel of the group

  __device__ __forceinline__ row row_at(int r) const {
    int line = r / g.w;
    window v;
    v.x = r - line * g.w + g.left;
    int image = line / g.h;
    v.y = line - image * g.h + g.top;
    v.image = (i64)image * g.oh * g.ow;
    return v;
  }
  __device__ __forceinline__ step step_at(int k) const { return tap_at(k, g.kw, g.og); }
  __device__ __forceinline__ float at(const window& w, const tap& t) const {
    int y = w.y - t.a * g.dh, x = w.x - t.b * g.dw;
    if (y < 0 || x < 0) return 0;
    int i = y / g.sh, j = x / g.sw;
    if (i >= g.oh || j >= g.ow || i * g.sh != y || j * g.sw != x) return 0;
    return dy[(w.image + (i64)i * g.ow + j) * g.o + first + t.c];
  }
};

// kernels is the weight of a group for results_of: rows are input channels.
struct kernels {
  static constexpr bool along = false;
  typedef int row;
  struct step {
    i64 at;
    float scale;
  };
  values v;
  const geometry& g;
  int first;  // output channel of the group

  __device__ __forceinline__ row row_at(int r) const { return r; }
  __device__ __forceinline__ step step_at(int k) const {
    tap t = tap_at(k, g.kw, g.og);
    int o = first + t.c;
    return {(((i64)o * g.kh + t.a) * g.kw + t.b) * g.cg, v.scale_of(o)};
  }
  __device__ __forceinline__ float at(int c, const step& s) const { return __fmul_rn(v.at(s.at + c), s.scale); }
};

// Tiles of 64 x 64 results by 256 threads with 4 x 4 each, 16 of k at a time.
constexpr int tile = 64;
constexpr int tile_depth = 16;
constexpr int tile_threads = 256;

// fill brings k [from, to) of rows [first, count) of an operand to shared
// memory: four elements a thread.
template <class A>
struct filler {
  const A& a;
  typename A::row rows[4];
  int first, count;

  __device__ __forceinline__ filler(const A& a, int first, int count) : a(a), first(first), count(count) {
#pragma unroll
    for (int q = 0; q < (A::along ? 4 : 1); q++) rows[q] = a.row_at(min(first + row(q), count - 1));
  }
  __device__ __forceinline__ int row(int q) const { return A::along ? (int)threadIdx.x / tile_depth + q * 16 : (int)threadIdx.x % tile; }
  __device__ __forceinline__ int step(int q) const { return A::along ? (int)threadIdx.x % tile_depth : (int)threadIdx.x / tile + q * 4; }
  __device__ __forceinline__ void load(float (&v)[4], int from, int to) const {
    typename A::step s;
#pragma unroll
    for (int q = 0; q < 4; q++) {
      int k = from + step(q);
      v[q] = 0;
      if (k >= to) continue;
      if (!A::along || q == 0) s = a.step_at(k);
      if (first + row(q) < count) v[q] = a.at(rows[A::along ? q : 0], s);
    }
  }
};

// real_product writes c[y*stride + x] of one tile, the sums of a unit, with
// bias[x] before the first block.
template <blocks_of blocks, class A, class B>
__device__ __forceinline__ void real_product(const A& a, const B& b, float* c, i64 stride, const float* bias, int row, int col, int m, int n, const sum_order& order, int unit) {
  // Rows of 68: what is written with a stride lands in different banks, and
  // four neighbours are still read as one.
  SHARED(float, left, [tile_depth][tile + 4]);
  SHARED(float, right, [tile_depth][tile + 4]);
  filler<A> fa(a, row, m);
  filler<B> fb(b, col, n);
  int ty = threadIdx.x / 16 * 4, tx = threadIdx.x % 16 * 4, k;
  block_walk<blocks> block(order, unit, &k);
  float total[4][4], sum[4][4] = {}, va[4], vb[4];
  // first is what a sum starts from; one of nothing is 0.
  auto first = [&](int j) { return bias && col + tx + j < n ? bias[col + tx + j] : order.length == 0 ? 0.0f : nothing; };
  if (blocks != one_block) {
#pragma unroll
    for (int j = 0; j < 4; j++)
#pragma unroll
      for (int i = 0; i < 4; i++) total[i][j] = first(j);
  }
  fa.load(va, k, block.end);
  fb.load(vb, k, block.end);
#pragma unroll 1
  while (k < (int)block.last) {
#pragma unroll
    for (int q = 0; q < 4; q++) {
      left[fa.step(q)][fa.row(q)] = va[q];
      right[fb.step(q)][fb.row(q)] = vb[q];
    }
    __syncthreads();
    int depth = min((int)block.end - k, tile_depth);
    k += depth;
    bool whole = k == (int)block.end;
    if (whole) block.next(order, k);
    // The next elements are on their way while these are multiplied.
    if (k < (int)block.last) {
      fa.load(va, k, block.end);
      fb.load(vb, k, block.end);
    }
    auto multiply = [&](int d) {
      quad<float> x = *reinterpret_cast<const quad<float>*>(&left[d][ty]), y = *reinterpret_cast<const quad<float>*>(&right[d][tx]);
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) sum[i][j] = fmaf(x.v[i], y.v[j], sum[i][j]);
    };
    if (depth == tile_depth) {
#pragma unroll
      for (int d = 0; d < tile_depth; d++) multiply(d);
    } else {
#pragma unroll 1
      for (int d = 0; d < depth; d++) multiply(d);
    }
    if (blocks != one_block && whole) {
#pragma unroll
      for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
          total[i][j] = __fadd_rn(total[i][j], sum[i][j]);
          sum[i][j] = 0;
        }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    int y = row + ty + i;
    if (y >= m) break;
    float* p = c + y * stride + col + tx;
    quad<float> out;
#pragma unroll
    for (int j = 0; j < 4; j++) out.v[j] = blocks == one_block ? __fadd_rn(first(j), sum[i][j]) : total[i][j];
    if (col + tx + 4 <= n && aligned(p, 16)) {
      *reinterpret_cast<quad<float>*>(p) = out;
    } else {
#pragma unroll
      for (int j = 0; j < 4; j++)
        if (col + tx + j < n) p[j] = out.v[j];
    }
  }
}

// add_parts adds up the parts of a split sum in their order.
__device__ __forceinline__ void add_parts(float* y, const float* parts, int splits, i64 n) {
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    float s = parts[i];
    for (int p = 1; p < splits; p++) s = __fadd_rn(s, parts[p * n + i]);
    y[i] = s;
  }
}
