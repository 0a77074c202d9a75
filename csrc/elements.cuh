// How elementwise kernels walk tensors: a lane takes four neighbours at a time,
// so a warp takes 128; the parameters of their channels; bit masks.
#pragma once
#include "quant.cuh"

// Elements a lane takes at a time, so a warp takes 128 and writes four words
// of mask.
constexpr int lane_elements = 4;
constexpr int warp_elements = warp_size * lane_elements;

// channels_of walks the parameters of consecutive elements: element i uses
// parameter i / inner % channels.
struct channels_of {
  u32 channel, left, channels, inner;

  __device__ __forceinline__ channels_of(i64 at, int channels, i64 inner) : channel(0), left(0), channels(channels), inner((u32)inner) {
    if (channels == 1) return;
    i64 run = at / inner;
    left = (u32)(inner - (at - run * inner));
    channel = (u32)(run % channels);
  }
  // next moves to the next element; true when its parameter is another one.
  __device__ __forceinline__ bool next() {
    if (channels == 1 || --left > 0) return false;
    left = inner;
    if (++channel == channels) channel = 0;
    return true;
  }
};

// store_mask writes the bits of a warp's 128 elements from element at on, of
// which lane l has the four of its nibble: eight lanes make a word. Words that
// reach beyond n are written byte by byte, as the memory ends there.
__device__ __forceinline__ void store_mask(u8* mask, i64 at, i64 n, u32 nibble) {
  int lane = threadIdx.x % warp_size;
  u32 word = nibble << 4 * (lane % 8);
#pragma unroll
  for (int d = 1; d < 8; d <<= 1) word |= __shfl_xor_sync(all_lanes, word, d);
  if (lane % 8 != 0) return;
  i64 first = at + (i64)lane * lane_elements;
  if (first >= n) return;
  u8* p = mask + first / 8;
  if (first + 32 <= n && aligned(mask, 4)) {
    *reinterpret_cast<u32*>(p) = word;
    return;
  }
  for (i64 i = first; i < first + 32 && i < n; i += 8, word >>= 8) *p++ = (u8)word;
}

// Four elements of a lane, to read and write as one where they are aligned.
template <typename T>
struct __align__(4 * sizeof(T)) quad {
  T v[lane_elements];
};
