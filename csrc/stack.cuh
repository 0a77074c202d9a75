// Stacks of matrices that are broadcast to each other.
#pragma once
#include "common.cuh"

constexpr int stack_dims = 6;

// stack says which matrices belong to product i: those at the sums of its
// indices times the strides.
struct stack {
  int dims[stack_dims];              // innermost first
  int a[stack_dims], b[stack_dims];  // strides in matrices
  int count;                         // of products

  __device__ __forceinline__ void find(int i, i64* at_a, i64* at_b) const {
    *at_a = *at_b = 0;
#pragma unroll
    for (int d = 0; d < stack_dims; d++) {
      int next = i / dims[d], j = i - next * dims[d];
      *at_a += (i64)j * a[d];
      *at_b += (i64)j * b[d];
      i = next;
    }
  }
};

// factors are the strides of the operands of a product of matrices, in
// elements: of a row of a and a column of b, of a step of k, of a matrix.
struct factors {
  i64 a_row, a_step, a_matrix, b_row, b_step, b_matrix;
  int m, n, k;
  int zeros;  // b has zero points
};
