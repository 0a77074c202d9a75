// Products of codes on the tensor cores of Hopper: the epilogues and results of
// code_results.cuh; code_product.cuh is what other devices and shapes use.
//
// A block of three warpgroups walks over tiles of 128 x 256 or 128 x 128
// results. The first brings tiles of 128 codes along k into a ring in shared
// memory; the two others multiply half of the rows each. wgmma has int8 by
// int8 and uint8 by uint8 (mixed ones need PTX ISA 8.4), and no zero points: where
// x has other codes than w, or w has zero points, x goes through registers,
// which flip its top bit (128 less or more, as is its zero point) and sum up
// its rows.
//
// Targets: 90a
#include "code_product.cuh"
#include "hopper.cuh"

constexpr int tile_m = 128, tile_k = 128;
constexpr int left_bytes = tile_m * tile_k;
constexpr int group_size = 128;           // threads of a warpgroup
constexpr int consumers = 2 * group_size;  // threads that multiply
constexpr int staged_bytes = 4096;        // of a warp

// ring_of is the shared memory for tiles of n columns: stages, then what the
// warps' results go through, then barriers.
template <int n>
struct ring_of {
  static constexpr int stages = n == 256 ? 4 : 6;
  static constexpr int slot = left_bytes + n * tile_k;
  u8* memory;
  u64 *full, *empty;
  __device__ __forceinline__ u8* left(int i) const { return memory + i * slot; }
  __device__ __forceinline__ u8* right(int i) const { return left(i) + left_bytes; }
  __device__ __forceinline__ u8* staged(int warp) const { return memory + stages * slot + warp * staged_bytes; }
};

// cursor is a place in the ring: a slot, and the parity of its phase.
template <int stages>
struct cursor {
  int slot;
  u32 phase;
  __device__ __forceinline__ void advance() {
    if (++slot == stages) slot = 0, phase ^= 1;
  }
};

// problem is what all products of a stack have in common; results of product z
// begin z * matrix after those of the first, with out.n to a row.
struct problem {
  i64 matrix;
  int m, n, k;
  int zeros;  // w has zero points
  u32 flip;   // of four codes of x
  int unused;
};

// place is a tile: its first row and column, and the product it belongs to.
struct place {
  int row, col, z;
};

// places walks the tiles of this block. Blocks that run together have tiles of
// 16 rows of tiles, so that they share what they read.
template <int tile_n>
struct places {
  int rows, cols, count, at;
  __device__ __forceinline__ places(const problem& p, int products)
      : rows((p.m + tile_m - 1) / tile_m), cols((p.n + tile_n - 1) / tile_n), count(rows * cols * products), at(blockIdx.x) {}
  __device__ __forceinline__ bool next(place* to) {
    if (at >= count) return false;
    constexpr int band = 16;
    int z = at / (rows * cols), i = at - z * rows * cols;
    int b = i / (band * cols), r = i - b * band * cols;
    int high = min(band, rows - b * band);
    int col = r / high;
    to->row = (b * band + r - col * high) * tile_m;
    to->col = col * tile_n;
    to->z = z;
    at += gridDim.x;
    return true;
  }
};

// bring_tiles fills the ring with boxes of both matrices; one thread calls it.
template <int tile_n>
__device__ __forceinline__ void bring_tiles(const ring_of<tile_n>& ring, const tensor_map* a, const tensor_map* b, const stack& s, const problem& p) {
  cursor<ring_of<tile_n>::stages> at = {0, 1};  // Waits for a phase before the first return at once.
  places<tile_n> tiles(p, s.count);
  place t;
  while (tiles.next(&t)) {
    i64 at_a, at_b;
    s.find(t.z, &at_a, &at_b);
    for (int k = 0; k < p.k; k += tile_k) {
      mbarrier_wait(&ring.empty[at.slot], at.phase);
      mbarrier_arrive_expect(&ring.full[at.slot], ring_of<tile_n>::slot);
      tma_load(ring.left(at.slot), a, &ring.full[at.slot], k, t.row, (int)at_a);
      tma_load(ring.right(at.slot), b, &ring.full[at.slot], k, t.col, (int)at_b);
      at.advance();
    }
  }
}

