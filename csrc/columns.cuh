// Sums over the rows of a matrix [rows, columns], one a column, in two stages:
// a block sums a chunk of rows for 32 columns, and a thread a column then adds
// the chunks in order. All in float64, in an order that the shape fixes.
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
  for (int c = 0; c < chunks; c++) s += parts[((i64)c * count + i) * columns + column];
  return s;
}
