// Every access of a kernel to memory comes here: g++ compiles kernels with
// -fsanitize=thread, which calls these functions before each load and store,
// and this library is linked instead of the sanitizer's.
#include <link.h>

#include <cstdio>

#include "block.h"
#include "warp.h"

namespace sim {

namespace {

// The addresses of this library: constants of kernels are read there.
uint64_t own_lo = ~0ull, own_hi = 0;

int find_own(dl_phdr_info* info, size_t, void*) {
  uint64_t self = (uint64_t)&find_own, lo = ~0ull, hi = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)& p = info->dlpi_phdr[i];
    if (p.p_type != PT_LOAD) continue;
    uint64_t a = info->dlpi_addr + p.p_vaddr;
    if (a < lo) lo = a;
    if (a + p.p_memsz > hi) hi = a + p.p_memsz;
  }
  if (self < lo || self >= hi) return 0;
  own_lo = lo, own_hi = hi;
  return 1;
}

inline bool in_stacks(const Worker* w, uint64_t p) { return p - (uint64_t)w->stacks < w->stacks_size; }

void elsewhere(uint64_t p, size_t n, bool write) {
  if (own_hi == 0) dl_iterate_phdr(find_own, nullptr);
  if (p >= own_lo && p + n <= own_hi) {
    if (write) fault(illegal_address, "write to memory of the program at %p", (void*)p);
    return;
  }
  // Thread-local: what kernel.h keeps of the running thread.
  if (p - (uint64_t)&here < sizeof here) return;
  if (pinned((void*)p, n)) return;
  fault(illegal_address, "%s of %zu bytes at %p, which is no device memory", write ? "write" : "read", n, (void*)p);
}

[[noreturn]] void outside(uint64_t p, size_t n, bool write) {
  fault(illegal_address, "%s of %zu bytes at %p is forbidden: %s", write ? "write" : "read", n, (void*)p, describe(p, n).c_str());
}

// bits_set says whether the n <= 16 bits from bit p on are all set.
inline bool bits_set(const unsigned char* bits, uint64_t p, size_t n) {
  uint32_t v;
  memcpy(&v, bits + p / 8, 4);
  uint32_t want = (uint32_t)((1ull << n) - 1);
  return (v >> (p % 8) & want) == want;
}

inline void touch(uint32_t* by, uint64_t offset, size_t n, uint32_t id, uint64_t& sectors) {
  for (uint64_t s = offset / sector; s <= (offset + n - 1) / sector; s++)
    if (__atomic_load_n(by + s, __ATOMIC_RELAXED) != id && __atomic_exchange_n(by + s, id, __ATOMIC_RELAXED) != id) sectors++;
}

// overwrite notes who writes bytes of global memory, and finds writes of two
// threads to the same place with nothing between: of two blocks, or of two
// warps of a block between barriers.
inline void overwrite(Worker* w, uint64_t offset, size_t n) {
  uint64_t own = w->writes_as | (uint64_t)((w->epoch - w->block_epoch) & 0x3ff) << 10 | here.linear;
  for (uint64_t* x = memory.writers + offset; x < memory.writers + offset + n; x++) {
    uint64_t other = *x;
    *x = own;
    // Same launch and block and barriers and warp, or another launch.
    if ((other ^ own) < 32 || (other ^ own) >> 40) continue;
    bool blocks = (other ^ own) >> 20 & 0xfffff;
    if (!blocks && (other ^ own) >> 10) continue;
    fault(launch_failed, "race on global memory at %p (%s): written by thread %u of block %u in this launch, too", (void*)(memory.base + (x - memory.writers)),
          describe((uint64_t)memory.base + (uint64_t)(x - memory.writers), 1).c_str(), (unsigned)(other & 0x3ff), (unsigned)(other >> 20 & 0xfffff));
  }
}

inline void global(uint64_t p, size_t n, bool write, bool atomic = false) {
  Worker* w = here.worker;
  uint64_t offset = p - (uint64_t)memory.base;
  if (n <= 16 ? !bits_set(memory.bits, offset, n) : !accessible(p, n)) outside(p, n, write);
  if (offset - w->device_base >= memory.span) fault(illegal_address, "%s of %zu bytes at %p: memory of another device", write ? "write" : "read", n, (void*)p);
  if (write) {
    if (!atomic && w->races) overwrite(w, offset, n);
    w->counters.written_requested += n;
    touch(memory.written_by, offset, n, w->launch_id, w->counters.written_sectors);
  } else {
    // What another block writes in this launch is there for one that has met it
    // behind a fence at most.
    w->met = w->met || (atomic && w->fenced);
    uint64_t other = memory.writers[offset] ^ w->writes_as;
    if (!atomic && !w->met && other >> 40 == 0 && other >> 20)
      fault(launch_failed, "race on global memory at %p (%s): read of what block %u writes in this launch", (void*)p, describe(p, n).c_str(),
            (unsigned)(memory.writers[offset] >> 20 & 0xfffff));
    w->counters.read_requested += n;
    touch(memory.read_by, offset, n, w->launch_id, w->counters.read_sectors);
  }
}

// Readers of a byte: a thread, several | a warp, or many.
constexpr uint16_t several = 0x8000, many = 0xffff;

[[noreturn]] void race(const char* what, uint64_t offset, unsigned other) {
  char who[32];
  if (other == many)
    snprintf(who, sizeof who, "several threads");
  else
    snprintf(who, sizeof who, other & several ? "several lanes of warp %u" : "thread %u", other & ~several);
  fault(launch_failed, "race on shared memory (byte %llu): %s %s, with no barrier between", (unsigned long long)offset, what, who);
}


}  // namespace

bool in_shared(const void* p) { return (uint64_t)p - (uint64_t)here.worker->shared < shared_window; }

