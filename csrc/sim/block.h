// How a block of threads runs. Threads start on the same stack one after
// another; one that has to wait keeps its stack and the next starts on a
// fresh one. So a kernel without barriers runs as a plain loop, and no kernel
// has to say which kind it is.
#pragma once
#include <deque>
#include <vector>

#include "sim.h"
#include "switch.h"

namespace sim {

constexpr unsigned max_threads = 1024;
constexpr size_t stack_size = 64 << 10;
constexpr size_t shared_window = 256 << 10;

enum class State : uint8_t { unstarted, running, ready, barrier, warp, done };

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
  void* argument;    // of the collective: lives on the thread's stack
  int fiber;
  uint32_t copy_group;
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
  bool races = true;  // are looked for
  std::vector<uint16_t> warp_sync;
  std::vector<Static> statics;
  size_t shared_used = 0, dynamic_open = 0;
  // The result.
  int code = 0;
  std::string message;
  Counters counters;
  uint32_t launch_id = 0;
};

// arrive blocks the running thread until all lanes of mask have arrived at the
// same collective, and combines. Every lane then returns.
void arrive(Collective kind, uint32_t mask, void* argument, Combine combine);

// shared_read and shared_write check an access of the running thread to
// shared memory: bounds, initialization, races.
void shared_read(const void* p, size_t n);
void shared_write(void* p, size_t n);
// global_read and global_write check and count one to global memory.
void global_read(const void* p, size_t n);
void global_write(void* p, size_t n);
// check_read and check_write find out which it is.
void check_read(const void* p, size_t n);
void check_write(void* p, size_t n);
bool in_shared(const void* p);

}  // namespace sim
