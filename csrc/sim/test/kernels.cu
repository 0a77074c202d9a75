// Kernels that test the simulator itself, one an operation or a fault.
//
// Targets: 80
#include "common.cuh"

// ---- where a thread is

extern "C" __global__ void t_index(u32* out) {
  u32 block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  u32 thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  u32 n = blockDim.x * blockDim.y * blockDim.z;
  out[block * n + thread] = block * 1000 + thread;
}

// ---- barriers and shared memory

extern "C" __global__ void t_reverse(const int* in, int* out) {
  SHARED(int, s, [256]);
  s[threadIdx.x] = in[blockIdx.x * 256 + threadIdx.x];
  __syncthreads();
  out[blockIdx.x * 256 + threadIdx.x] = s[255 - threadIdx.x];
}

extern "C" __global__ void t_dynamic(const int* in, int* out, int n) {
  SHARED_DYNAMIC(int, s);
  for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = in[i];
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) out[i] = s[n - 1 - i];
}

extern "C" __global__ void t_vote_block(int* out) {
  int t = (int)threadIdx.x;
  int count = __syncthreads_count(t % 3 == 0);
  int any = __syncthreads_or(t == 77), all = __syncthreads_and(t < 1000), none = __syncthreads_or(t > 5000), some = __syncthreads_and(t < 77);
  if (t == 5) {
    out[0] = count;
    out[1] = any;
    out[2] = all;
    out[3] = none;
    out[4] = some;
  }
}

// ---- warps

extern "C" __global__ void t_shuffle(int* out) {
  int lane = (int)threadIdx.x % 32, v = 100 * ((int)threadIdx.x / 32) + lane;
  int* o = out + threadIdx.x * 8;
  o[0] = __shfl_sync(all_lanes, v, 5);
  o[1] = __shfl_up_sync(all_lanes, v, 3);
  o[2] = __shfl_down_sync(all_lanes, v, 4);
  o[3] = __shfl_xor_sync(all_lanes, v, 9);
  o[4] = __shfl_sync(all_lanes, v, 3, 8);
  o[5] = __shfl_up_sync(all_lanes, v, 2, 8);
  o[6] = __shfl_down_sync(all_lanes, v, 2, 8);
  o[7] = (int)__shfl_xor_sync(all_lanes, (u64)v << 33, 1) + (int)(__shfl_xor_sync(all_lanes, (u64)v << 33, 1) >> 33);
}

extern "C" __global__ void t_vote_warp(u32* out) {
  u32 lane = threadIdx.x % 32;
  u32* o = out + threadIdx.x * 6;
  o[0] = __ballot_sync(all_lanes, lane % 5 == 0);
  o[1] = (u32)__any_sync(all_lanes, lane == 31);
  o[2] = (u32)__all_sync(all_lanes, lane < 32);
  o[3] = (u32)__all_sync(all_lanes, lane < 31);
  o[4] = __match_any_sync(all_lanes, lane / 7);
  // The halves of a warp may do different things.
  if (lane < 16)
    o[5] = __ballot_sync(0x0000ffffu, lane % 2);
  else
    o[5] = (u32)__shfl_xor_sync(0xffff0000u, (int)lane, 1);
}

extern "C" __global__ void t_sums(const float* in, float* out, double* sum64, int* sum32) {
  float v = in[threadIdx.x];
  out[threadIdx.x * 3] = warp_sum(v);
  out[threadIdx.x * 3 + 1] = warp_max(v);
  out[threadIdx.x * 3 + 2] = warp_min(v);
  sum64[threadIdx.x] = warp_sum((double)v);
  sum32[threadIdx.x] = warp_sum((int)threadIdx.x);
}

// ---- atomics

extern "C" __global__ void t_atomics(int* i, u32* u, u64* l, float* f, double* d) {
  SHARED(int, s, [2]);
  SHARED(u64, wide, [2]);
  SHARED(u32, top, [2]);
  int t = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (threadIdx.x < 2) s[threadIdx.x] = 0, wide[threadIdx.x] = 0, top[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&s[threadIdx.x & 1], 1);
  atomicAdd(&wide[threadIdx.x & 1], (u64)(i64)-t);
  atomicMax(&top[threadIdx.x & 1], (u32)t ^ 0x80000000u);
  __syncthreads();
  if (threadIdx.x == 0) atomicAdd(&i[0], s[0] + s[1]);
  if (threadIdx.x < 2) {
    atomicAdd(&l[2], wide[threadIdx.x]);
    atomicMax(&u[8], top[threadIdx.x]);
    if (t == 0) l[3] = __umul64hi(0xfedcba9876543210ull, 0x123456789abcdef0ull);
  }
  atomicMax(&i[1], t);
  atomicMin(&i[2], -t);
  atomicAdd(&u[0], 1u);
  atomicOr(&u[1], 1u << t % 32);
  atomicAnd(&u[2], ~(1u << t % 8));
  atomicXor(&u[3], 1u);
  atomicMax(&u[4], ordered(-(float)t));
  atomicAdd(&l[0], (u64)1 << 33);
  atomicMax(&l[1], (u64)t << 32);
  atomicAdd(f, 1.0f);
  atomicAdd(d, 0.5);
  u32 old = atomicInc(&u[5], 9u);
  if (old > 9) atomicAdd(&u[6], 1u);
  atomicCAS(&u[7], 0u, 1234u);
}