void shared_read(const void* p, size_t n) {
  Worker* w = here.worker;
  uint64_t at = (uint64_t)p - (uint64_t)w->shared;
  uint16_t self = (uint16_t)here.linear, sync = w->warp_sync[here.warp];
  for (size_t i = at; i < at + n; i++) {
    if (i >= shared_window || !w->open[i]) fault(illegal_address, "read of %zu bytes outside of shared memory (byte %zu)", n, i);
    Cell& c = w->cells[i];
    if (c.write_epoch < w->block_epoch) fault(launch_failed, "read of shared memory that was not written (byte %zu)", i);
    if (c.write_epoch == w->epoch && c.writer != self && (c.writer / 32u != here.warp ? w->races : w->warp_races && c.write_sync == sync))
      race("read of what was written by", i, c.writer);
    if (c.read_epoch != w->epoch || c.reader == self)
      c.reader = self;
    else if (c.reader != many && (c.reader & several ? c.reader & ~several : c.reader / 32u) == here.warp)
      c.reader = c.read_sync == sync ? (uint16_t)(several | here.warp) : self;
    else
      c.reader = many;
    c.read_epoch = w->epoch;
    c.read_sync = sync;
  }
}

void shared_write(void* p, size_t n) {
  Worker* w = here.worker;
  uint64_t at = (uint64_t)p - (uint64_t)w->shared;
  uint16_t self = (uint16_t)here.linear, sync = w->warp_sync[here.warp];
  for (size_t i = at; i < at + n; i++) {
    if (i >= shared_window || !w->open[i]) fault(illegal_address, "write of %zu bytes outside of shared memory (byte %zu)", n, i);
    Cell& c = w->cells[i];
    if (c.write_epoch == w->epoch && c.writer != self && (c.writer / 32u != here.warp ? w->races : w->warp_races && c.write_sync == sync))
      race("write over what was written by", i, c.writer);
    if (c.read_epoch == w->epoch && c.reader != self) {
      bool own_warp = c.reader != many && (c.reader & several ? c.reader & ~several : c.reader / 32u) == here.warp;
      if (own_warp ? w->warp_races && c.read_sync == sync : w->races) race("write over what was read by", i, c.reader);
    }
    c.write_epoch = w->epoch;
    c.writer = self;
    c.write_sync = sync;
    c.unfenced = w->threads[self].fences + 1;
  }
}

void shared_write_async(void* p, size_t n) {
  Worker* w = here.worker;
  shared_write(p, n);
  Cell* c = &w->cells[(uint64_t)p - (uint64_t)w->shared];
  for (size_t i = 0; i < n; i++) c[i].unfenced = 0;
}

void shared_read_async(const void* p, size_t n, const char* who) {
  Worker* w = here.worker;
  shared_read(p, n);
  const Cell* c = &w->cells[(uint64_t)p - (uint64_t)w->shared];
  for (size_t i = 0; i < n; i++)
    if (c[i].unfenced && c[i].unfenced == w->threads[c[i].writer].fences + 1)
      fault(launch_failed, "%s reads what thread %u wrote to shared memory (byte %llu), with no async_fence of it between", who, c[i].writer,
            (unsigned long long)((uint64_t)p - (uint64_t)w->shared + i));
}

void global_read(const void* p, size_t n) {
  if (!on_device((uint64_t)p)) return elsewhere((uint64_t)p, n, false);
  global((uint64_t)p, n, false);
}

void global_write(void* p, size_t n) {
  if (!on_device((uint64_t)p)) return elsewhere((uint64_t)p, n, true);
  global((uint64_t)p, n, true);
}

void global_atomic(void* p, size_t n) {
  if (!on_device((uint64_t)p)) return elsewhere((uint64_t)p, n, true);
  global((uint64_t)p, n, false, true);
  global((uint64_t)p, n, true, true);
}

void check_read(const void* p, size_t n) {
  Worker* w = here.worker;
  if (in_stacks(w, (uint64_t)p)) return;
  if (on_device((uint64_t)p)) return global((uint64_t)p, n, false);
  if (in_shared(p)) return shared_read(p, n);
  elsewhere((uint64_t)p, n, false);
}

void check_write(void* p, size_t n) {
  Worker* w = here.worker;
  if (in_stacks(w, (uint64_t)p)) return;
  if (on_device((uint64_t)p)) return global((uint64_t)p, n, true);
  if (in_shared(p)) return shared_write(p, n);
  elsewhere((uint64_t)p, n, true);
}

}  // namespace sim

#define HOOK extern "C" __attribute__((visibility("hidden"))) void

HOOK __tsan_init() {}
HOOK __tsan_func_entry(void*) {}
HOOK __tsan_func_exit() {}
HOOK __tsan_vptr_update(void*, void*) {}
HOOK __tsan_vptr_read(void*) {}

// A GPU faults on an access that is no multiple of its size. The compiler
// calls the unaligned functions only where the source allows that.
#define ACCESS(n)                                                            \
  HOOK __tsan_read##n(void* p) { sim::before_load(p, n); }                   \
  HOOK __tsan_write##n(void* p) { sim::before_store(p, n); }                 \
  HOOK __tsan_volatile_read##n(void* p) { sim::before_load(p, n); }          \
  HOOK __tsan_volatile_write##n(void* p) { sim::before_store(p, n); }        \
  HOOK __tsan_unaligned_read##n(void* p) { sim::check_read(p, n); }          \
  HOOK __tsan_unaligned_write##n(void* p) { sim::check_write(p, n); }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
HOOK __tsan_read_range(void* p, long n) { sim::check_read(p, (size_t)n); }
HOOK __tsan_write_range(void* p, long n) { sim::check_write(p, (size_t)n); }
