// Running a grid: its blocks are handed out to OS threads.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "block.h"

namespace sim {

unsigned workers_wanted = 0;

Worker* this_worker();
void run_block(Worker* w);

std::vector<Function>& functions() {
  static std::vector<Function>* f = new std::vector<Function>;
  return *f;
}

void register_kernel(const char* name, int target, void (*run)(void**), const size_t* sizes, const size_t* aligns, size_t n) {
  Function f;
  f.name = name;
  f.target = target;
  f.run = run;
  f.sizes.assign(sizes, sizes + n);
  f.aligns.assign(aligns, aligns + n);
  functions().push_back(f);
}

namespace {

struct Job {
  const Launch* launch;
  uint32_t id;
  uint64_t blocks;
  std::atomic<uint64_t> next{0};
  std::atomic<bool> stop{false};
  std::mutex lock;
  Outcome outcome;
  uint64_t failed_block = ~0ull;
};

uint64_t block_at(uint64_t i, uint64_t n) {
  if (order == Order::descending) return n - 1 - i;
  if (order == Order::shuffled) {
    // A multiplier without common divisor permutes.
    uint64_t m = n % 7919 ? 7919 : 7907;
    return (i * m + n / 3) % n;
  }
  return i;
}

void work(Job* j) {
  Worker* w = this_worker();
  const Launch& l = *j->launch;
  w->launch = &l;
  w->launch_id = j->id;
  w->code = 0;
  w->counters = {};
  here.block_dim = {l.block[0], l.block[1], l.block[2]};
  here.grid_dim = {l.grid[0], l.grid[1], l.grid[2]};
  uint64_t failed = ~0ull;
  for (;;) {
    uint64_t i = j->next.fetch_add(1);
    if (i >= j->blocks || j->stop) break;
    uint64_t b = block_at(i, j->blocks);
    here.block = {(unsigned)(b % l.grid[0]), (unsigned)(b / l.grid[0] % l.grid[1]), (unsigned)(b / ((uint64_t)l.grid[0] * l.grid[1]))};
    run_block(w);
    if (w->code) {
      j->stop = true;
      failed = i;
      break;
    }
  }
  std::lock_guard<std::mutex> g(j->lock);
  Counters& c = j->outcome.counters;
  c.read_requested += w->counters.read_requested;
  c.written_requested += w->counters.written_requested;
  c.read_sectors += w->counters.read_sectors;
  c.written_sectors += w->counters.written_sectors;
  c.blocks += w->counters.blocks;
  c.static_shared = std::max(c.static_shared, w->counters.static_shared);
  c.dynamic_shared = std::max(c.dynamic_shared, w->counters.dynamic_shared);
  // Of several failures the first block's counts.
  if (w->code && failed < j->failed_block) {
    j->failed_block = failed;
    j->outcome.code = w->code;
    j->outcome.message = w->message;
  }
}

// Pool is the OS threads beside the one that launches.
struct Pool {
  std::mutex lock;
  std::condition_variable start, done;
  Job* job = nullptr;
  uint64_t turn = 0;
  unsigned wanted = 0, busy = 0, size = 0;

  void run(Job* j, unsigned helpers) {
    std::unique_lock<std::mutex> g(lock);
    while (size < helpers) {
      std::thread(&Pool::loop, this, size).detach();
      size++;
    }
    job = j;
    wanted = helpers;
    busy = helpers;
    turn++;
    start.notify_all();
    g.unlock();
    work(j);
    g.lock();
    done.wait(g, [&] { return busy == 0; });
    job = nullptr;
  }

  void loop(unsigned index) {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> g(lock);
    for (;;) {
      start.wait(g, [&] { return turn != seen; });
      seen = turn;
      if (index >= wanted) continue;
      Job* j = job;
      g.unlock();
      work(j);
      g.lock();
      if (--busy == 0) done.notify_all();
    }
  }
};

}  // namespace

Outcome execute(const Launch& launch) {
  static uint32_t ids = 0;
  static Pool* pool = new Pool;
  Job j;
  j.launch = &launch;
  j.id = ++ids;
  j.blocks = (uint64_t)launch.grid[0] * launch.grid[1] * launch.grid[2];
  unsigned most = workers_wanted ? workers_wanted : std::max(1u, std::thread::hardware_concurrency());
  uint64_t threads = j.blocks * launch.block[0] * launch.block[1] * launch.block[2];
  unsigned helpers = (unsigned)std::min<uint64_t>({most - 1, j.blocks - 1, threads / 4096});
  if (helpers == 0)
    work(&j);
  else
    pool->run(&j, helpers);
  return j.outcome;
}

}  // namespace sim
