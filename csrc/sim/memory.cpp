// Device memory: one reserved range, a bit a byte that says what may be
// accessed. Allocations lie apart, so that a pointer past one's end is not
// inside the next.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>

#include "sim.h"

namespace sim {

Memory memory;

namespace {

constexpr size_t page = 4096;
constexpr size_t gap = page;
constexpr size_t poison_limit = 64 << 20;

struct Device {
  size_t used = 0;
  std::map<uint64_t, size_t> holes;  // address -> size
};

std::mutex lock;
Device devices[max_devices];
struct Allocation {
  size_t size, span;
  int device;
};
std::map<uint64_t, Allocation> allocations;
std::map<uint64_t, size_t> pins;

void* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    fprintf(stderr, "goqatsim: cannot reserve %zu bytes of addresses\n", bytes);
    abort();
  }
  return p;
}

void set_bits(uint64_t offset, size_t n, bool yes) {
  while (n > 0 && offset % 8) {
    unsigned char bit = (unsigned char)(1u << offset % 8);
    if (yes)
      memory.bits[offset / 8] |= bit;
    else
      memory.bits[offset / 8] &= (unsigned char)~bit;
    offset++, n--;
  }
  memset(memory.bits + offset / 8, yes ? 0xff : 0, n / 8);
  offset += n / 8 * 8, n %= 8;
  for (; n > 0; offset++, n--) {
    unsigned char bit = (unsigned char)(1u << offset % 8);
    if (yes)
      memory.bits[offset / 8] |= bit;
    else
      memory.bits[offset / 8] &= (unsigned char)~bit;
  }
}

}  // namespace

void memory_init(int count, size_t device_size) {
  std::lock_guard<std::mutex> g(lock);
  if (memory.base) munmap(memory.base, memory.size), munmap(memory.bits, memory.size / 8 + 16), munmap(memory.read_by, memory.size / sector * 4), munmap(memory.written_by, memory.size / sector * 4), munmap(memory.writers, memory.size * 8);
  // As many addresses again, for the gaps.
  size_t span = device_size * 2 + (64 << 20);
  span = (span + page - 1) / page * page;
  memory.device_size = device_size;
  memory.span = span;
  memory.size = span * (size_t)count;
  memory.base = (unsigned char*)reserve(memory.size);
  memory.bits = (unsigned char*)reserve(memory.size / 8 + 16);
  memory.read_by = (uint32_t*)reserve(memory.size / sector * 4);
  memory.written_by = (uint32_t*)reserve(memory.size / sector * 4);
  memory.writers = (uint64_t*)reserve(memory.size * 8);
  allocations.clear();
  for (int d = 0; d < count; d++) {
    devices[d].used = 0;
    devices[d].holes = {{(uint64_t)memory.base + (size_t)d * span + page, span - page}};
  }
}

uint64_t allocate(int device, size_t bytes) {
  std::lock_guard<std::mutex> g(lock);
  Device& d = devices[device];
  size_t rounded = (bytes + 511) / 512 * 512;
  if (rounded < bytes || d.used + rounded > memory.device_size) return 0;
  size_t span = (bytes + page - 1) / page * page + gap;
  for (auto& h : d.holes) {
    if (h.second < span) continue;
    uint64_t p = h.first;
    size_t left = h.second - span;
    d.holes.erase(p);
    if (left) d.holes[p + span] = left;
    d.used += rounded;
    allocations[p] = {bytes, span, device};
    set_bits(p - (uint64_t)memory.base, bytes, true);
    // What was never written is NaN, or -1.
    if (bytes <= poison_limit) memset((void*)p, 0xff, bytes);
    return p;
  }
  return 0;
}

