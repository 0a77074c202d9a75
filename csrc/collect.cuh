// What layers on codes find out about their results on the way out
// (backend.Collect): exact sums of the int32 sums a of each channel and of their
// squares, and their ends; or the ends of all results. Integers are added in any
// order to the same bits, and least and greatest have none, so atomics may do it.
#pragma once
#include "common.cuh"

// collection is where it goes, null for what nobody wants, zeros at the start.
// moments is [3, channels], sums and the low and high 32 bits of squares,
// and behind them u32 [2, channels], keys of the least and the greatest a; ends
// are keys of the least and the greatest result, and a number of NaN.
struct collection {
  u64* moments;
  u32* ends;
};

// Keys are greatest for the least and for the greatest number, and not 0.
__device__ __forceinline__ u32 most_key(int a) { return (u32)a ^ 0x80000000u; }
__device__ __forceinline__ u32 least_key(int a) { return ~most_key(a); }
__device__ __forceinline__ int most_of(u32 key) { return (int)(key ^ 0x80000000u); }
__device__ __forceinline__ int least_of(u32 key) { return most_of(~key); }

// tally is what a thread has seen of a channel, at most 255 numbers within 2^28.
struct tally {
  i64 sum;
  u64 squares;
  u32 least, most;  // keys
  __device__ __forceinline__ tally() : sum(0), squares(0), least(0), most(0) {}
  __device__ __forceinline__ void add(int a) {
    sum += a;
    squares += (u64)((i64)a * a);
    least = max(least, least_key(a));
    most = max(most, most_key(a));
  }
  // merge takes in what the lane at a distance has seen.
  __device__ __forceinline__ void merge(int distance) {
    sum += __shfl_xor_sync(all_lanes, sum, distance);
    squares += __shfl_xor_sync(all_lanes, squares, distance);
    least = max(least, __shfl_xor_sync(all_lanes, least, distance));
    most = max(most, __shfl_xor_sync(all_lanes, most, distance));
  }
  // give adds it to channel c of n, if it is anything.
  __device__ __forceinline__ void give(u64* moments, i64 n, i64 c) const {
    if (!most) return;
    u32* keys = reinterpret_cast<u32*>(moments + 3 * n);
    atomicAdd(moments + c, (u64)sum);
    atomicAdd(moments + n + c, squares & 0xffffffffull);
    atomicAdd(moments + 2 * n + c, squares >> 32);
    atomicMax(keys + c, least);
    atomicMax(keys + n + c, most);
  }
};

// extremes are the ends of what a thread has seen of the results.
struct extremes {
  u32 least, most, nan;  // keys, ordered
  __device__ __forceinline__ extremes() : least(0), most(0), nan(0) {}
  __device__ __forceinline__ void add(float y) {
    if (y != y) {
      nan = 1;
      return;
    }
    least = max(least, ~ordered(y));
    most = max(most, ordered(y));
  }
  // give adds what the warp has seen.
  __device__ __forceinline__ void give(u32* ends) {
#pragma unroll
    for (int d = 16; d > 0; d >>= 1) {
      least = max(least, __shfl_xor_sync(all_lanes, least, d));
      most = max(most, __shfl_xor_sync(all_lanes, most, d));
      nan |= __shfl_xor_sync(all_lanes, nan, d);
    }
    if (threadIdx.x % warp_size != 0) return;
    if (most) {
      atomicMax(ends, least);
      atomicMax(ends + 1, most);
    }
    if (nan) atomicAdd(ends + 2, 1u);
  }
};

// write_moments fills column c of moments [4, n]: mean, variance, least and
// greatest of y(a) = float32(float32(a) * scale) + bias, as
// backend.CodeMoments.Of says.
__device__ __forceinline__ void write_moments(double* moments, const u64* found, i64 rows, int n, int c, float scale, float bias) {
  const u32* keys = reinterpret_cast<const u32*>(found + 3 * (i64)n);
  float inf = __uint_as_float(0x7f800000u);
  double mean = 0, variance = 0;
  float least = inf, greatest = -inf;
  if (rows > 0) {
    least = __fadd_rn(__fmul_rn((float)least_of(keys[c]), scale), bias);
    greatest = __fadd_rn(__fmul_rn((float)most_of(keys[n + c]), scale), bias);
    // Finite numbers alone are 0 less themselves.
    if (scale - scale != 0 || bias - bias != 0 || least - least != 0 || greatest - greatest != 0) {
      mean = variance = __longlong_as_double(0x7ff8000000000000ll);
    } else {
      if (greatest < least) {
        float v = least;
        least = greatest;
        greatest = v;
      }
      i64 sum = (i64)found[c];
      u64 low = found[n + c], high = found[2 * n + c];
      // rows * squares - sum * sum, in words of 64 bits.
      u64 squares = (high << 32) + low;
      u64 over = (high >> 32) + (squares < low ? 1 : 0);
      u64 lo = squares * (u64)rows, hi = __umul64hi(squares, (u64)rows) + over * (u64)rows;
      u64 size = (u64)(sum < 0 ? -sum : sum);
      u64 lo2 = size * size, hi2 = __umul64hi(size, size);
      hi = hi - hi2 - (lo < lo2 ? 1 : 0);
      lo -= lo2;
      double d = __dadd_rn(__dmul_rn((double)hi, 18446744073709551616.0), (double)lo);
      double count = (double)rows, s = (double)scale;
      mean = __dadd_rn(__dmul_rn(s, __ddiv_rn((double)sum, count)), (double)bias);
      variance = __dmul_rn(__ddiv_rn(__ddiv_rn(d, count), count), __dmul_rn(s, s));
    }
  }
  moments[c] = mean;
  moments[n + c] = variance;
  moments[2 * (i64)n + c] = (double)least;
  moments[3 * (i64)n + c] = (double)greatest;
}

// write_ends fills ends [2] of count results.
__device__ __forceinline__ void write_ends(float* ends, const u32* found, i64 count) {
  float inf = __uint_as_float(0x7f800000u), nan = __uint_as_float(0x7fc00000u);
  bool none = count == 0, bad = !none && found[2];
  ends[0] = none ? inf : bad ? nan : from_ordered(~found[0]);
  ends[1] = none ? -inf : bad ? nan : from_ordered(found[1]);
}