// bring_patches fills the ring with the inputs under the kernel, zero points
// outside of the image, by the threads of a warpgroup, 16 neighbouring channels
// each, and with boxes of the weights. A product is a group. It is full two
// steps after its copies have begun.
template <int tile_n>
__device__ __forceinline__ void bring_patches(const ring_of<tile_n>& ring, const u8* images, const tensor_map* b, const geometry& g, const int* zx, const problem& p) {
  constexpr int late = 2, rows = 8;
  u32 pad = (zx ? (u32)zx[0] & 0xffu : 0u) * 0x01010101u;
  int u = threadIdx.x % 8, first = threadIdx.x / 8;
  cursor<ring_of<tile_n>::stages> at = {0, 1}, done = {0, 1};
  int begun = 0;
  places<tile_n> tiles(p, g.groups);
  place t;
  while (tiles.next(&t)) {
    const u8* x = images + (i64)t.z * g.cg;
    window w[rows];
#pragma unroll
    for (int q = 0; q < rows; q++) {
      int row = t.row + first + 16 * q;
      w[q] = window_at(g, row < p.m ? row : 0);
    }
    tap v = tap_at(u * unit, g.kw, g.cg);
    for (int k = 0; k < p.k; k += tile_k) {
      mbarrier_wait(&ring.empty[at.slot], at.phase);
      if (threadIdx.x == 0) {
        mbarrier_arrive_expect(&ring.full[at.slot], tile_n * tile_k);
        tma_load(ring.right(at.slot), b, &ring.full[at.slot], k, t.col, t.z);
      }
      u8* to = ring.left(at.slot) + first * tile_k + (u ^ (first & 7)) * unit;
#pragma unroll
      for (int q = 0; q < rows; q++, to += 16 * tile_k) {
        int y = w[q].y + v.a * g.dh, c = w[q].x + v.b * g.dw;
        bool valid = k + u * unit < p.k;
        if (valid && (u32)y < (u32)g.h && (u32)c < (u32)g.w) {
          cp_async16(to, x + (w[q].image + (i64)y * g.w + c) * g.c + v.c, true);
        } else {
          u32 fill = valid ? pad : 0u;
          *reinterpret_cast<uint4*>(to) = make_uint4(fill, fill, fill, fill);
        }
      }
      cp_async_commit();
      v.advance(tile_k, g.kw, g.cg);
      at.advance();
      if (++begun > late) {
        cp_async_wait<late>();
        mbarrier_arrive(&ring.full[done.slot]);
        done.advance();
      }
    }
  }
  cp_async_wait<0>();
  for (int left = min(begun, late); left > 0; left--) {
    mbarrier_arrive(&ring.full[done.slot]);
    done.advance();
  }
}

// left_rows loads the 16 rows of a warp as wgmma wants them in registers.
template <class B>
__device__ __forceinline__ void left_rows(u32 (&a)[4][4], int (&row_sum)[2], const u8* tile, const problem& p) {
  int lane = threadIdx.x % warp_size;
  int r = (int)(threadIdx.x - group_size) / warp_size * 16 + lane % 16;
#pragma unroll
  for (int h = 0; h < 4; h++) {
    ldmatrix_x4(a[h], tile + r * tile_k + ((2 * h + lane / 16) ^ (r & 7)) * unit);
#pragma unroll
    for (int i = 0; i < 4; i++) a[h][i] ^= p.flip;
  }
  if (!p.zeros) return;
#pragma unroll
  for (int h = 0; h < 4; h++)
#pragma unroll
    for (int i = 0; i < 4; i++) row_sum[i % 2] = add_bytes(a[h][i], row_sum[i % 2], B());
}