// Last block done, the way reductions across blocks end.
extern "C" __global__ void t_last_block(float* parts, u32* done, float* out) {
  SHARED(bool, last, [1]);
  float v = warp_sum((float)(threadIdx.x + blockIdx.x));
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = v;
    __threadfence();
    last[0] = atomicAdd(done, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last[0]) return;
  if (threadIdx.x == 0) {
    float sum = 0;
    for (u32 i = 0; i < gridDim.x; i++) sum += parts[i];
    *out = sum;
    *done = 0;
  }
}

// ---- arithmetic

extern "C" __global__ void t_arithmetic(const float* in, int* out, int n) {
  int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= n) return;
  float v = in[i];
  int* o = out + i * 12;
  o[0] = __float2int_rn(v);
  o[1] = __float2int_rz(v);
  o[2] = (int)to_bf16(v).bits;
  o[3] = __float_as_int(to_float(to_bf16(v)));
  o[4] = (int)ordered(v);
  o[5] = __float_as_int(from_ordered(ordered(v)));
  o[6] = __popc(__float_as_uint(v));
  o[7] = __clz(__float_as_int(v));
  o[8] = (int)__brev(__float_as_uint(v));
  o[9] = dot4(__float_as_int(v), 0x01ff7f80, i) + dot4(__float_as_uint(v), 0x01ff7f80, 0);
  o[10] = (int)__byte_perm(__float_as_uint(v), 0x11223344u, 0x4b31u);
  o[11] = __float_as_int(__fadd_rn(__fmul_rn(v, v), -1.0f));
}

// ---- copies and matrices

extern "C" __global__ void t_cp_async(const uint4* in, uint4* out, int n) {
  SHARED(uint4, s, [2][32]);
  int t = (int)threadIdx.x;
  cp_async16(&s[0][t], in + t, t < n);
  cp_async_commit();
  cp_async16(&s[1][t], in + 32 + t, 32 + t < n);
  cp_async_commit();
  cp_async_wait<1>();
  __syncthreads();
  out[t] = s[0][31 - t];
  cp_async_wait<0>();
  __syncthreads();
  out[32 + t] = s[1][31 - t];
}

extern "C" __global__ void t_ldmatrix(const u8* in, u32* out) {
  SHARED(u8, s, [32][16]);
  for (int i = 0; i < 16; i++) s[threadIdx.x][i] = in[threadIdx.x * 16 + i];
  __syncthreads();
  u32 four[4], two[2], one[1];
  u32* o = out + threadIdx.x * 14;
  ldmatrix_x4(four, s[threadIdx.x]);
  for (int i = 0; i < 4; i++) o[i] = four[i];
  ldmatrix_x2(two, s[threadIdx.x % 16]);
  o[4] = two[0], o[5] = two[1];
  ldmatrix_x1(one, s[threadIdx.x % 8]);
  o[6] = one[0];
  ldmatrix_x4_trans(four, s[threadIdx.x]);
  for (int i = 0; i < 4; i++) o[7 + i] = four[i];
  ldmatrix_x2_trans(two, s[threadIdx.x % 16]);
  o[11] = two[0], o[12] = two[1];
  ldmatrix_x1_trans(one, s[threadIdx.x % 8]);
  o[13] = one[0];
}

// The registers are given as they are, lane by lane: a 4, b 2, c 4.
template <typename A>
__device__ void mma_case(int form, const u32* in, i32* out, A kind) {
  const u32* p = in + threadIdx.x * 10;
  i32 d[4] = {(i32)p[6], (i32)p[7], (i32)p[8], (i32)p[9]};
  if (form == 0) {
    u32 a[4] = {p[0], p[1], p[2], p[3]}, b[2] = {p[4], p[5]};
    mma_m16n8k32(d, a, b, kind);
  } else if (form == 1) {
    u32 a[2] = {p[0], p[1]}, b[1] = {p[4]};
    mma_m16n8k16(d, a, b, kind);
  } else {
    u32 a[1] = {p[0]}, b[1] = {p[4]};
    i32 e[2] = {d[0], d[1]};
    mma_m8n8k16(e, a, b, kind);
    d[0] = e[0], d[1] = e[1];
  }
  for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + i] = d[i];
}
extern "C" __global__ void t_mma(int form, int is_signed, const u32* in, i32* out) {
  if (is_signed)
    mma_case(form, in, out, (i8)0);
  else
    mma_case(form, in, out, (u8)0);
}

