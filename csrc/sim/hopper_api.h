// The declarations of hopper.h without the names that kernels use.
#pragma once
#include <cstdint>

namespace sim {
enum class Operand { s8, u8, bf16 };
void mbarrier_init(uint64_t* bar, uint32_t arrivals);
void mbarrier_arrive(uint64_t* bar, uint32_t bytes);
void mbarrier_wait(uint64_t* bar, uint32_t parity);
void tma_load(void* to, const void* map, uint64_t* bar, const int32_t* at, int rank);
void tma_store(const void* map, const void* from, const int32_t* at, int rank);
void tma_store_wait();
void named_barrier(int id, int threads);
void wgmma(void* d, uint64_t a, uint64_t b, bool add, int n, Operand kind);
void wgmma_registers(void* d, const uint32_t* a, uint64_t b, bool add, int n, Operand kind);
void wgmma_commit();
void wgmma_wait(int pending);
void wgmma_fence();
void async_fence();
void set_registers(int n);
}  // namespace sim
