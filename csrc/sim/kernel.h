// The spelling of common.cuh's names for g++: what nvcc has built in, as calls
// into the simulator. Warp-wide operations meet in sim::arrive.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <tuple>
#include <utility>

#include "sim.h"
#include "warp.h"

#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __restrict__ __restrict
#define __constant__ static const
#define __align__(n) __attribute__((aligned(n)))
#define __grid_constant__
#ifdef GOQAT_SIM_SCAN
#define __global__ GOQAT_KERNEL
#define __launch_bounds__(...)
#else
#define __global__ __attribute__((visibility("hidden")))
#define __launch_bounds__(...)
#endif
#ifndef GOQAT_ARCH
#define GOQAT_ARCH 80
#endif

// Vector types. A copy checks the addresses, as a GPU faults on vectors that do
// not lie at a multiple of their size; the compiler may split the access itself.
namespace sim {
template <size_t n>
inline void check_vector(const volatile void* p) {
  uintptr_t at = (uintptr_t)p;
  __asm__("" : "+r"(at));  // Else the type's alignment is taken for granted.
  if (at % n) misaligned_vector(at, n);
}
}  // namespace sim
#define GOQAT_COPY(name, bytes, ...)               \
  name() = default;                                \
  name(const name& o) { *this = o; }               \
  name& operator=(const name& o) {                 \
    sim::check_vector<bytes>(this);                \
    sim::check_vector<bytes>(&o);                  \
    __VA_ARGS__;                                   \
    return *this;                                  \
  }
#define GOQAT_VECTOR2(T, name, bytes)                                \
  struct alignas(bytes) name {                                       \
    T x, y;                                                          \
    name(T a, T b) : x(a), y(b) {}                                   \
    GOQAT_COPY(name, bytes, x = o.x, y = o.y)                        \
  };                                                                 \
  inline name make_##name(T x, T y) { return name(x, y); }
