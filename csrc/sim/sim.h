// The inside of the simulator: a CUDA driver on the CPU. See docs/gpu.md.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace sim {

struct uint3_ {
  unsigned x, y, z;
};

// Here is what the running thread of a kernel sees, one an OS thread. Fibers
// stay on the OS thread that started them.
struct Here {
  uint3_ thread, block, block_dim, grid_dim;
  uint32_t lane, warp, linear;
  struct Worker* worker;
};
extern thread_local Here here __attribute__((tls_model("initial-exec"), visibility("hidden")));

// Error codes that a kernel can end with (CUresult).
enum : int {
  illegal_address = 700,
  launch_failed = 719,
  misaligned = 716,
};

// fault ends the running kernel with a code and a message. It does not
// return.
[[noreturn]] void fault(int code, const char* format, ...) __attribute__((format(printf, 2, 3)));

// Memory (memory.cpp).

constexpr int max_devices = 8;

// Device memory of all devices lies in one range of addresses; a bit a byte
// says what is allocated.
struct Memory {
  unsigned char* base = nullptr;
  size_t size = 0;  // of all devices together
  size_t device_size = 0;
  size_t span = 0;  // of the addresses of a device
  unsigned char* bits = nullptr;     // 1: may be accessed
  uint32_t* read_by = nullptr;       // a sector of 32 bytes: the launch that read it last
  uint32_t* written_by = nullptr;
  uint64_t* writers = nullptr;       // a byte: launch, block, barriers and thread of the last write
};
extern Memory memory;
constexpr size_t sector = 32;

void memory_init(int devices, size_t device_size);
// allocate returns the address, 0 when there is no room.
uint64_t allocate(int device, size_t bytes);
// release returns false when nothing was allocated there.
bool release(uint64_t p);
// allocation_of finds the allocation that p lies in.
bool allocation_of(uint64_t p, uint64_t* base, size_t* size);
size_t free_bytes(int device);
size_t live_allocations();
size_t live_bytes();
// accessible says whether all of [p, p+n) is allocated; on_device whether p
// is an address of device memory at all.
bool accessible(uint64_t p, size_t n);
void set_accessible(uint64_t p, size_t n, bool yes);
inline bool on_device(uint64_t p) { return p - (uint64_t)memory.base < memory.size; }
// Pinned host memory.
void* pin_allocate(size_t bytes);
bool pin_release(void* p);
bool pinned(const void* p, size_t n);
size_t live_pinned();
// describe names an address for messages.
std::string describe(uint64_t p, size_t n);

// Running kernels (block.cpp).

struct Function {
  std::string name;
  int target = 0;  // 75, 80, 90
  void (*run)(void** parameters) = nullptr;
  std::vector<size_t> sizes, aligns;
};
// functions lists what was registered by the compiled kernel files.
std::vector<Function>& functions();
void register_kernel(const char* name, int target, void (*run)(void**), const size_t* sizes, const size_t* aligns, size_t n);

struct Counters {
  uint64_t read_requested = 0, written_requested = 0;  // bytes the threads asked for
  uint64_t read_sectors = 0, written_sectors = 0;      // distinct 32-byte sectors
  uint64_t blocks = 0;
  uint64_t static_shared = 0, dynamic_shared = 0;
};

struct Launch {
  const Function* function;
  unsigned grid[3], block[3];
  unsigned dynamic_shared;
  size_t shared_limit;  // static and dynamic together
  int device = 0;
  void** parameters;
};

struct Outcome {
  int code = 0;
  std::string message;
  Counters counters;
};

// execute runs a whole grid. Blocks are shared among OS threads.
Outcome execute(const Launch& launch);

// Order of blocks and of threads, for tests that show that it is irrelevant.
enum class Order { ascending, descending, shuffled };
extern Order order;
extern unsigned workers_wanted;

// What kernels call (through kernel.h).

void barrier(int site);
int barrier_count(int site, int predicate);
void* shared_static(const void* site, size_t bytes, const char* name);
void* shared_dynamic();

}  // namespace sim