// write_chunk makes results of the sums of 16 rows and 32 columns, which the
// warp has staged: four neighbours a lane. Codes go on to bytes, 128 columns
// wide.
template <class E>
__device__ __forceinline__ void write_chunk(const E& e, const results& out, const column* columns, const int* staged, u8* bytes, const int (&row_sum)[2], int row,
                                            int col, int chunk, i64 origin, const problem& p) {
  typedef typename E::type T;
  int lane = threadIdx.x % warp_size;
  int c = col + lane % 8 * 4, count = min(max(p.n - c, 0), 4);
  column info[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    info[i].add = info[i].factor = info[i].shift = info[i].zero = 0;
    if (i < count) info[i] = columns[c + i];
  }
#pragma unroll 1
  for (int q = 0; q < 4; q++) {
    int r = 4 * q + lane / 8;
    // Rows r and r+8 are those of lanes 4r to 4r+3.
    int of_row = __shfl_sync(all_lanes, q < 2 ? row_sum[0] : row_sum[1], r % 8 * 4);
    int4 v = *reinterpret_cast<const int4*>(staged + r * 32 + (lane % 8 ^ (r & 3) << 1) * 4);
    int sum[4] = {v.x, v.y, v.z, v.w};
    quad<T> y;
    u32 inside = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      bool in = false;
      y.v[i] = e.finish((int)((u32)sum[i] + (u32)info[i].add - (u32)info[i].zero * (u32)of_row), info[i], in);
      inside |= (u32)(in && i < count) << i;
    }
    bool valid = row + r < p.m;
    i64 at = origin + (i64)(row + r) * out.n + c;
    if (sizeof(T) == 1) {
      *reinterpret_cast<quad<T>*>(bytes + r * 128 + (chunk % 4 * 2 + lane % 8 / 4 ^ (r & 3) << 1) * unit + lane % 4 * 4) = y;
    } else if (valid && out.y) {
      T* to = static_cast<T*>(out.y) + at;
      if (count == 4 && aligned(to, 4 * sizeof(T))) {
        *reinterpret_cast<quad<T>*>(to) = y;
      } else {
#pragma unroll
        for (int i = 0; i < 4; i++)
          if (i < count) to[i] = y.v[i];
      }
    }
    if (!E::masks) continue;
    u32 word = inside << lane % 8 * 4;
#pragma unroll
    for (int d = 1; d < 8; d <<= 1) word |= __shfl_xor_sync(all_lanes, word, d);
    if (lane % 8 != 0 || !valid || count == 0) continue;
    if (out.mask) {
      u8* to = out.mask + at / 8;
      if (p.n - c >= 32 && aligned(to, 4)) {
        *reinterpret_cast<u32*>(to) = word;
      } else {
        for (int i = 0; i < 32 && i < p.n - c; i += 8, word >>= 8) *to++ = (u8)word;
      }
    }
    if (out.bits) {
      u64 two = (u64)word << at % 32;
      if ((u32)two) atomicOr(out.bits + at / 32, (u32)two);
      if (two >> 32) atomicOr(out.bits + at / 32 + 1, (u32)(two >> 32));
    }
  }
}

// write_bytes writes the codes of 16 rows and 128 columns from column col on.
__device__ __forceinline__ void write_bytes(const results& out, const u8* bytes, int row, int col, int last, i64 origin, const problem& p) {
  int lane = threadIdx.x % warp_size;
  int c = col + lane % 8 * unit, count = min(last - c, unit);
  if (count <= 0) return;
#pragma unroll 1
  for (int r = lane / 8; r < 16 && row + r < p.m; r += 4) {
    const u8* from = bytes + r * 128 + (lane % 8 ^ (r & 3) << 1) * unit;
    u8* to = static_cast<u8*>(out.y) + origin + (i64)(row + r) * out.n + c;
    if (count == unit && aligned(to, unit)) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else if (count % 4 == 0 && aligned(to, 4)) {
      for (int i = 0; i < count; i += 4) *reinterpret_cast<u32*>(to + i) = *reinterpret_cast<const u32*>(from + i);
    } else {
      for (int i = 0; i < count; i++) to[i] = from[i];
    }
  }
}

// What a tile's columns have collected lies behind what the warps stage their
// results in, of which floats leave the half: 32 columns a warp, sums and squares,
// then keys of the least and the greatest.
constexpr int collected_columns = 32;
__device__ __forceinline__ u64* collected_words(u8* staged) { return reinterpret_cast<u64*>(staged + staged_bytes / 2); }
__device__ __forceinline__ u32* collected_keys(u8* staged) { return reinterpret_cast<u32*>(collected_words(staged) + 2 * collected_columns); }