#define GOQAT_VECTOR(T, stem, bytes)                                                \
  GOQAT_VECTOR2(T, stem##2, bytes / 2)                                              \
  struct stem##3 { T x, y, z; };                                                    \
  inline stem##3 make_##stem##3(T x, T y, T z) { return {x, y, z}; }                \
  struct alignas(bytes) stem##4 {                                                   \
    T x, y, z, w;                                                                   \
    stem##4(T a, T b, T c, T d) : x(a), y(b), z(c), w(d) {}                         \
    GOQAT_COPY(stem##4, bytes, x = o.x, y = o.y, z = o.z, w = o.w)                  \
  };                                                                                \
  inline stem##4 make_##stem##4(T x, T y, T z, T w) { return stem##4(x, y, z, w); }
GOQAT_VECTOR(signed char, char, 4)
GOQAT_VECTOR(unsigned char, uchar, 4)
GOQAT_VECTOR(short, short, 8)
GOQAT_VECTOR(unsigned short, ushort, 8)
GOQAT_VECTOR(int, int, 16)
GOQAT_VECTOR(unsigned int, uint, 16)
GOQAT_VECTOR(float, float, 16)
GOQAT_VECTOR2(double, double2, 16)
GOQAT_VECTOR2(long long, longlong2, 16)
GOQAT_VECTOR2(unsigned long long, ulonglong2, 16)
struct dim3 { unsigned x = 1, y = 1, z = 1; };

// Where the thread is. The values are read by inline assembly, which the
// instrumentation leaves alone; the compiler reads each once between calls.
namespace sim {
#if defined(__x86_64__)
#define GOQAT_HERE(field)                                    \
  ({                                                         \
    unsigned v_;                                             \
    __asm__("movl %1, %0" : "=r"(v_) : "m"(sim::here.field)); \
    v_;                                                      \
  })
#else
#define GOQAT_HERE(field) (sim::here.field)
#endif
__attribute__((always_inline)) inline uint3 thread_index() { return {GOQAT_HERE(thread.x), GOQAT_HERE(thread.y), GOQAT_HERE(thread.z)}; }
__attribute__((always_inline)) inline uint3 block_index() { return {GOQAT_HERE(block.x), GOQAT_HERE(block.y), GOQAT_HERE(block.z)}; }
__attribute__((always_inline)) inline uint3 block_size() { return {GOQAT_HERE(block_dim.x), GOQAT_HERE(block_dim.y), GOQAT_HERE(block_dim.z)}; }
__attribute__((always_inline)) inline uint3 grid_size() { return {GOQAT_HERE(grid_dim.x), GOQAT_HERE(grid_dim.y), GOQAT_HERE(grid_dim.z)}; }
}  // namespace sim
#define threadIdx (sim::thread_index())
#define blockIdx (sim::block_index())
#define blockDim (sim::block_size())
#define gridDim (sim::grid_size())
constexpr int warpSize = 32;

// Shared memory. An array is known by the address of a byte of its own.
#define SHARED(type, name, extent)            \
  static const char name##_site = 0;          \
  typedef type name##_type extent;            \
  name##_type& name = *(name##_type*)sim::shared_static(&name##_site, sizeof(name##_type), #name)
#define SHARED_DYNAMIC(type, name) type* name = (type*)sim::shared_dynamic()
inline u32 shared_address(const void* p) { return sim::shared_offset(p); }

// Barriers. The line stands for the place.
#define __syncthreads() sim::barrier(__LINE__)
#define __syncthreads_count(p) sim::barrier_count(__LINE__, (p) != 0)
#define __syncthreads_or(p) (sim::barrier_count(__LINE__, (p) != 0) > 0)
#define __syncthreads_and(p) (sim::barrier_count(__LINE__, (p) == 0) == 0)
inline void __syncwarp(u32 mask = 0xffffffffu) { sim::warp_sync(mask); }
inline void __threadfence() { sim::fence(); }
inline void __threadfence_block() { sim::fence(); }

// Warps.
template <typename T>
inline T __shfl_sync(u32 mask, T v, int lane, int width = 32) {
  return sim::shuffle(mask, v, (int)(sim::lane() & ~(width - 1)) | (lane & (width - 1)));
}
template <typename T>
inline T __shfl_up_sync(u32 mask, T v, unsigned d, int width = 32) {
  int l = (int)sim::lane(), to = l - (int)d;
  return sim::shuffle(mask, v, to < (l & ~(width - 1)) ? l : to);
}
template <typename T>
inline T __shfl_down_sync(u32 mask, T v, unsigned d, int width = 32) {
  int l = (int)sim::lane(), to = l + (int)d;
  return sim::shuffle(mask, v, to > (l | (width - 1)) ? l : to);
}
template <typename T>
inline T __shfl_xor_sync(u32 mask, T v, int d, int width = 32) {
  int l = (int)sim::lane(), to = l ^ d;
  return sim::shuffle(mask, v, to > (l | (width - 1)) ? l : to);
}
inline u32 __ballot_sync(u32 mask, int p) { return sim::ballot(mask, p); }
inline int __any_sync(u32 mask, int p) { return sim::ballot(mask, p) != 0; }
inline int __all_sync(u32 mask, int p) { return sim::ballot(mask, !p) == 0; }
template <typename T>
inline u32 __match_any_sync(u32 mask, T v) {
  u64 bits = 0;
  static_assert(sizeof v <= 8, "");
  memcpy(&bits, &v, sizeof v);
  return sim::match(mask, bits);
}

// Atomics, on global and on shared memory.
#define GOQAT_ATOMIC(T)                                                                                             \
  inline T atomicAdd(T* p, T v) { return sim::atomic(p, [v](T o) { return (T)(o + v); }); }                         \
  inline T atomicMax(T* p, T v) { return sim::atomic(p, [v](T o) { return o > v ? o : v; }); }                      \
  inline T atomicMin(T* p, T v) { return sim::atomic(p, [v](T o) { return o < v ? o : v; }); }                      \
  inline T atomicOr(T* p, T v) { return sim::atomic(p, [v](T o) { return o | v; }); }                               \
  inline T atomicAnd(T* p, T v) { return sim::atomic(p, [v](T o) { return o & v; }); }                              \
  inline T atomicXor(T* p, T v) { return sim::atomic(p, [v](T o) { return o ^ v; }); }                              \
  inline T atomicExch(T* p, T v) { return sim::atomic(p, [v](T) { return v; }); }                                   \
  inline T atomicCAS(T* p, T want, T v) { return sim::atomic(p, [want, v](T o) { return o == want ? v : o; }); }
GOQAT_ATOMIC(int)
GOQAT_ATOMIC(unsigned int)
GOQAT_ATOMIC(unsigned long long)
#undef GOQAT_ATOMIC
inline float atomicAdd(float* p, float v) { return sim::atomic(p, [v](float o) { return o + v; }); }
inline float atomicExch(float* p, float v) { return sim::atomic(p, [v](float) { return v; }); }
inline double atomicAdd(double* p, double v) { return sim::atomic(p, [v](double o) { return o + v; }); }
inline u32 atomicInc(u32* p, u32 top) { return sim::atomic(p, [top](u32 o) { return o >= top ? 0u : o + 1; }); }

// Arithmetic. This file is compiled without contraction and with the default
// rounding, so the plain operators round each once.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fsqrt_rn(float a) { return __builtin_sqrtf(a); }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fmaf_rn(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline float rsqrtf(float a) { return 1.0f / __builtin_sqrtf(a); }
inline u32 __float_as_uint(float f) { u32 u; memcpy(&u, &f, 4); return u; }
inline int __float_as_int(float f) { int u; memcpy(&u, &f, 4); return u; }
inline float __uint_as_float(u32 u) { float f; memcpy(&f, &u, 4); return f; }
inline float __int_as_float(int u) { float f; memcpy(&f, &u, 4); return f; }
inline long long __double_as_longlong(double f) { long long u; memcpy(&u, &f, 8); return u; }
inline double __longlong_as_double(long long u) { double f; memcpy(&f, &u, 8); return f; }
// Conversions saturate, NaN gives 0.
inline int __float2int_rn(float f) { return sim::to_int(rintf(f)); }
inline int __float2int_rz(float f) { return sim::to_int(truncf(f)); }
inline int __float2int_rd(float f) { return sim::to_int(floorf(f)); }
inline int __float2int_ru(float f) { return sim::to_int(ceilf(f)); }
inline u32 __float2uint_rz(float f) { return !(f > 0) ? 0u : f >= 4294967296.0f ? 0xffffffffu : (u32)f; }
inline float __int2float_rn(int v) { return (float)v; }
inline float __ll2float_rn(long long v) { return (float)v; }
inline int __double2int_rn(double f) { return f != f ? 0 : f >= 2147483647.0 ? 2147483647 : f <= -2147483648.0 ? -2147483647 - 1 : (int)rint(f); }
inline float __double2float_rn(double v) { return (float)v; }
inline int __popc(u32 v) { return __builtin_popcount(v); }
inline int __popcll(u64 v) { return __builtin_popcountll(v); }
inline int __clz(int v) { return v ? __builtin_clz((u32)v) : 32; }
inline int __clzll(long long v) { return v ? __builtin_clzll((u64)v) : 64; }
inline int __ffs(int v) { return __builtin_ffs(v); }
inline u32 __brev(u32 v) {
  v = (v >> 1 & 0x55555555u) | (v & 0x55555555u) << 1;
  v = (v >> 2 & 0x33333333u) | (v & 0x33333333u) << 2;
  v = (v >> 4 & 0x0f0f0f0fu) | (v & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(v);
}
inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
inline u32 __umulhi(u32 a, u32 b) { return (u32)((u64)a * b >> 32); }
inline u64 __umul64hi(u64 a, u64 b) { return (u64)((unsigned __int128)a * b >> 64); }
inline u32 __byte_perm(u32 x, u32 y, u32 s) {
  u64 v = (u64)y << 32 | x;
  u32 r = 0;
  for (int i = 0; i < 4; i++) {
    u32 k = s >> 4 * i & 15;
    u32 b = (u32)(v >> 8 * (k & 7)) & 0xff;
    if (k & 8) b = b & 0x80 ? 0xff : 0;
    r |= b << 8 * i;
  }
  return r;
}
inline u32 __funnelshift_r(u32 lo, u32 hi, u32 n) { return (u32)(((u64)hi << 32 | lo) >> (n & 31)); }
inline u32 __funnelshift_l(u32 lo, u32 hi, u32 n) { return (u32)(((u64)hi << 32 | lo) << (n & 31) >> 32); }
inline i32 dot4(i32 a, i32 b, i32 c) {
  for (int i = 0; i < 4; i++) c = (i32)((u32)c + (u32)((i32)(i8)(a >> 8 * i) * (i32)(i8)(b >> 8 * i)));
  return c;
}
inline i32 dot4(u32 a, i32 b, i32 c) {
  for (int i = 0; i < 4; i++) c = (i32)((u32)c + (u32)((i32)(u8)(a >> 8 * i) * (i32)(i8)(b >> 8 * i)));
  return c;
}
#define GOQAT_MINMAX(T)                                   \
  inline T min(T a, T b) { return b < a ? b : a; }        \
  inline T max(T a, T b) { return a < b ? b : a; }
GOQAT_MINMAX(int)
GOQAT_MINMAX(unsigned int)
GOQAT_MINMAX(long)
GOQAT_MINMAX(unsigned long)
GOQAT_MINMAX(long long)
GOQAT_MINMAX(unsigned long long)
#undef GOQAT_MINMAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// Loads and stores with a hint. A pointer to a vector must be a multiple of
// its size.
template <typename T>
inline T __ldg(const T* p) { return sim::load(p); }
template <typename T>
inline T __ldcs(const T* p) { return sim::load(p); }
template <typename T>
inline void __stcs(T* p, T v) { sim::store(p, v); }
template <typename T>
inline T load_once(const T* p) { return sim::load(p); }
template <typename T>
inline void store_once(T* p, T v) { sim::store(p, v); }

// Asynchronous copies: made when they are waited for, so that a missing wait
// shows.
inline void cp_async16(void* to, const void* from, bool copy) { sim::cp_async(to, from, 16, copy); }
inline void cp_async4(void* to, const void* from, bool copy) { sim::cp_async(to, from, 4, copy); }
inline void cp_async_commit() { sim::cp_async_commit(); }
template <int pending>
inline void cp_async_wait() { sim::cp_async_wait(pending); }

// Tensor cores; the layouts are in device.cuh.
inline void ldmatrix_x1(u32 (&r)[1], const void* row) { sim::ldmatrix(r, 1, false, row); }
inline void ldmatrix_x2(u32 (&r)[2], const void* row) { sim::ldmatrix(r, 2, false, row); }
inline void ldmatrix_x4(u32 (&r)[4], const void* row) { sim::ldmatrix(r, 4, false, row); }
inline void ldmatrix_x1_trans(u32 (&r)[1], const void* row) { sim::ldmatrix(r, 1, true, row); }
inline void ldmatrix_x2_trans(u32 (&r)[2], const void* row) { sim::ldmatrix(r, 2, true, row); }
inline void ldmatrix_x4_trans(u32 (&r)[4], const void* row) { sim::ldmatrix(r, 4, true, row); }
inline void mma_m16n8k32(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], i8) { sim::mma_s32(d, a, b, 16, 32, true); }
inline void mma_m16n8k32(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], u8) { sim::mma_s32(d, a, b, 16, 32, false); }
inline void mma_m16n8k16(i32 (&d)[4], const u32 (&a)[2], const u32 (&b)[1], i8) { sim::mma_s32(d, a, b, 16, 16, true); }
inline void mma_m16n8k16(i32 (&d)[4], const u32 (&a)[2], const u32 (&b)[1], u8) { sim::mma_s32(d, a, b, 16, 16, false); }
inline void mma_m8n8k16(i32 (&d)[2], const u32 (&a)[1], const u32 (&b)[1], i8) { sim::mma_s32(d, a, b, 8, 16, true); }
inline void mma_m8n8k16(i32 (&d)[2], const u32 (&a)[1], const u32 (&b)[1], u8) { sim::mma_s32(d, a, b, 8, 16, false); }
inline void mma_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { sim::mma_f32(d, a, b); }

