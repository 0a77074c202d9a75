// bias_grad: the column sums of dy [rows, columns], in float64 in two stages. 4
// bytes an element.
//
// Targets: 75
#include "columns.cuh"

extern "C" __global__ void __launch_bounds__(256) bias_grad_chunks(double* parts, const float* dy, i64 rows, i64 chunk, int columns) {
  column_chunk<1>(parts, rows, chunk, columns, [&](i64 row, int column, double* v) { v[0] = dy[row * columns + column]; });
}

extern "C" __global__ void __launch_bounds__(256) bias_grad(float* db, const double* parts, int chunks, int columns) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column < columns) db[column] = (float)column_total<1>(parts, chunks, columns, 0, column);
}
