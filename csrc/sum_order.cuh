// The order in which a float32 product adds up the products of a result:
// backend.SumOrder, which says what it is.
#pragma once
#include "common.cuh"

struct sum_order {
  int length;  // terms of a sum
  int depth;   // of a block, counted anew from every multiple of
  int period;
  int part;   // blocks of a part
  int unit;   // blocks that a block of threads sums: all, those of a part, or 1
  int units;  // of a sum

};

// How many blocks sums have: one; several of the same length, but for the last
// of all; or several that are counted anew from each period on.
enum blocks_of { one_block, even_blocks, periodic_blocks };

// block_walk goes over the blocks of a unit: terms up to end, until that is last.
template <blocks_of blocks>
struct block_walk {
  u32 end, last;

  __device__ __forceinline__ block_walk(const sum_order& o, int unit, int* from) {
    *from = start(o, unit * o.unit);
    last = start(o, (unit + 1) * o.unit);
    if (blocks == periodic_blocks) period_end = ((u32)*from + (u32)o.period - 1) / (u32)o.period * (u32)o.period;
    next(o, *from);
  }
  // next moves to the block that starts with term at.
  __device__ __forceinline__ void next(const sum_order& o, u32 at) {
    end = last;
    if (blocks == one_block) return;
    end = min(at + (u32)o.depth, end);
    if (blocks == even_blocks) return;
    if (at == period_end) period_end += (u32)o.period;
    end = min(end, period_end);
  }

 private:
  u32 period_end;

  static __device__ __forceinline__ int start(const sum_order& o, int block) {
    if (blocks == one_block) return block == 0 ? 0 : o.length;
    i64 at = (i64)block * o.depth;
    if (blocks == periodic_blocks) {
      int each = (o.period - 1) / o.depth + 1;
      at = (i64)(block / each) * o.period + (i64)(block % each) * o.depth;
    }
    return (int)min(at, (i64)o.length);
  }
};

// nothing is what a sum starts from: x + -0 is x, also for x = -0.
constexpr float nothing = -0.0f;

// sum_blocks adds up the sums of units, n results each, which lie one after
// another, and the bias, of which there are so many columns.
__device__ __forceinline__ void sum_blocks(float* y, const float* sums, const float* bias, int columns, const sum_order& o, i64 n) {
  int each = o.part / o.unit, parts = (o.units - 1) / each + 1;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += (i64)gridDim.x * blockDim.x) {
    float offset = bias ? bias[i % columns] : nothing, total = nothing;
    for (int p = 0; p < parts; p++) {
      float sum = parts == 1 ? offset : nothing;
      int end = min((p + 1) * each, o.units);
#pragma unroll 4
      for (int u = p * each; u < end; u++) sum = __fadd_rn(sum, sums[u * n + i]);
      total = __fadd_rn(total, sum);
    }
    y[i] = parts == 1 ? total : __fadd_rn(total, offset);
  }
}
