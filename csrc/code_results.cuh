// What is done with the int32 sums of products of codes: y, codes or real
// numbers, their mask, and what is collected of them.
//
//	sum((x - zx) * (w - zw)) = sum(x*w) - zx*sum(w) - zw*sum(x) + k*zx*zw
//
// A kernel of *_columns works out, once a run, all that depends on a column
// alone; sums of rows of x are taken on the way where w has zero points.
// Weights of uint8 are made int8 by flipping the top bit: 128 less, as their
// zero point.
#pragma once
#include "collect.cuh"
#include "elements.cuh"
#include "requantize.cuh"

// column is what an epilogue knows of a column of the result.
struct __align__(16) column {
  int add;     // to the sums
  int factor;  // bits of a float32, or a fixed-point multiplier
  int shift;   // of the multiplier, or the bits of a float32 to be added
  int zero;    // point of w
};

// rule_of is the epilogue's attributes.
struct rule_of {
  int rule, requant, lo, hi;
  float real_lo, real_hi;
};

// results is where an epilogue writes. Bits of mask go to whole bytes of mask
// where the rows of each tile are whole bytes, else to words of bits, which
// were cleared.
struct results {
  void* y;
  u8* mask;
  u32* bits;
  i64 n;  // columns of all groups
  collection collected;
};

// add_bytes adds four codes to a sum.
__device__ __forceinline__ int add_bytes(u32 v, int sum, i8) { return dot4((i32)v, 0x01010101, sum); }
__device__ __forceinline__ int add_bytes(u32 v, int sum, u8) { return dot4(v, 0x01010101, sum); }

// Epilogues: each makes a number from an accumulator.

struct sums {
  typedef int type;
  static constexpr bool masks = false, collects = false;
  __device__ __forceinline__ sums(const rule_of&, const float*, const int*) {}
  __device__ __forceinline__ int finish(int acc, const column&, bool&) const { return acc; }
};

struct reals {
  typedef float type;
  static constexpr bool masks = false, collects = false;
  __device__ __forceinline__ reals(const rule_of&, const float*, const int*) {}
  __device__ __forceinline__ float finish(int acc, const column& c, bool&) const {
    return __fadd_rn(__fmul_rn((float)acc, __int_as_float(c.factor)), __int_as_float(c.shift));
  }
};

// collected_reals are reals of which is collected: kernels of their own, as that
// takes registers.
struct collected_reals : reals {
  static constexpr bool collects = true;
  __device__ __forceinline__ collected_reals(const rule_of& a, const float* sy, const int* zy) : reals(a, sy, zy) {}
};

// real_halves are reals rounded to bf16, as their bits.
struct real_halves {
  typedef u16 type;
  static constexpr bool masks = false, collects = false;
  reals r;
  __device__ __forceinline__ real_halves(const rule_of& a, const float* sy, const int* zy) : r(a, sy, zy) {}
  __device__ __forceinline__ u16 finish(int acc, const column& c, bool& in) const { return to_bf16(r.finish(acc, c, in)).bits; }
};

struct codes {
  typedef u8 type;
  static constexpr bool masks = true, collects = false;
  requantizer r;
  __device__ __forceinline__ codes(const rule_of& a, const float* sy, const int* zy) {
    // The bounds of a folded activation narrow the range.
    quantizer q = make_quantizer(a.rule, sy[0], zy[0], a.lo, a.hi);
    int lo = a.lo, hi = a.hi;
    if (__float_as_uint(a.real_lo) != 0xff800000u) lo = code(q, integer(q, a.real_lo));
    if (__float_as_uint(a.real_hi) != 0x7f800000u) hi = code(q, integer(q, a.real_hi));
    r = make_requantizer(a.rule, a.requant, zy[0], lo, hi);
  }
  __device__ __forceinline__ u8 finish(int acc, const column& c, bool& inside) const {
    multiplier m = {c.factor, c.shift};
    int v = requantize(r, acc, m);
    inside = v >= r.lo && v <= r.hi;
    return (u8)min(max(v, r.lo), r.hi);
  }
};

// weights is the right matrix: element k of column c of matrix i at
// p[i*matrix + c*row + k*step].
struct weights {
  i64 row, step, matrix;
  int matrices, n, k;
  int is_unsigned;
  int as_they_are;  // uint8 is multiplied as such
  int shift;        // of x, and so of its zero point
};

