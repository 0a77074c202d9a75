// bias_grad: the column sums of dy [rows, columns] in two stages. 4 bytes an
// element.
//
// Targets: 75
#include "columns.cuh"

extern "C" __global__ void __launch_bounds__(256) bias_grad_chunks(double* parts, const float* dy, row_blocks b, int columns) {
  column_blocks<1, 0>(parts, b, columns, [&](i64 row, int column, float* v, double*) { v[0] = dy[row * columns + column]; });
}

extern "C" __global__ void __launch_bounds__(256) bias_grad(float* db, const double* parts, int chunks, int columns) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column < columns) db[column] = (float)column_total<1>(parts, chunks, columns, 0, column);
}
