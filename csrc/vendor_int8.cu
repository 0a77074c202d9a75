// vendor_int8: what a product of matrices by a vendor's library needs before and
// behind it: the library multiplies int8 alone, in its orders, to int32 sums.
// Packing moves 2 bytes a code, finishing 4 bytes a sum and the result.
//
// Targets: 75
#include "code_results.cuh"

// Orders of matrices, by cuBLASLt's numbers.
constexpr int order_rows = 0;
constexpr int order_col32 = 2;
constexpr int order_turing = 3;  // COL4_4R2_8C

// packing is how a matrix of rows x k codes becomes one of rows_to x k_to, zeros
// behind.
struct packing {
  i64 row, step;  // of the source
  i64 length;     // of a row, or of 32 columns of all rows
  int rows, k, rows_to, k_to, order;
  u32 flip;  // what makes four codes int8
};

// packed_at is where column c of row r lies; four columns are neighbours in all
// orders.
__device__ __forceinline__ i64 packed_at(int order, i64 length, int r, int c) {
  if (order == order_rows) return r * length + c;
  i64 at = c / 32 * length;
  c %= 32;
  if (order == order_col32) return at + (i64)r * 32 + c;
  if (order == order_turing) return at + (i64)(r / 8) * 256 + r % 2 * 128 + c / 8 * 32 + c % 8 / 4 * 16 + r % 8 / 2 * 4 + c % 4;
  return at + (i64)(r / 32) * 1024 + ((r % 8 / 2 * 4 + r % 32 / 8) * 2 + r % 2) * 32 + c;
}

// A thread packs 16 columns of a row. In the orders of 32 columns, threads go
// down the rows. *zero_to becomes the zero point of flipped codes.
extern "C" __global__ void __launch_bounds__(256) vendor_int8_pack(u8* to, const u8* x, packing p, int* zero_to, const int* zero) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
  if (thread == 0 && zero_to) zero_to[0] = (zero ? zero[0] : 0) - (p.flip ? 128 : 0);
  int units = (p.k_to + 15) / 16;
  bool vector = p.step == 1 && aligned(x, 16) && p.row % 16 == 0, words = p.step == 1 && aligned(x, 4) && p.row % 4 == 0;
  bool whole = p.order != order_turing && p.length % 16 == 0 && aligned(to, 16);
  for (i64 i = thread; i < (i64)p.rows_to * units; i += threads) {
    int r, c;
    if (p.order == order_rows) {
      r = (int)(i / units), c = (int)(i % units) * 16;
    } else {
      i64 pair = i / 2;
      r = (int)(pair % p.rows_to), c = (int)(pair / p.rows_to) * 32 + (int)(i % 2) * 16;
    }
    u32 v[4] = {};
    if (r < p.rows && c < p.k) {
      const u8* from = x + r * p.row + c * p.step;
      if (vector && c + 16 <= p.k) {
        uint4 w = *reinterpret_cast<const uint4*>(from);
        v[0] = w.x ^ p.flip, v[1] = w.y ^ p.flip, v[2] = w.z ^ p.flip, v[3] = w.w ^ p.flip;
      } else {
#pragma unroll
        for (int q = 0; q < 4; q++) {
          if (words && c + 4 * q + 4 <= p.k) {
            v[q] = reinterpret_cast<const u32*>(from)[q] ^ p.flip;
            continue;
          }
#pragma unroll
          for (int b = 0; b < 4; b++)
            if (c + 4 * q + b < p.k) v[q] |= (u32)(u8)(from[(4 * q + b) * p.step] ^ p.flip) << 8 * b;
        }
      }
    }
    if (whole && c + 16 <= p.k_to) {
      *reinterpret_cast<uint4*>(to + packed_at(p.order, p.length, r, c)) = make_uint4(v[0], v[1], v[2], v[3]);
      continue;
    }
#pragma unroll
    for (int q = 0; q < 4; q++)
      if (c + 4 * q < p.k_to) *reinterpret_cast<u32*>(to + packed_at(p.order, p.length, r, c + 4 * q)) = v[q];
  }
}

// frame is where images of h x w x c codes lie in larger ones.
struct frame {
  int n, h, w, c, height, width, channels, top, left;
  u32 flip;
};

// Images with a border of zero points, and channels of zeros behind: 4 of them a
// thread. *zero_to becomes the zero point of flipped codes.
extern "C" __global__ void __launch_bounds__(256) vendor_int8_frame(u8* to, const u8* x, frame f, int* zero_to, const int* zero) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)gridDim.x * blockDim.x;
  int z = zero ? zero[0] : 0;
  if (thread == 0 && zero_to) zero_to[0] = z - (f.flip ? 128 : 0);
  int quads = f.channels / 4;
  bool words = f.c % 4 == 0 && aligned(x, 4);
  u32 border = ((u32)z & 0xffu) * 0x01010101u;
  for (i64 i = thread; i < (i64)f.n * f.height * f.width * quads; i += threads) {
    i64 pixel = i / quads;
    int c = (int)(i % quads) * 4, col = (int)(pixel % f.width) - f.left;
    i64 line = pixel / f.width;
    int row = (int)(line % f.height) - f.top;
    i64 image = line / f.height;
    u32 v = border;
    if ((u32)row < (u32)f.h && (u32)col < (u32)f.w) {
      const u8* p = x + ((image * f.h + row) * f.w + col) * f.c + c;
      if (words && c + 4 <= f.c) {
        v = *reinterpret_cast<const u32*>(p);
      } else {
        v = 0;
        for (int b = 0; b < 4; b++)
          if (c + b < f.c) v |= (u32)p[b] << 8 * b;
      }
    }
    v ^= f.flip;
    if (c + 4 > f.c) v &= c < f.c ? (1u << 8 * (f.c - c)) - 1 : 0u;
    reinterpret_cast<u32*>(to)[i] = v;
  }
}

