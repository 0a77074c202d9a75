// Functions of a code by a table: an entry for each of the 256 codes, filled by
// one small block when a step runs, as scales may have changed.
#pragma once
#include "elements.cuh"

// code_of is the code in a byte.
__device__ __forceinline__ int code_of(u32 byte, int is_signed) { return is_signed ? (int)(i8)(u8)byte : (int)(u8)byte; }

// fill_code_table is run by 256 threads: f(code, &inside) returns a code and
// whether it was inside of the range, bit 8 of the entry.
template <typename F>
__device__ __forceinline__ void fill_code_table(u16* table, int is_signed, F f) {
  bool in = false;
  int c = f(code_of(threadIdx.x, is_signed), &in);
  table[threadIdx.x] = (u16)((u32)(u8)c | (u32)in << 8);
}

// map_code_table writes the codes and the mask of the codes x. y or mask may be
// null. Blocks have 256 threads.
__device__ __forceinline__ void map_code_table(u8* y, u8* mask, const u8* x, const u16* table, i64 n) {
  SHARED(u16, entries, [256]);
  entries[threadIdx.x] = table[threadIdx.x];
  __syncthreads();
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  bool vector = aligned(x, 4) && aligned(y, 4);
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    bool whole = vector && count == lane_elements;
    u32 codes = 0, bytes = 0, nibble = 0;
    if (whole) {
      codes = *reinterpret_cast<const u32*>(x + i);
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (k < count) codes |= (u32)x[i + k] << 8 * k;
    }
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      u32 e = entries[codes >> 8 * k & 255];
      bytes |= (e & 255) << 8 * k;
      nibble |= (e >> 8) << k;
    }
    if (y && whole) {
      *reinterpret_cast<u32*>(y + i) = bytes;
    } else if (y) {
      for (int k = 0; k < lane_elements; k++)
        if (k < count) y[i + k] = (u8)(bytes >> 8 * k);
    }
    if (mask) store_mask(mask, at, n, nibble);
  }
}
