// Kernels that test barriers in shared memory, the copy engine and products of
// warpgroups.
//
// Targets: 90a
#include "hopper.cuh"

constexpr int stages = 2, tile_m = 64, tile_k = 128;

// One warpgroup copies and multiplies in turn: c [m, n] = a [m, k] * b [n, k].
template <int n>
__device__ void product(const tensor_map* a, const tensor_map* b, i32* c, int k, int columns) {
  SHARED_DYNAMIC(u8, s);
  SHARED(u64, full, [stages]);
  u8* as = s;
  u8* bs = s + stages * tile_m * tile_k;
  if (threadIdx.x == 0) {
    for (int i = 0; i < stages; i++) mbarrier_init(&full[i], 1);
    mbarrier_fence();
  }
  __syncthreads();
  int tiles = (k + tile_k - 1) / tile_k;
  auto start = [&](int t) {
    int i = t % stages;
    mbarrier_arrive_expect(&full[i], (tile_m + n) * tile_k);
    tma_load(as + i * tile_m * tile_k, a, &full[i], t * tile_k, (int)blockIdx.y * tile_m);
    tma_load(bs + i * n * tile_k, b, &full[i], t * tile_k, (int)blockIdx.x * n);
  };
  if (threadIdx.x == 0)
    for (int t = 0; t < stages && t < tiles; t++) start(t);
  i32 d[n / 2];
  for (int t = 0; t < tiles; t++) {
    int i = t % stages;
    mbarrier_wait(&full[i], t / stages & 1);
    wgmma_fence();
    for (int kk = 0; kk < tile_k; kk += 32)
      wgmma_k32(d, descriptor(as + i * tile_m * tile_k + kk), descriptor(bs + i * n * tile_k + kk), t + kk > 0);
    wgmma_commit();
    wgmma_wait<0>();
    __syncthreads();
    if (threadIdx.x == 0 && t + stages < tiles) start(t + stages);
  }
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  for (int i = 0; i < n / 2; i++) {
    int row = (int)blockIdx.y * tile_m + 16 * warp + lane / 4 + 8 * (i / 2 % 2), col = (int)blockIdx.x * n + 2 * (lane % 4) + i % 2 + 8 * (i / 4);
    if (col < columns) c[row * columns + col] = d[i];
  }
}
extern "C" __global__ void __launch_bounds__(128) h_product_64(const __grid_constant__ tensor_map a, const __grid_constant__ tensor_map b, i32* c, int k, int columns) {
  product<64>(&a, &b, c, k, columns);
}
extern "C" __global__ void __launch_bounds__(128) h_product_128(const __grid_constant__ tensor_map a, const __grid_constant__ tensor_map b, i32* c, int k, int columns) {
  product<128>(&a, &b, c, k, columns);
}
extern "C" __global__ void __launch_bounds__(128) h_product_256(const __grid_constant__ tensor_map a, const __grid_constant__ tensor_map b, i32* c, int k, int columns) {
  product<256>(&a, &b, c, k, columns);
}

// A warp copies while a warpgroup multiplies, and the result goes through
// shared memory: c [64, 64] = a [64, k] * b [64, k] in bf16, k of 64 a tile.
extern "C" __global__ void __launch_bounds__(256) h_specialized(const __grid_constant__ tensor_map a, const __grid_constant__ tensor_map b, const __grid_constant__ tensor_map c,
                                                               int k, int fault) {
  SHARED_DYNAMIC(u8, s);
  SHARED(u64, full, [stages]);
  SHARED(u64, empty, [stages]);
  u8* as = s;
  u8* bs = s + stages * 8192;
  float* cs = reinterpret_cast<float*>(s + 2 * stages * 8192);
  if (threadIdx.x == 0) {
    for (int i = 0; i < stages; i++) {
      mbarrier_init(&full[i], 1);
      mbarrier_init(&empty[i], 128);
    }
    mbarrier_fence();
  }
  __syncthreads();
  int tiles = k / 64;
  if (threadIdx.x < 128) {
    registers_less<24>();
    if (threadIdx.x > 0) return;
    for (int t = 0; t < tiles; t++) {
      int i = t % stages;
      if (t >= stages) mbarrier_wait(&empty[i], (t / stages & 1) ^ 1);
      mbarrier_arrive_expect(&full[i], fault == 1 ? 16000 : 16384);
      tma_load(as + i * 8192, &a, &full[i], t * 64, 0);
      tma_load(bs + i * 8192, &b, &full[i], t * 64, 0);
    }
    return;
  }
  registers_more<232>();
  float d[32];
  for (int t = 0; t < tiles; t++) {
    int i = t % stages;
    mbarrier_wait(&full[i], t / stages & 1);
    wgmma_fence();
    for (int kk = 0; kk < 128; kk += 32) wgmma_bf16(d, descriptor(as + i * 8192 + kk), descriptor(bs + i * 8192 + kk), t + kk > 0);
    wgmma_commit();
    if (fault != 2) wgmma_wait<0>();
    mbarrier_arrive(&empty[i]);
  }
  int warp = (int)threadIdx.x / 32 - 4, lane = (int)threadIdx.x % 32;
  // 32 columns of float32 are 128 bytes: two boxes.
  for (int i = 0; i < 32; i++) {
    int row = 16 * warp + lane / 4 + 8 * (i / 2 % 2), col = 2 * (lane % 4) + i % 2 + 8 * (i / 4);
    cs[col / 32 * 2048 + row * 32 + col % 32] = d[i];
  }
  if (fault != 3) async_fence();
  named_barrier(1, 128);
  if (threadIdx.x == 128) {
    tma_store(&c, cs, 0, 0);
    tma_store(&c, cs + 2048, 32, 0);
    tma_store_wait();
  }
}

// Threads write the operands of a product themselves: row r of both has r % 3
// everywhere, so that sum [r, c] is 32 * (r % 3) * (c % 3).
extern "C" __global__ void __launch_bounds__(128) h_written(i32* c, int fault) {
  SHARED_DYNAMIC(u8, s);
  for (int i = threadIdx.x; i < 64 * tile_k; i += 128) s[i] = (u8)(i / tile_k % 3);
  if (fault != 1) async_fence();
  __syncthreads();
  i32 d[32];
  if (fault != 2) wgmma_fence();
  wgmma_k32(d, descriptor(s), descriptor(s), false);
  wgmma_commit();
  wgmma_wait<0>();
  if (fault == 3) {  // The sums are touched; the next product wants a fence.
    d[0]++;
    wgmma_k32(d, descriptor(s), descriptor(s), true);
    wgmma_commit();
    wgmma_wait<0>();
  }
  int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
  for (int i = 0; i < 32; i++) c[(16 * warp + lane / 4 + 8 * (i / 2 % 2)) * 64 + 2 * (lane % 4) + i % 2 + 8 * (i / 4)] = d[i];
}

// Lanes exchange numbers through shared memory in a kernel that has a barrier
// there, which orders warps but not the lanes of one.
extern "C" __global__ void __launch_bounds__(128) h_lanes(i32* out, int fault) {
  SHARED(u64, bar, [1]);
  SHARED(i32, numbers, [128]);
  if (threadIdx.x == 0) {
    mbarrier_init(bar, 128);
    mbarrier_fence();
  }
  __syncthreads();
  mbarrier_arrive(bar);
  mbarrier_wait(bar, 0);
  numbers[threadIdx.x] = (int)threadIdx.x;
  if (fault != 1) __syncwarp();
  out[threadIdx.x] = numbers[threadIdx.x / 2 * 2];
}
