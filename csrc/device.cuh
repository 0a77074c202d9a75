// The spelling of common.cuh's names for NVIDIA's compilers. A kernel file
// never includes it itself.
#pragma once

#define GOQAT_ARCH (__CUDA_ARCH__ / 10)
#define SHARED(type, name, extent) __shared__ __align__(16) type name extent
#define SHARED_DYNAMIC(type, name) type* name = reinterpret_cast<type*>(goqat_dynamic_shared)
extern __shared__ __align__(1024) unsigned char goqat_dynamic_shared[];

// shared_address is the address in the shared window, as instructions want it.
__device__ __forceinline__ u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// dot4 is c + the dot product of four int8, or four uint8 and four int8.
__device__ __forceinline__ i32 dot4(i32 a, i32 b, i32 c) {
  i32 d;
  asm("dp4a.s32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}
__device__ __forceinline__ i32 dot4(u32 a, i32 b, i32 c) {
  i32 d;
  asm("dp4a.u32.s32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
}

// flush makes subnormal numbers zeros of their sign.
__device__ __forceinline__ float flush(float v) {
  float d;
  asm("mul.rn.ftz.f32 %0, %1, 0f3F800000;" : "=f"(d) : "f"(v));
  return d;
}

// load_once reads what no other thread needs again (evict first), and
// store_once writes what is not read soon.
template <typename T>
__device__ __forceinline__ T load_once(const T* p) {
  return __ldcs(p);
}
template <typename T>
__device__ __forceinline__ void store_once(T* p, T v) {
  __stcs(p, v);
}

// cp_async16 copies 16 bytes from global to shared memory when copy is true
// and writes 16 zero bytes otherwise, behind the thread's back: cp_async_commit
// closes a group of copies, and cp_async_wait<N> returns when all groups but
// the last N of this thread have arrived. Other threads see them after a
// barrier. Both addresses are multiples of 16. Below sm_80 it is a plain copy.
__device__ __forceinline__ void cp_async16(void* shared, const void* global, bool copy) {
#if GOQAT_ARCH >= 80
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(copy ? 16 : 0) : "memory");
#else
  *reinterpret_cast<uint4*>(shared) = copy ? *reinterpret_cast<const uint4*>(global) : make_uint4(0, 0, 0, 0);
#endif
}

// cp_async4 is the same for 4 bytes.
__device__ __forceinline__ void cp_async4(void* shared, const void* global, bool copy) {
#if GOQAT_ARCH >= 80
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(copy ? 4 : 0) : "memory");
#else
  *reinterpret_cast<u32*>(shared) = copy ? *reinterpret_cast<const u32*>(global) : 0u;
#endif
}
__device__ __forceinline__ void cp_async_commit() {
#if GOQAT_ARCH >= 80
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int pending>
__device__ __forceinline__ void cp_async_wait() {
#if GOQAT_ARCH >= 80
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

// ldmatrix reads 8x8 matrices of 16-bit units from shared memory: lanes
// 8j..8j+7 give the addresses of the rows of matrix j, 16-byte aligned, and
// r[j] of lane l gets units 2*(l%4), +1 of row l/4 of matrix j. With _trans,
// matrices are transposed (in units of 16 bits).
__device__ __forceinline__ void ldmatrix_x4(u32 (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x2(u32 (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x1(u32 (&r)[1], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x4_trans(u32 (&r)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x2_trans(u32 (&r)[2], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
}
__device__ __forceinline__ void ldmatrix_x1_trans(u32 (&r)[1], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(shared_address(row)) : "memory");
}

// The tensor-core products d += a*b. With g = lane/4, t = lane%4 and byte i%4
// of register i/4:
//
//   m16n8k32  a row g+8*(i/4%2), k 4t+i%4+16*(i/8);  b k 4t+i%4+16*(i/4), column g
//   m16n8k16  a row g+8*(i/4), k 4t+i%4;             b k 4t+i, column g
//   m8n8k16   a row g, k 4t+i;                       b k 4t+i, column g
//   d of m16: row g+8*(i/2), column 2t+i%2;          d of m8: row g, column 2t+i
//
// A is int8 or uint8, B int8; sums are int32. m16 needs sm_80, m8 sm_75.
#if GOQAT_ARCH >= 80
__device__ __forceinline__ void mma_m16n8k32(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], i8) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k32(i32 (&d)[4], const u32 (&a)[4], const u32 (&b)[2], u8) {
  asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ __forceinline__ void mma_m16n8k16(i32 (&d)[4], const u32 (&a)[2], const u32 (&b)[1], i8) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}
__device__ __forceinline__ void mma_m16n8k16(i32 (&d)[4], const u32 (&a)[2], const u32 (&b)[1], u8) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b[0]));
}

// round_bf16x2 rounds two numbers to bf16, half to even, the first in the low
// half.
__device__ __forceinline__ u32 round_bf16x2(float lo, float hi) {
  u32 d;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(hi), "f"(lo));
  return d;
}

// mma_bf16 is the product m16n8k16 of bf16 with float32 sums. With 16-bit
// half i%2 of register i/2: a row g+8*(i/2%2), k 2t+i%2+8*(i/4); b k
// 2t+i%2+8*(i/2), column g; d as above.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif
__device__ __forceinline__ void mma_m8n8k16(i32 (&d)[2], const u32 (&a)[1], const u32 (&b)[1], i8) {
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+r"(d[0]), "+r"(d[1])
               : "r"(a[0]), "r"(b[0]));
}
__device__ __forceinline__ void mma_m8n8k16(i32 (&d)[2], const u32 (&a)[1], const u32 (&b)[1], u8) {
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};"
               : "+r"(d[0]), "+r"(d[1])
               : "r"(a[0]), "r"(b[0]));
}