// columns fills one column for each of the columns of all matrices: a warp
// each when the elements of a column are neighbours, else a thread each. The
// number of factors that are no finite numbers is added to *nan.
template <class E>
__device__ __forceinline__ void fill_columns(column* to, const u8* w, weights s, const int* zx, const int* zw, int zws, const float* sx, const float* sw,
                                             int sws, const float* sy, const void* bias, rule_of rule, int direct, u32* nan) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  int lane = threadIdx.x % warp_size;
  bool together = s.step == 1;
  i64 i = together ? thread / warp_size : thread;
  if (i >= (i64)s.matrices * s.n) return;
  int c = (int)(i % s.n);
  const u8* p = w + i / s.n * s.matrix + c * s.row;
  u32 flip = s.is_unsigned ? 0x80u : 0u;
  int sum = 0;
  if (!direct) {
    int k = together ? lane : 0, step = together ? warp_size : 1;
    if (together && aligned(p, 4)) {
      u32 flips = flip * 0x01010101u;
      int words = s.k / 4;
      for (int j = lane; j < words; j += warp_size) sum = add_bytes(reinterpret_cast<const u32*>(p)[j] ^ flips, sum, i8());
      k += words * 4;
    }
    for (; k < s.k; k += step) sum += (i8)(p[k * s.step] ^ flip);
    if (together) sum = warp_sum(sum);
  }
  if (together && lane != 0) return;
  int zero = zw ? zw[zws > 1 ? c : 0] : 0;
  if (s.as_they_are) {
    sum = (int)((u32)sum + flip * (u32)s.k);
  } else if (!direct) {
    zero -= (int)flip;
  }
  int zero_x = (zx ? zx[0] : 0) + s.shift;
  column v;
  v.zero = zero;
  v.add = direct ? 0 : (int)((u32)zero_x * ((u32)s.k * (u32)zero - (u32)sum));
  v.factor = v.shift = 0;
  if (E::masks) {
    if (bias) v.add = (int)((u32)v.add + (u32) static_cast<const int*>(bias)[c]);
    bool bad = false;
    multiplier m = make_multiplier(rule.requant, sx[0], sw[sws > 1 ? c : 0], sy[0], &bad);
    v.factor = m.q;
    v.shift = m.shift;
    if (bad) atomicAdd(nan, 1u);
  } else if (sx) {
    v.factor = __float_as_int(__fmul_rn(sx[0], sw[sws > 1 ? c : 0]));
    if (bias) v.shift = __float_as_int(static_cast<const float*>(bias)[c]);
  }
  to[i] = v;
}

// store writes count results of one row from element at on; the sums lack what
// their columns add.
template <class E>
__device__ __forceinline__ void store_results(const E& e, const results& out, const column* columns, const int* acc, int row_sum, i64 at, int count) {
  typedef typename E::type T;
  T v[8];
  u32 inside = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    v[i] = 0;
    if (i >= count) continue;
    column c = columns[i];
    bool in = false;
    v[i] = e.finish((int)((u32)acc[i] + (u32)c.add - (u32)c.zero * (u32)row_sum), c, in);
    inside |= (u32)in << i;
  }
  if (out.y) {
    T* y = static_cast<T*>(out.y) + at;
    if (count == 8 && sizeof(T) == 1 && aligned(y, 8)) {
      u32 w[2] = {};
#pragma unroll
      for (int i = 0; i < 8; i++) w[i / 4] |= (u32)(u8)v[i] << 8 * (i % 4);
      *reinterpret_cast<uint2*>(y) = make_uint2(w[0], w[1]);
    } else if (count == 8 && sizeof(T) == 2 && aligned(y, 16)) {
      u32 w[4] = {};
#pragma unroll
      for (int i = 0; i < 8; i++) w[i / 2] |= (u32)(u16)v[i] << 16 * (i % 2);
      *reinterpret_cast<uint4*>(y) = make_uint4(w[0], w[1], w[2], w[3]);
    } else if (count == 8 && sizeof(T) == 4 && aligned(y, 16)) {
      quad<T> four[2];
#pragma unroll
      for (int i = 0; i < 8; i++) four[i / 4].v[i % 4] = v[i];
      reinterpret_cast<quad<T>*>(y)[0] = four[0];
      reinterpret_cast<quad<T>*>(y)[1] = four[1];
    } else {
#pragma unroll
      for (int i = 0; i < 8; i++)
        if (i < count) y[i] = v[i];
    }
  }
  if (!E::masks) return;
  if (out.mask) out.mask[at / 8] = (u8)inside;
  if (out.bits) {
    int shift = (int)(at % 32);
    u64 word = (u64)inside << shift;
    if ((u32)word) atomicOr(out.bits + at / 32, (u32)word);
    if (word >> 32) atomicOr(out.bits + at / 32 + 1, (u32)(word >> 32));
  }
}

// collect_tile collects of rows x side sums in shared memory, stride of them a
// row, of which count columns and the first some rows are there; channel is
// the first column. Whole blocks of 2*side threads call it: half a warp a column
// takes every other two rows, so that lanes do not meet in a bank.
template <int side, int rows, int stride, class E>
__device__ __forceinline__ void collect_tile(const E& e, const results& out, const column* columns, const int* staged, const int* row_sums, int some, int count,
                                             i64 channel) {
  static_assert(stride % 16 == 8, "");
  int lane = threadIdx.x % warp_size, c = threadIdx.x / warp_size * 16 + lane % 16, first = lane / 16 * 2;
  column v = {};
  if (c < count) {
    v = columns[c];
  } else {
    some = 0;
  }
  tally t;
  extremes x;
#pragma unroll 1
  for (int i = 0; i < rows / 2; i++) {
    int r = i / 2 * 4 + first + i % 2;
    if (r >= some) break;
    int a = (int)((u32)staged[r * stride + c] + (u32)v.add - (u32)v.zero * (u32)row_sums[r]);
    bool in;
    if (out.collected.moments) {
      t.add(a);
    } else {
      x.add(e.finish(a, v, in));
    }
  }
  if (out.collected.moments) {
    t.merge(16);
    if (first == 0 && c < count) t.give(out.collected.moments, out.n, channel + c);
  } else {
    x.give(out.collected.ends);
  }
}

