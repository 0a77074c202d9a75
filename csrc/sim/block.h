// How a block of threads runs. Threads start on the same stack one after
// another; one that has to wait keeps its stack and the next starts on a
// fresh one. So a kernel without barriers runs as a plain loop, and no kernel
// has to say which kind it is.
#pragma once
#include <deque>
#include <vector>

#include "hopper_api.h"
#include "sim.h"
#include "switch.h"

namespace sim {

constexpr unsigned max_threads = 1024;
constexpr size_t stack_size = 64 << 10;
constexpr size_t shared_window = 256 << 10;

enum class State : uint8_t { unstarted, running, ready, barrier, warp, group, polling, done };

// Collectives of a warp.
enum class Collective : uint8_t { none, sync, shuffle, ballot, any, all, match, mma, ldmatrix, custom };

struct Copy {
  uint64_t group;
  void* to;
  const void* from;
  uint32_t bytes;
  bool zero;
};

struct Thread {
  State state;
  Collective kind;
  int site;          // of the barrier waited at
  uint32_t mask;     // of the collective waited at
  int predicate;
  int fiber;
  uint32_t copy_group;
  uint32_t fences;  // for the asynchronous proxy, so far
  bool fenced;      // wgmma_fence came behind the last wgmma_wait
  std::vector<Copy> copies;
};

// Combine computes a collective: for the lanes of mask, arguments[lane] are
// theirs, to be read and written.
using Combine = void (*)(uint32_t mask, void* const* arguments);

// Cell is what is known of a byte of shared memory: who wrote it and who read
// it last, in which interval between barriers.
struct Cell {
  uint32_t write_epoch, read_epoch;
  uint16_t writer, reader;       // thread in the block
  uint16_t write_sync, read_sync;  // __syncwarp calls of its warp by then
  uint32_t unfenced;  // fences of the writer by then and 1; 0 for the copy engine
};

// Transfer is a copy by the copy engine that has not happened.
struct Transfer {
  void* to;
  alignas(64) unsigned char map[128];  // the issuing thread may end
  uint64_t* bar;
  int32_t at[5];
};

// Product128 is a product of a warpgroup that has not happened.
struct Product128 {
  void* d[128];
  const uint32_t* left[128];  // a in registers, else null
  uint64_t a, b;
  bool add;
  int n;
  Operand kind;
  uint64_t group;
};

// Group is a warpgroup: who has arrived at its collective, and its products.
struct Group {
  unsigned arrived = 0;
  void* arguments[128];
  uint64_t commits = 0;
  std::vector<Product128> products;
};

// Meeting is a collective of a warp that some lanes have arrived at. Parts of
// a warp may be at different ones.
struct Meeting {
  Collective kind;
  uint32_t mask, arrived = 0;
  void* arguments[32];
};
struct Warp {
  Meeting meetings[4];
  uint32_t lanes, ended;  // that there are, and of these, that have ended
};

// Named is a barrier of bar.sync with a number.
struct Named {
  unsigned arrived = 0, wanted = 0;
  std::vector<unsigned> waiting;
};

struct Static {
  const void* site;
  size_t offset, size;
};

struct Worker {
  // Memory: shared memory between guards, then stacks.
  unsigned char* arena = nullptr;
  unsigned char* shared = nullptr;
  std::vector<Cell> cells;
  std::vector<uint8_t> open;  // a byte of the window: inside an array
  unsigned char* stacks = nullptr;
  size_t stacks_size = 0;
  Context scheduler;
  std::vector<Context> fibers;
  std::vector<int> idle;     // fibers that wait for a thread to run
  std::vector<int> running;  // fiber -> thread
  // The block.
  const Launch* launch = nullptr;
  std::vector<Thread> threads;
  unsigned count = 0, next = 0, live = 0;
  unsigned at_barrier = 0;
  int barrier_sum = 0, barrier_site = 0, barrier_result = 0;
  std::vector<unsigned> ready;  // a queue
  size_t ready_head = 0;
  uint32_t epoch = 0, block_epoch = 0;
  // Races are looked for, between warps and inside of one. Barriers in shared
  // memory order what the former cannot follow.
  bool races = true, warp_races = true;
  size_t device_base = 0;  // of the memory that the kernel may touch
  std::vector<uint16_t> warp_sync;
  std::vector<Warp> warps;
  std::vector<Static> statics;
  std::vector<Transfer> transfers;
  std::vector<Group> groups;
  Named named[16];
  std::vector<unsigned> polling;      // threads that look again when something has changed
  uint64_t progress = 0, polled = 0;  // counts changes; its value at the last look
  size_t shared_used = 0, dynamic_open = 0;
  // The result.
  int code = 0;
  std::string message;
  Counters counters;
  uint32_t launch_id = 0;
  uint64_t writes_as = 0;  // launch and block, as Memory::writers has them
  // __threadfence and then an atomic operation let blocks know of each other.
  bool fenced = false, met = false;
};

// arrive blocks the running thread until all lanes of mask have arrived at the
// same collective, and combines. Every lane then returns.
void arrive(Collective kind, uint32_t mask, void* argument, Combine combine);

// arrive_warpgroup is the same for the 128 threads of a warpgroup.
void arrive_warpgroup(void* argument, void (*combine)(void* const* arguments));
// join waits at a numbered barrier.
void join(int id, unsigned threads);
// poll lets others run until something has changed.
void poll();

// shared_read and shared_write check an access of the running thread to
// shared memory: bounds, initialization, races.
void shared_read(const void* p, size_t n);
void shared_write(void* p, size_t n);
// The same for the copy engine and for wgmma, which see what a thread wrote
// behind its async_fence alone.
void shared_write_async(void* p, size_t n);
void shared_read_async(const void* p, size_t n, const char* who);
// global_read and global_write check and count one to global memory.
void global_read(const void* p, size_t n);
void global_write(void* p, size_t n);
void global_atomic(void* p, size_t n);
// check_read and check_write find out which it is.
void check_read(const void* p, size_t n);
void check_write(void* p, size_t n);
bool in_shared(const void* p);

}  // namespace sim