// may_collect says which kernels look at run time whether anything is to be
// collected: they have the registers anyway.
template <class E>
constexpr bool may_collect = false;
template <>
constexpr bool may_collect<reals> = true;

// collect_nothing empties the words of a warp.
__device__ __forceinline__ void collect_nothing(u8* to) {
  int lane = threadIdx.x % warp_size;
#pragma unroll
  for (int i = 0; i < 2; i++) {
    collected_words(to)[i * collected_columns + lane] = 0;
    collected_keys(to)[i * collected_columns + lane] = 0;
  }
}

// collect_chunk collects of what write_chunk writes, a column a lane: for to, or
// of the results for x.
template <class E>
__device__ __forceinline__ void collect_chunk(const E& e, const results& out, const column* columns, const int* staged, u8* to, extremes& x, const int (&row_sum)[2],
                                              int row, int col, const problem& p) {
  int lane = threadIdx.x % warp_size;
  column info = {};
  bool valid = col + lane < p.n;
  if (valid) info = columns[col + lane];
  tally t;
#pragma unroll 1
  for (int r = 0; r < 16; r++) {
    int of_row = __shfl_sync(all_lanes, r < 8 ? row_sum[0] : row_sum[1], r % 8 * 4);
    if (!valid || row + r >= p.m) continue;
    int a = (int)((u32)staged[r * 32 + (lane / 4 ^ (r & 3) << 1) * 4 + lane % 4] + (u32)info.add - (u32)info.zero * (u32)of_row);
    bool in;
    if (to) {
      t.add(a);
    } else {
      x.add(e.finish(a, info, in));
    }
  }
  if (!to || !t.most) return;
  atomicAdd(collected_words(to) + lane, (u64)t.sum);
  atomicAdd(collected_words(to) + collected_columns + lane, t.squares);
  atomicMax(collected_keys(to) + lane, t.least);
  atomicMax(collected_keys(to) + collected_columns + lane, t.most);
}

// collected_tile adds what all rows of a tile have to its columns from channel
// on, a lane each, and empties the words.
__device__ __forceinline__ void collected_tile(const results& out, u8* from, i64 channel, bool valid) {
  int lane = threadIdx.x % warp_size;
  tally t;
  t.sum = (i64)collected_words(from)[lane];
  t.squares = collected_words(from)[collected_columns + lane];
  t.least = collected_keys(from)[lane];
  t.most = collected_keys(from)[collected_columns + lane];
  if (valid) t.give(out.collected.moments, out.n, channel + lane);
  collect_nothing(from);
}