// Kernels that collect without tiles of products have blocks of 256 threads for
// up to 32 channels, four a thread, and collected_rows rows a thread.
constexpr int collected_rows = 4;
constexpr int collected_threads = 256;

// collect_quads makes results of sums and collects of them: sums_at(row, c,
// count, acc, of_row) writes count sums from channel c on, and what its row
// gets for zero points of columns. quads, a power of two up to 8, are the
// threads side by side. Grid: pieces of rows, groups of channels.
template <class F>
__device__ __forceinline__ void collect_quads(const reals& e, const results& out, const column* columns, i64 rows, int quads, F sums_at) {
  constexpr int most = 8 * lane_elements;
  SHARED(int, staged, [collected_threads * lane_elements * collected_rows]);
  SHARED(u64, words, [3][most]);
  SHARED(u32, keys, [2][most]);
  SHARED(u32, ends, [3]);
  int thread = threadIdx.x, width = quads * lane_elements, side = collected_threads / quads;
  if (thread < most) {
    words[0][thread] = words[1][thread] = words[2][thread] = 0;
    keys[0][thread] = keys[1][thread] = 0;
  }
  if (thread < 3) ends[thread] = 0;
  i64 first = (i64)blockIdx.y * width, top = (i64)blockIdx.x * collected_rows * side;  // channel, row
  int place = thread % quads * lane_elements, c = (int)first + place;
  int count = (int)min(max(out.n - c, (i64)0), (i64)lane_elements);
  bool vector = count == lane_elements && out.n % lane_elements == 0 && aligned(out.y, 16);
#pragma unroll 1
  for (int r = thread / quads; r < collected_rows * side; r += side) {
    i64 row = top + r;
    if (row >= rows || count == 0) break;
    int acc[lane_elements] = {}, of_row = 0;
    sums_at(row, c, count, acc, of_row);
    quad<float> y = {};
#pragma unroll
    for (int j = 0; j < lane_elements; j++) {
      if (j >= count) break;
      column v = columns[c + j];
      bool in;
      acc[j] = (int)((u32)acc[j] + (u32)v.add - (u32)v.zero * (u32)of_row);
      y.v[j] = e.finish(acc[j], v, in);
    }
    *reinterpret_cast<int4*>(staged + r * width + place) = make_int4(acc[0], acc[1], acc[2], acc[3]);
    if (!out.y) continue;
    float* to = static_cast<float*>(out.y) + row * out.n + c;
    if (vector) {
      *reinterpret_cast<quad<float>*>(to) = y;
    } else {
      for (int j = 0; j < lane_elements; j++)
        if (j < count) to[j] = y.v[j];
    }
  }
  __syncthreads();
  // A thread has a column now, of which it takes 16 rows.
  int at = thread % width;
  bool valid = first + at < out.n;
  tally t;
  if (valid && out.collected.moments) {
#pragma unroll 1
    for (int r = thread / width; r < collected_rows * side && top + r < rows; r += collected_threads / width) t.add(staged[r * width + at]);
  }
  if (out.collected.ends) {
    extremes x;
    if (valid) {
      column v = columns[first + at];
      bool in;
#pragma unroll 1
      for (int r = thread / width; r < collected_rows * side && top + r < rows; r += collected_threads / width) x.add(e.finish(staged[r * width + at], v, in));
    }
    x.give(ends);
    __syncthreads();
    if (thread < 2 && ends[thread]) atomicMax(out.collected.ends + thread, ends[thread]);
    if (thread == 2 && ends[2]) atomicAdd(out.collected.ends + 2, 1u);
    return;
  }
  for (int d = width; d < warp_size; d *= 2) t.merge(d);
  if (thread % warp_size < width && t.most) {
    atomicAdd(&words[0][at], (u64)t.sum);
    atomicAdd(&words[1][at], t.squares & 0xffffffffull);
    atomicAdd(&words[2][at], t.squares >> 32);
    atomicMax(&keys[0][at], t.least);
    atomicMax(&keys[1][at], t.most);
  }
  __syncthreads();
  if (thread >= width || !keys[1][thread]) return;
  u64* moments = out.collected.moments;
#pragma unroll
  for (int i = 0; i < 3; i++) atomicAdd(moments + i * out.n + first + thread, words[i][thread]);
  u32* all = reinterpret_cast<u32*>(moments + 3 * out.n);
  atomicMax(all + first + thread, keys[0][thread]);
  atomicMax(all + out.n + first + thread, keys[1][thread]);
}