// Sums of the rows of a matrix of codes, a warp each.
extern "C" __global__ void __launch_bounds__(128) vendor_int8_row_sums(int* to, const u8* x, packing p) {
  int r = (int)(((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size), lane = threadIdx.x % warp_size;
  if (r >= p.rows) return;
  const u8* from = x + r * p.row;
  int sum = 0, k = lane;
  if (p.step == 1 && aligned(from, 4)) {
    for (int j = lane; j < p.k / 4; j += warp_size) sum = add_bytes(reinterpret_cast<const u32*>(from)[j] ^ p.flip, sum, i8());
    k += p.k / 4 * 4;
  }
  for (; k < p.k; k += warp_size) sum += (i8)(from[k * p.step] ^ p.flip);
  sum = warp_sum(sum);
  if (lane == 0) to[r] = sum;
}

// finish makes results of the sums, eight of a row a thread; with real they are
// integers as float32.
template <class E>
__device__ __forceinline__ void finish(const results& out, const i32* acc, const column* columns, const int* row_sums, int rows, i64 length, int order,
                                       int real, const float* sy, const int* zy, const rule_of& rule) {
  E e(rule, sy, zy);
  int n = (int)out.n, units = (n + 7) / 8;
  i64 threads = (i64)gridDim.x * blockDim.x;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < (i64)rows * units; i += threads) {
    int r = (int)(i / units), c = (int)(i % units) * 8, count = min(n - c, 8);
    const i32* p = acc + packed_at(order, length, r, c);
    int v[8] = {};
    // A row's length is a multiple of 4 in every order.
    int4 four = *reinterpret_cast<const int4*>(p);
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    if (count > 4) {
      four = *reinterpret_cast<const int4*>(p + 4);
      v[4] = four.x, v[5] = four.y, v[6] = four.z, v[7] = four.w;
    }
    if (real) {
#pragma unroll
      for (int j = 0; j < 8; j++) v[j] = (int)__int_as_float(v[j]);
    }
    store_results(e, out, columns + c, v, row_sums ? row_sums[r] : 0, (i64)r * n + c, count);
  }
}

#define FINISH(name, E)                                                                                                                              \
  extern "C" __global__ void __launch_bounds__(256) name(results out, const i32* acc, const column* columns, const int* row_sums, int rows,         \
                                                         i64 length, int order, int real, const float* sy, const int* zy, rule_of rule) {                     \
    finish<E>(out, acc, columns, row_sums, rows, length, order, real, sy, zy, rule);                                                                      \
  }
FINISH(vendor_int8_sums, sums)
FINISH(vendor_int8_reals, reals)
FINISH(vendor_int8_codes, codes)

// vendor_int8_reals that collects of the results.
extern "C" __global__ void __launch_bounds__(collected_threads) vendor_int8_reals_collect(results out, const i32* acc, const column* columns, const int* row_sums,
                                                                                          int rows, i64 length, int order, int real, int quads) {
  rule_of none = {};
  reals e(none, nullptr, nullptr);
  collect_quads(e, out, columns, rows, quads, [&](i64 row, int c, int, int(&v)[lane_elements], int& of_row) {
    int4 four = *reinterpret_cast<const int4*>(acc + packed_at(order, length, (int)row, c));
    v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    if (real) {
#pragma unroll
      for (int j = 0; j < lane_elements; j++) v[j] = (int)__int_as_float(v[j]);
    }
    of_row = row_sums ? row_sums[row] : 0;
  });
}

// The number of bytes in which two results differ.
extern "C" __global__ void __launch_bounds__(256) vendor_int8_differ(u32* count, const u8* a, const u8* b, i64 n) {
  i64 threads = (i64)gridDim.x * blockDim.x;
  u32 differ = 0;
  bool vector = aligned(a, 16) && aligned(b, 16);
  for (i64 i = ((i64)blockIdx.x * blockDim.x + threadIdx.x) * 16; i < n; i += threads * 16) {
    if (vector && i + 16 <= n) {
      uint4 x = *reinterpret_cast<const uint4*>(a + i), y = *reinterpret_cast<const uint4*>(b + i);
      if (((x.x ^ y.x) | (x.y ^ y.y) | (x.z ^ y.z) | (x.w ^ y.w)) == 0) continue;
    }
    for (int j = 0; j < 16; j++)
      if (i + j < n) differ += a[i + j] != b[i + j];
  }
  if (differ) atomicAdd(count, differ);
}