extern "C" __global__ void t_mma_bf16(const u32* in, float* out) {
  const u32* p = in + threadIdx.x * 10;
  u32 a[4] = {p[0], p[1], p[2], p[3]}, b[2] = {p[4], p[5]};
  float d[4];
  for (int i = 0; i < 4; i++) d[i] = __uint_as_float(p[6 + i]);
  mma_bf16(d, a, b);
  for (int i = 0; i < 4; i++) out[threadIdx.x * 4 + i] = d[i];
}

// ---- order

extern "C" __global__ void t_add(int* p, int v) {
  if (threadIdx.x == 0) p[0] = p[0] * 3 + v;
}

struct pair {
  i64 a;
  int b;
};
extern "C" __global__ void t_by_value(pair p, float f, i64* out, u8 c) {
  out[0] = p.a, out[1] = p.b, out[2] = (i64)(f * 4), out[3] = c;
}

// ---- faults, chosen by number

extern "C" __global__ void t_fault(int kind, int* p, int n) {
  SHARED(int, s, [64]);
  SHARED(int, other, [64]);
  int t = (int)threadIdx.x;
  switch (kind) {
    case 0: p[n] = 1; break;                                    // past the end
    case 1: p[0] = p[-1]; break;                                // before the start
    case 2: p[0] = *(int*)(u64)16; break;                       // no device memory
    case 3: p[t] = load_once(reinterpret_cast<const int4*>(p + 1)).x; break;  // misaligned
    case 4: p[t] = s[t]; break;                                 // never written
    case 5: s[t] = t; p[t] = s[(t + 1) % 64]; break;            // no barrier, across warps
    case 6: s[t + 1] = t; other[t] = s[t + 1]; p[t] = other[t]; break;                  // past a shared array
    case 7: if (t < 32) __syncthreads(); break;                 // not all come
    case 8:  // at different ones
      if (t < 32)
        __syncthreads();
      else
        __syncthreads();
      break;
    case 9: if (t % 32 < 16) p[t] = __shfl_sync(all_lanes, t, 0); break;  // lanes that ended
    case 10: p[t] = (int)__ballot_sync(t % 2 ? 0xaaaaaaaau : 0xffffffffu, 1); break;  // masks differ
    case 11: s[0] = t; break;                                   // all write
    case 12: s[t] = t; __syncthreads(); p[t] = s[(t + 1) % 64]; s[t] = 0; break;  // written while read
    case 13: s[t] = t; __syncwarp(); p[t] = s[t ^ 1]; break;    // fine: lanes of a warp
    case 14: s[t] = t; p[t] = s[t ^ 1]; break;                  // lanes of a warp without sync
    case 15: cp_async4(&s[t], p + t, true); cp_async_commit(); __syncthreads(); p[t] = s[t]; break;  // not waited for
    case 16: { int4 v = *reinterpret_cast<const int4*>(p + 1); p[t] = v.x + v.y + v.z + v.w; break; }  // misaligned, without a call
    case 17: s[t % 32] = 7; break;                              // two warps write the same place
    case 18: p[t] = __shfl_sync(0xffffffffu, t, 3) + (t == 63 ? p[n] : 0); break;  // one lane reads past the end
    case 20: p[t % 32] = t; break;                              // two warps write the same global memory
    case 21: p[t % 32] = t; __syncthreads(); p[t / 32] = t; break;  // the same, also with a barrier
    case 22: if (t < 32) p[t] = t; __syncthreads(); if (t >= 32) p[t - 32] = t; break;  // fine: a barrier between
    case 23: reinterpret_cast<u8*>(p)[blockIdx.x / 2] = (u8)blockIdx.x; break;  // two blocks
    case 24: reinterpret_cast<u8*>(p)[blockIdx.x] = (u8)blockIdx.x; break;      // fine: bytes of a word
    case 25: atomicAdd(p, t); break;                            // fine
    case 26: p[blockIdx.x] = blockIdx.x > 0 ? p[blockIdx.x - 1] : 0; break;  // what the block before writes
    case 27: p[blockIdx.x] = atomicAdd(p + 32, 1) + p[40]; break;            // fine
    case 19: if (t != 5) __syncwarp(); break;                   // a lane is missing
  }
}

// Shared memory of more than 48 KB, all static.
extern "C" __global__ void t_large(int* out) {
  SHARED_DYNAMIC(int, s);
  s[threadIdx.x] = (int)threadIdx.x;
  s[50 * 1024 / 4 + threadIdx.x] = 2;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x] + s[50 * 1024 / 4 + threadIdx.x];
}
