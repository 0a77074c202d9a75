// Sums over the rows of a matrix [rows, columns], one a column, in two stages:
// a block sums a chunk of rows for 32 columns, and a thread a column then adds
// the chunks in order. All in float64, but for short blocks of rows where the
// CPU adds them in float32, in an order that the shape fixes.
#pragma once
#include "common.cuh"

constexpr int column_tile = 32;
constexpr int column_lanes = 8;  // rows that a block takes at a time

// column_chunk adds count values of each element of the chunk blockIdx.y to
// parts [chunks, count, columns]. term(row, column, values) writes the values.
// Blocks of column_tile * column_lanes threads.
template <int count, typename F>
__device__ __forceinline__ void column_chunk(double* parts, i64 rows, i64 chunk, int columns, F term) {
  SHARED(double, lanes, [column_lanes][count][column_tile]);
  int x = threadIdx.x % column_tile, y = threadIdx.x / column_tile;
  int column = blockIdx.x * column_tile + x;
  i64 end = min((blockIdx.y + 1) * chunk, rows);
  double sums[count] = {};
  if (column < columns) {
    for (i64 row = blockIdx.y * chunk + y; row < end; row += column_lanes) {
      double v[count];
      term(row, column, v);
#pragma unroll
      for (int i = 0; i < count; i++) sums[i] += v[i];
    }
  }
#pragma unroll
  for (int i = 0; i < count; i++) lanes[y][i][x] = sums[i];
  __syncthreads();
  if (y != 0 || column >= columns) return;
#pragma unroll
  for (int i = 0; i < count; i++) {
    double s = lanes[0][i][x];
    for (int l = 1; l < column_lanes; l++) s += lanes[l][i][x];
    parts[((i64)blockIdx.y * count + i) * columns + column] = s;
  }
}

// column_total adds value i of a column over the chunks.
template <int count>
__device__ __forceinline__ double column_total(const double* parts, int chunks, int columns, int i, int column) {
  double s = 0;
  // Loads of several chunks on their way at a time.
#pragma unroll 8
  for (int c = 0; c < chunks; c++) s += parts[((i64)c * count + i) * columns + column];
  return s;
}

// row_blocks cuts rows into pieces, and those into blocks, the last ones
// shorter: the rows of a block are added in float32 in their order, as package
// backend/cpu does, and blocks in float64. Rows of few columns are added side by
// side where wide is set.
struct row_blocks {
  i64 rows, piece;
  int block, wide, per;  // per: blocks that a block of threads takes
};

// column_blocks is column_chunk with sums in float32 inside of blocks, for the
// first count of the values, and in float64 for the extra ones behind:
// term(row, column, values, extra) writes them.
template <int count, int extra, typename F>
__device__ __forceinline__ void column_blocks(double* parts, const row_blocks& b, int columns, F term) {
  constexpr int all = count + extra;
  SHARED(double, lanes, [column_lanes][all][column_tile]);
  int x = threadIdx.x % column_tile, y = threadIdx.x / column_tile;
  int column = blockIdx.x * column_tile + x;
  i64 each = (b.piece + b.block - 1) / b.block;  // blocks of a piece
  i64 end = min((i64)(blockIdx.y + 1) * b.per, (b.rows + b.piece - 1) / b.piece * each);
  double sums[all] = {};
  if (column < columns) {
    for (i64 u = (i64)blockIdx.y * b.per + y; u < end; u += column_lanes) {
      i64 piece = u / each, first = piece * b.piece + (u - piece * each) * b.block;
      int rows = (int)(min(min(first + b.block, (piece + 1) * b.piece), b.rows) - first);
      if (rows <= 0) continue;
      int side = b.wide && columns < column_tile / 2 ? column_tile / 2 / columns : 1;
      if (rows < 2 * side) side = 1;
      int whole = rows - rows % side;
      float s[count], part[count], v[count];
      double e[extra + 1];
      for (int l = 0; l < side; l++) {
#pragma unroll
        for (int i = 0; i < count; i++) part[i] = 0;
        for (int r = l; r < whole; r += side) {
          term(first + r, column, v, e);
#pragma unroll
          for (int i = 0; i < count; i++) part[i] = __fadd_rn(part[i], v[i]);
#pragma unroll
          for (int i = 0; i < extra; i++) sums[count + i] += e[i];
        }
#pragma unroll
        for (int i = 0; i < count; i++) s[i] = l == 0 ? part[i] : __fadd_rn(s[i], part[i]);
      }
      for (int r = whole; r < rows; r++) {
        term(first + r, column, v, e);
#pragma unroll
        for (int i = 0; i < count; i++) s[i] = __fadd_rn(s[i], v[i]);
#pragma unroll
        for (int i = 0; i < extra; i++) sums[count + i] += e[i];
      }
#pragma unroll
      for (int i = 0; i < count; i++) sums[i] += (double)s[i];
    }
  }
#pragma unroll
  for (int i = 0; i < all; i++) lanes[y][i][x] = sums[i];
  __syncthreads();
  if (y != 0 || column >= columns) return;
#pragma unroll
  for (int i = 0; i < all; i++) {
    double s = lanes[0][i][x];
    for (int l = 1; l < column_lanes; l++) s += lanes[l][i][x];
    parts[((i64)blockIdx.y * all + i) * columns + column] = s;
  }
}