bool release(uint64_t p) {
  std::lock_guard<std::mutex> g(lock);
  auto a = allocations.find(p);
  if (a == allocations.end()) return false;
  size_t size = a->second.size, span = a->second.span;
  Device& d = devices[a->second.device];
  d.used -= (size + 511) / 512 * 512;
  set_bits(p - (uint64_t)memory.base, size, false);
  madvise((void*)p, span - gap, MADV_DONTNEED);
  madvise(memory.writers + (p - (uint64_t)memory.base), (span - gap) * 8, MADV_DONTNEED);
  allocations.erase(a);
  auto h = d.holes.emplace(p, span).first;
  auto after = std::next(h);
  if (after != d.holes.end() && p + span == after->first) h->second += after->second, d.holes.erase(after);
  if (h != d.holes.begin()) {
    auto before = std::prev(h);
    if (before->first + before->second == p) before->second += h->second, d.holes.erase(h);
  }
  return true;
}

bool allocation_of(uint64_t p, uint64_t* base, size_t* size) {
  std::lock_guard<std::mutex> g(lock);
  auto a = allocations.upper_bound(p);
  if (a == allocations.begin()) return false;
  --a;
  if (p >= a->first + a->second.size) return false;
  if (base) *base = a->first;
  if (size) *size = a->second.size;
  return true;
}

size_t free_bytes(int device) {
  std::lock_guard<std::mutex> g(lock);
  return memory.device_size - devices[device].used;
}

size_t live_allocations() {
  std::lock_guard<std::mutex> g(lock);
  return allocations.size();
}

size_t live_bytes() {
  std::lock_guard<std::mutex> g(lock);
  size_t n = 0;
  for (auto& a : allocations) n += a.second.size;
  return n;
}

bool accessible(uint64_t p, size_t n) {
  if (n == 0) return true;
  uint64_t offset = p - (uint64_t)memory.base;
  if (offset >= memory.size || n > memory.size - offset) return false;
  uint64_t end = offset + n;
  while (offset < end && offset % 8) {
    if (!(memory.bits[offset / 8] >> offset % 8 & 1)) return false;
    offset++;
  }
  while (offset + 8 <= end) {
    if (memory.bits[offset / 8] != 0xff) return false;
    offset += 8;
  }
  for (; offset < end; offset++)
    if (!(memory.bits[offset / 8] >> offset % 8 & 1)) return false;
  return true;
}

void set_accessible(uint64_t p, size_t n, bool yes) {
  if (!allocation_of(p, nullptr, nullptr)) return;
  std::lock_guard<std::mutex> g(lock);
  set_bits(p - (uint64_t)memory.base, n, yes);
}

void* pin_allocate(size_t bytes) {
  void* p = nullptr;
  if (posix_memalign(&p, page, bytes ? bytes : 1)) return nullptr;
  memset(p, 0xff, bytes);
  std::lock_guard<std::mutex> g(lock);
  pins[(uint64_t)p] = bytes;
  return p;
}

bool pin_release(void* p) {
  std::lock_guard<std::mutex> g(lock);
  if (!pins.erase((uint64_t)p)) return false;
  free(p);
  return true;
}

bool pinned(const void* p, size_t n) {
  std::lock_guard<std::mutex> g(lock);
  auto a = pins.upper_bound((uint64_t)p);
  if (a == pins.begin()) return false;
  --a;
  return (uint64_t)p + n <= a->first + a->second;
}

size_t live_pinned() {
  std::lock_guard<std::mutex> g(lock);
  return pins.size();
}

std::string describe(uint64_t p, size_t n) {
  std::lock_guard<std::mutex> g(lock);
  char text[200];
  auto a = allocations.upper_bound(p);
  if (a != allocations.begin()) {
    --a;
    uint64_t end = a->first + a->second.size;
    if (p + n <= end)
      snprintf(text, sizeof text, "byte %llu of an allocation of %zu", (unsigned long long)(p - a->first), a->second.size);
    else
      snprintf(text, sizeof text, "%llu bytes past the start of an allocation of %zu bytes", (unsigned long long)(p - a->first), a->second.size);
    if (p < end + (1 << 20)) return text;
  }
  return "not in any allocation";
}

}  // namespace sim
