// What every kernel file includes, first. A kernel file is device code only,
//
//	// Targets: 75 80
//	#include "common.cuh"
//	extern "C" __global__ void NAME(...) { ... }
//
// one .cu an op. It is compiled twice: to PTX for each of its targets
// (scripts/cuda-ptx.py), and by g++ for the simulator, which runs the same
// source on the CPU and checks every memory access (csrc/sim, docs/gpu.md).
// So what the two spell differently has one name here:
//
//   SHARED(float, tile, [32][33])      static shared memory
//   SHARED_DYNAMIC(unsigned char, s)   dynamic shared memory, 1024-byte aligned
//   GOQAT_ARCH                         75, 80, 90: the target compiled for
//
// and tensor-core instructions, ldmatrix, asynchronous copies and cache hints
// are functions: inline PTX on the one side, calls on the other.
//
// Arithmetic is never contracted (fmad is off on both sides): write fmaf
// where a fused operation is meant.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

// bf16 is the upper half of a float32.
struct bf16 {
  u16 bits;
};

#ifdef __CUDACC__
#include "device.cuh"
#else
#include "sim/kernel.h"
#endif

// Lanes of a warp, and the mask that names them all.
constexpr int warp_size = 32;
constexpr u32 all_lanes = 0xffffffffu;

// to_float widens exactly.
__device__ __forceinline__ float to_float(bf16 v) { return __uint_as_float((u32)v.bits << 16); }

// to_bf16 rounds half to even; NaN stays NaN.
__device__ __forceinline__ bf16 to_bf16(float v) {
  u32 u = __float_as_uint(v);
  u32 r = (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  bf16 b;
  b.bits = (u16)((u & 0x7fffffffu) > 0x7f800000u ? (u >> 16 | 0x40u) : r);
  return b;
}

// pack_bf16 rounds two numbers into one register, lo in the low half.
__device__ __forceinline__ u32 pack_bf16(float lo, float hi) {
  return (u32)to_bf16(lo).bits | (u32)to_bf16(hi).bits << 16;
}

// aligned says whether p can be read in units of n bytes, n a power of two.
__device__ __forceinline__ bool aligned(const void* p, u32 n) { return ((u64)p & (n - 1)) == 0; }

// Reductions over a whole warp, the result in every lane. The order of the
// additions is fixed, so that sums have the same bits in every run.
__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(all_lanes, v, d);
  return v;
}
__device__ __forceinline__ double warp_sum(double v) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(all_lanes, v, d);
  return v;
}
__device__ __forceinline__ int warp_sum(int v) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) v += __shfl_xor_sync(all_lanes, v, d);
  return v;
}
__device__ __forceinline__ float warp_max(float v) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) v = fmaxf(v, __shfl_xor_sync(all_lanes, v, d));
  return v;
}
__device__ __forceinline__ float warp_min(float v) {
#pragma unroll
  for (int d = 16; d > 0; d >>= 1) v = fminf(v, __shfl_xor_sync(all_lanes, v, d));
  return v;
}

// ordered maps float32 to unsigned integers of the same order, so that
// atomicMax and atomicMin work on them; from_ordered is its inverse. NaN
// sorts above infinity or below its negative.
__device__ __forceinline__ u32 ordered(float v) {
  u32 u = __float_as_uint(v);
  return u >> 31 ? ~u : u | 0x80000000u;
}
__device__ __forceinline__ float from_ordered(u32 u) {
  return __uint_as_float(u >> 31 ? u & 0x7fffffffu : ~u);
}