// multiply is what a consumer does: sums of 64 rows a warpgroup, the left rows
// from shared memory or from registers, and the results of 16 rows a warp.
template <int tile_n, class B, bool registers, class E>
__device__ __forceinline__ void multiply(const ring_of<tile_n>& ring, const results& out, const column* columns, const stack& s, const problem& p, const float* sy,
                                         const int* zy, const rule_of& rule) {
  E e(rule, sy, zy);
  int warp = (int)(threadIdx.x - group_size) / warp_size, lane = threadIdx.x % warp_size;
  cursor<ring_of<tile_n>::stages> at = {0, 0};
  int steps = (p.k + tile_k - 1) / tile_k;
  places<tile_n> tiles(p, s.count);
  place t;
  i32 acc[tile_n / 2];
  u32 a[4][4], next[4][4];
  bool moments = may_collect<E> && out.collected.moments, ends = may_collect<E> && out.collected.ends;
  if (moments) collect_nothing(ring.staged(warp));
  while (tiles.next(&t)) {
    int row_sum[2] = {0, 0};
    // A first product that does not add would make ptxas wait for each.
#pragma unroll
    for (int i = 0; i < tile_n / 2; i++) acc[i] = 0;
    if (registers) {
      mbarrier_wait(&ring.full[at.slot], at.phase);
      left_rows<B>(a, row_sum, ring.left(at.slot), p);
#pragma unroll 1
      for (int step = 0; step < steps; step++) {
        wgmma_fence();
#pragma unroll
        for (int h = 0; h < 4; h++) wgmma_k32(acc, a[h], descriptor(ring.right(at.slot) + 32 * h), true, B());
        wgmma_commit();
        int slot = at.slot;
        at.advance();
        if (step + 1 < steps) {
          mbarrier_wait(&ring.full[at.slot], at.phase);
          left_rows<B>(next, row_sum, ring.left(at.slot), p);
        }
        wgmma_wait<0>();
        if (lane == 0) mbarrier_arrive(&ring.empty[slot]);
#pragma unroll
        for (int h = 0; h < 4; h++)
#pragma unroll
          for (int i = 0; i < 4; i++) a[h][i] = next[h][i];
      }
      // What lies beyond k was 0 before its bit was flipped.
      int beyond = (steps * tile_k - p.k) * (int)(B)(p.flip & 0xffu);
#pragma unroll
      for (int i = 0; i < 2; i++) {
        row_sum[i] += __shfl_xor_sync(all_lanes, row_sum[i], 1);
        row_sum[i] += __shfl_xor_sync(all_lanes, row_sum[i], 2);
        row_sum[i] = p.zeros ? row_sum[i] - beyond : 0;
      }
    } else {
      int last = 0;
#pragma unroll 1
      for (int step = 0; step < steps; step++) {
        mbarrier_wait(&ring.full[at.slot], at.phase);
        wgmma_fence();
#pragma unroll
        for (int h = 0; h < 4; h++)
          wgmma_k32(acc, descriptor(ring.left(at.slot) + warp / 4 * 64 * tile_k + 32 * h), descriptor(ring.right(at.slot) + 32 * h), true);
        wgmma_commit();
        wgmma_wait<1>();
        // The step before is done.
        if (step > 0 && lane == 0) mbarrier_arrive(&ring.empty[last]);
        last = at.slot;
        at.advance();
      }
      wgmma_wait<0>();
      if (lane == 0) mbarrier_arrive(&ring.empty[last]);
    }
    i64 at_a, at_b, origin = t.z * p.matrix;
    s.find(t.z, &at_a, &at_b);
    const column* of = columns + at_b * p.n;
    int row = t.row + warp * 16;
    int* staged = reinterpret_cast<int*>(ring.staged(warp));
    u8* bytes = ring.staged(warp) + staged_bytes / 2;
    extremes x;
    if (moments) named_barrier(1, consumers);  // All words are empty.
#pragma unroll 1
    for (int chunk = 0; chunk < tile_n / 32; chunk++) {
      int col = t.col + chunk * 32;
      if (row >= p.m || col >= p.n) break;
      __syncwarp();
#pragma unroll
      for (int q = 0; q < tile_n / 32; q++) {
        if (q != chunk) continue;
#pragma unroll
        for (int i = 0; i < 8; i++) {
          int r = lane / 4 + i % 2 * 8, u = i / 2 * 2 + lane % 4 / 2;
          *reinterpret_cast<int2*>(staged + r * 32 + (u ^ (r & 3) << 1) * 4 + lane % 2 * 2) = make_int2(acc[q * 16 + i / 2 * 4 + i % 2 * 2], acc[q * 16 + i / 2 * 4 + i % 2 * 2 + 1]);
        }
      }
      __syncwarp();
      write_chunk(e, out, of, staged, bytes, row_sum, row, col, chunk, origin, p);
      if (may_collect<E> && (moments || ends))
        collect_chunk(e, out, of, staged, moments ? ring.staged(chunk) : nullptr, x, row_sum, row, col, p);
      if (sizeof(typename E::type) == 1 && out.y && (chunk % 4 == 3 || col + 32 >= p.n)) {
        __syncwarp();
        write_bytes(out, bytes, row, col - chunk % 4 * 32, min(col + 32, p.n), origin, p);
      }
    }
    if (moments) {
      named_barrier(1, consumers);  // All rows are in.
      int col = t.col + warp * collected_columns;
      if (warp < tile_n / collected_columns) collected_tile(out, ring.staged(warp), origin + col, col + lane < p.n);
    } else if (ends) {
      x.give(out.collected.ends);
    }
  }
}

