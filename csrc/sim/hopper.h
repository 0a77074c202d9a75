// hopper.cuh for the simulator. Copies and products happen when they are
// waited for, not when they are started.
#pragma once
#include "hopper_api.h"

inline void mbarrier_init(u64* bar, u32 arrivals) { sim::mbarrier_init((uint64_t*)bar, arrivals); }
inline void mbarrier_fence() { sim::async_fence(); }
inline void mbarrier_arrive(u64* bar) { sim::mbarrier_arrive((uint64_t*)bar, 0); }
inline void mbarrier_arrive_expect(u64* bar, u32 bytes) { sim::mbarrier_arrive((uint64_t*)bar, bytes); }
inline void mbarrier_wait(u64* bar, u32 parity) { sim::mbarrier_wait((uint64_t*)bar, parity); }
inline void async_fence() { sim::async_fence(); }
inline void tma_load(void* to, const tensor_map* map, u64* bar, i32 x, i32 y) {
  i32 at[] = {x, y};
  sim::tma_load(to, map, (uint64_t*)bar, at, 2);
}
inline void tma_load(void* to, const tensor_map* map, u64* bar, i32 x, i32 y, i32 z) {
  i32 at[] = {x, y, z};
  sim::tma_load(to, map, (uint64_t*)bar, at, 3);
}
inline void tma_load(void* to, const tensor_map* map, u64* bar, i32 x, i32 y, i32 z, i32 w) {
  i32 at[] = {x, y, z, w};
  sim::tma_load(to, map, (uint64_t*)bar, at, 4);
}
inline void tma_store(const tensor_map* map, const void* from, i32 x, i32 y) {
  i32 at[] = {x, y};
  sim::tma_store(map, from, at, 2);
}
inline void tma_store_wait() { sim::tma_store_wait(); }
inline void tma_prefetch(const tensor_map*) {}
inline void named_barrier(int id, int threads) { sim::named_barrier(id, threads); }
template <int n>
inline void registers_more() {
  static_assert(n % 8 == 0 && n >= 24 && n <= 256, "registers of a thread");
  sim::set_registers(n);
}
template <int n>
inline void registers_less() {
  registers_more<n>();
}
inline void wgmma_fence() { sim::wgmma_fence(); }
inline void wgmma_commit() { sim::wgmma_commit(); }
template <int pending>
inline void wgmma_wait() { sim::wgmma_wait(pending); }
template <size_t registers>
inline void wgmma_k32(i32 (&d)[registers], u64 a, u64 b, bool add) {
  static_assert(registers == 32 || registers == 64 || registers == 128, "n is 64, 128 or 256");
  sim::wgmma(d, a, b, add, 2 * (int)registers, sim::Operand::s8);
}
template <size_t registers, class T>
inline void wgmma_k32(i32 (&d)[registers], const u32 (&a)[4], u64 b, bool add, T) {
  static_assert(registers == 64 || registers == 128, "n is 128 or 256");
  sim::wgmma_registers(d, (const uint32_t*)a, b, add, 2 * (int)registers, (T)-1 < 0 ? sim::Operand::s8 : sim::Operand::u8);
}
template <size_t registers>
inline void wgmma_bf16(float (&d)[registers], u64 a, u64 b, bool add) {
  static_assert(registers == 32 || registers == 64 || registers == 128, "n is 64, 128 or 256");
  sim::wgmma(d, a, b, add, 2 * (int)registers, sim::Operand::bf16);
}