inline float flush(float v) { return v > -0x1p-126f && v < 0x1p-126f ? __builtin_copysignf(0.0f, v) : v; }
inline u32 round_bf16x2(float lo, float hi) {
  u32 bits[2];
  float v[2] = {lo, hi};
  memcpy(bits, v, 8);
  for (u32& u : bits) u = (u & 0x7fffffffu) > 0x7f800000u ? 0x7fffu : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
  return bits[0] | bits[1] << 16;
}

// Registration: the wrapper that scripts/build-sim.sh makes of a kernel file
// has one line a kernel.
namespace sim {
template <typename... A, size_t... I>
__attribute__((no_sanitize("thread"))) inline void call(void (*f)(A...), void** p, std::index_sequence<I...>) {
  f(*(std::remove_reference_t<A>*)p[I]...);
}
template <auto F>
struct Kernel;
template <typename... A, void (*F)(A...)>
struct Kernel<F> {
  __attribute__((no_sanitize("thread"))) static void run(void** p) { call(F, p, std::index_sequence_for<A...>{}); }
  __attribute__((no_sanitize("thread"))) Kernel(const char* name, int target) {
    static const size_t sizes[] = {sizeof(A)..., 0}, aligns[] = {alignof(A)..., 0};
    register_kernel(name, target, run, sizes, aligns, sizeof...(A));
  }
};
}  // namespace sim