// open_ring lays out shared memory; arrivals fill a slot.
template <int tile_n>
__device__ __forceinline__ ring_of<tile_n> open_ring(u8* memory, int arrivals) {
  u64* full = reinterpret_cast<u64*>(memory + ring_of<tile_n>::stages * ring_of<tile_n>::slot + consumers / warp_size * staged_bytes);
  u64* empty = full + ring_of<tile_n>::stages;
  if (threadIdx.x == 0) {
    for (int i = 0; i < ring_of<tile_n>::stages; i++) {
      mbarrier_init(&full[i], arrivals);
      mbarrier_init(&empty[i], consumers / warp_size);
    }
    mbarrier_fence();
  }
  __syncthreads();
  ring_of<tile_n> ring = {memory, full, empty};
  return ring;
}

template <int tile_n, class B, bool registers, class E>
__device__ __forceinline__ void matrix_tiles(const results& out, const tensor_map* a, const tensor_map* b, const column* columns, const stack& s, const problem& p,
                                             const float* sy, const int* zy, const rule_of& rule) {
  SHARED_DYNAMIC(u8, memory);
  ring_of<tile_n> ring = open_ring<tile_n>(memory, 1);
  if (threadIdx.x < group_size) {
    registers_less<40>();
    if (threadIdx.x == 0) bring_tiles(ring, a, b, s, p);
  } else {
    registers_more<232>();
    multiply<tile_n, B, registers, E>(ring, out, columns, s, p, sy, zy, rule);
  }
}

template <int tile_n, class E>
__device__ __forceinline__ void conv_tiles(const results& out, const u8* x, const tensor_map* b, const column* columns, const geometry& g, const int* zx,
                                           const problem& p, const float* sy, const int* zy, const rule_of& rule) {
  SHARED_DYNAMIC(u8, memory);
  // The threads that copy, and the one of them that starts the other copy.
  ring_of<tile_n> ring = open_ring<tile_n>(memory, group_size + 1);
  if (threadIdx.x < group_size) {
    registers_less<72>();
    bring_patches(ring, x, b, g, zx, p);
  } else {
    registers_more<216>();
    stack s = {};
    s.count = g.groups;
#pragma unroll
    for (int d = 0; d < stack_dims; d++) s.dims[d] = 1;
    s.dims[0] = g.groups;
    s.a[0] = s.b[0] = 1;
    multiply<tile_n, i8, true, E>(ring, out, columns, s, p, sy, zy, rule);
  }
}

#define MATRIX_TILES(name, n, B, registers, E)                                                                                                          \
  extern "C" __global__ void __launch_bounds__(384, 1) name(results out, const __grid_constant__ tensor_map a, const __grid_constant__ tensor_map b,      \
                                                            const column* columns, stack s, problem p, const float* sy, const int* zy, rule_of rule) {    \
    matrix_tiles<n, B, registers, E>(out, &a, &b, columns, s, p, sy, zy, rule);                                                                          \
  }
#define CONV_TILES(name, n, E)                                                                                                                            \
  extern "C" __global__ void __launch_bounds__(384, 1) name(results out, const u8* x, const __grid_constant__ tensor_map b, const column* columns,        \
                                                            geometry g, const int* zx, problem p, const float* sy, const int* zy, rule_of rule) {         \
    conv_tiles<n, E>(out, x, &b, columns, g, zx, p, sy, zy, rule);                                                                                       \
  }
// Kernels for tiles of n columns with epilogue E: matrices of int8 without zero
// points, with x through registers for int8 and for uint8 weights, and
// convolutions with int8 weights.
#define CODE_TILES(E, n)                             \
  MATRIX_TILES(wgmma_matmul_##E##_##n, n, i8, false, E)    \
  MATRIX_TILES(wgmma_matmul_##E##_##n##_i8, n, i8, true, E) \
  MATRIX_TILES(wgmma_matmul_##E##_##n##_u8, n, u8, true, E) \
  CONV_TILES(wgmma_conv_##E##_##n, n, E)

CODE_TILES(sums, 256)
CODE_TILES(sums, 128)
CODE_TILES(reals, 256)
CODE_TILES(reals, 128)
CODE_TILES(codes, 256)
CODE_TILES(codes, 128)
