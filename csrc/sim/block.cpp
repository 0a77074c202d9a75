#include "block.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace sim {

thread_local Here here __attribute__((tls_model("initial-exec")));
Order order = Order::ascending;

namespace {

void entry();

Worker* make_worker() {
  Worker* w = new Worker;
  w->stacks_size = max_threads * stack_size;
  size_t bytes = shared_window + 8192 + w->stacks_size;
  void* p = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) abort();
  w->arena = (unsigned char*)p;
  w->shared = w->arena + 4096;
  w->stacks = w->shared + shared_window + 4096;
  if (mprotect(w->shared, shared_window, PROT_READ | PROT_WRITE) || mprotect(w->stacks, w->stacks_size, PROT_READ | PROT_WRITE)) abort();
  w->cells.resize(shared_window);
  w->open.resize(shared_window);
  return w;
}

// start gives fiber f a stack and lets it run threads when switched to.
void start(Worker* w, int f) { prepare(w->fibers[f], w->stacks + f * stack_size, stack_size, entry); }

void enter(Worker* w, unsigned t) {
  const unsigned* b = w->launch->block;
  here.linear = t;
  here.lane = t % 32;
  here.warp = t / 32;
  here.thread = {t % b[0], t / b[0] % b[1], t / (b[0] * b[1])};
}

// pick switches to a thread that can run, or to the scheduler when none can.
void pick(Worker* w, Context& from) {
  if (w->ready_head < w->ready.size()) {
    unsigned t = w->ready[w->ready_head++];
    if (w->ready_head == w->ready.size()) w->ready.clear(), w->ready_head = 0;
    Thread& th = w->threads[t];
    th.state = State::running;
    enter(w, t);
    Context& to = w->fibers[th.fiber];
    if (&to != &from) switch_to(from, to);
    return;
  }
  if (w->next < w->count) {
    int f;
    if (!w->idle.empty()) {
      f = w->idle.back();
      w->idle.pop_back();
    } else {
      f = (int)w->fibers.size();
      w->fibers.emplace_back();
      w->running.push_back(0);
      start(w, f);
    }
    switch_to(from, w->fibers[f]);
    return;
  }
  if (&from != &w->scheduler) switch_to(from, w->scheduler);
}

// wait blocks the running thread.
void wait(Worker* w, State s) {
  Thread& t = w->threads[here.linear];
  t.state = s;
  pick(w, w->fibers[t.fiber]);
}

unsigned thread_at(Worker* w, unsigned i) {
  switch (order) {
    case Order::descending: return w->count - 1 - i;
    case Order::shuffled: {
      // Warps in turn from another one in each block, backwards.
      unsigned warps = w->count / 32;
      if (i >= warps * 32) return i;
      return (warps - 1 - i / 32 + w->block_epoch) % warps * 32 + i % 32;
    }
    default: return i;
  }
}

// entry runs threads until there are none to start. When it comes to the end
// of one while others wait, it goes on with those first.
void entry() {
  for (;;) {
    Worker* w = here.worker;
    int f = -1;
    // Which fiber is this? The one whose stack holds this variable.
    f = (int)(((unsigned char*)&f - w->stacks) / stack_size);
    while (w->next < w->count) {
      unsigned t = thread_at(w, w->next++);
      Thread& th = w->threads[t];
      th.fiber = f;
      th.state = State::running;
      enter(w, t);
      w->launch->function->run(w->launch->parameters);
      Thread& end = w->threads[t];
      end.state = State::done;
      if (!end.copies.empty()) end.copies.clear();
      w->warps[t / 32].ended |= 1u << t % 32;
      w->live--;
      w->progress++;
      if (w->at_barrier > 0) fault(launch_failed, "thread %u ended while %u wait at the barrier of line %d", t, w->at_barrier, w->barrier_site);
    }
    w->idle.push_back(f);
    pick(w, w->fibers[f]);
  }
}

const char* state_name(State s) {
  switch (s) {
    case State::unstarted: return "not started";
    case State::running: return "running";
    case State::ready: return "ready";
    case State::barrier: return "at a barrier";
    case State::warp: return "at a warp operation";
    case State::group: return "at a warpgroup operation or a numbered barrier";
    case State::polling: return "waiting for a barrier in shared memory";
    case State::done: return "ended";
  }
  return "?";
}

// stuck describes why no thread can go on.
void stuck(Worker* w) {
  char text[256];
  w->code = launch_failed;
  for (unsigned t = 0; t < w->count; t++) {
    Thread& th = w->threads[t];
    if (th.state == State::warp) {
      snprintf(text, sizeof text, "deadlock: thread %u waits for lanes %08x of its warp", t, th.mask);
      w->message = text;
      for (unsigned l = t / 32 * 32; l < std::min(w->count, t / 32 * 32 + 32); l++) {
        Thread& o = w->threads[l];
        if (th.mask >> (l % 32) & 1 && (o.state != State::warp || o.kind != th.kind || o.mask != th.mask)) {
          snprintf(text, sizeof text, "; lane %u is %s", l % 32, o.state == State::warp ? "at another operation or names other lanes" : state_name(o.state));
          w->message += text;
          return;
        }
      }
      return;
    }
  }
  w->message = "deadlock";
  for (State s : {State::barrier, State::group, State::polling}) {
    unsigned n = 0;
    for (unsigned t = 0; t < w->count; t++) n += w->threads[t].state == s;
    if (n == 0) continue;
    snprintf(text, sizeof text, ", %u threads %s", n, state_name(s));
    w->message += text;
  }
}

}  // namespace

void fault(int code, const char* format, ...) {
  char text[512];
  va_list a;
  va_start(a, format);
  vsnprintf(text, sizeof text, format, a);
  va_end(a);
  Worker* w = here.worker;
  char where[256];
  snprintf(where, sizeof where, "%s: block (%u,%u,%u) thread (%u,%u,%u): ", w->launch->function->name.c_str(), here.block.x, here.block.y,
           here.block.z, here.thread.x, here.thread.y, here.thread.z);
  w->code = code;
  w->message = std::string(where) + text;
  Context abandoned;
  switch_to(abandoned, w->scheduler);
  abort();
}

// resume_polling lets the threads that poll look again, if anything has
// changed since the last time.
static bool resume_polling(Worker* w) {
  if (w->polling.empty() || w->polled == w->progress) return false;
  w->polled = w->progress;
  for (unsigned t : w->polling) w->threads[t].state = State::ready, w->ready.push_back(t);
  w->polling.clear();
  return true;
}

// run_block runs the block that here.block names.
void run_block(Worker* w) {
  const Launch& l = *w->launch;
  w->count = l.block[0] * l.block[1] * l.block[2];
  w->threads.resize(std::max<size_t>(w->threads.size(), w->count));
  for (unsigned t = 0; t < w->count; t++) {
    Thread& th = w->threads[t];
    th.state = State::unstarted;
    th.copy_group = th.fences = 0;
    th.fenced = false;
    if (!th.copies.empty()) th.copies.clear();
  }
  w->next = 0;
  w->live = w->count;
  w->at_barrier = 0;
  w->ready.clear();
  w->ready_head = 0;
  w->block_epoch = ++w->epoch;
  w->races = w->warp_races = true;
  w->fenced = w->met = false;
  w->device_base = (size_t)l.device * memory.span;
  uint64_t block = here.block.x + (uint64_t)l.grid[0] * (here.block.y + (uint64_t)l.grid[1] * here.block.z);
  w->writes_as = (uint64_t)(w->launch_id & 0xffffff) << 40 | (block & 0xfffff) << 20;
  w->warp_sync.assign((w->count + 31) / 32, 0);
  w->warps.resize((w->count + 31) / 32);
  for (unsigned i = 0; i < w->warps.size(); i++) {
    Warp& p = w->warps[i];
    for (Meeting& m : p.meetings) m.arrived = 0;
    p.lanes = w->count - 32 * i < 32 ? (1u << (w->count - 32 * i)) - 1 : 0xffffffffu;
    p.ended = 0;
  }
  w->transfers.clear();
  w->groups.resize((w->count + 127) / 128);
  for (Group& g : w->groups) g.arrived = 0, g.commits = 0, g.products.clear();
  for (Named& n : w->named) n.arrived = 0, n.waiting.clear();
  w->polling.clear();
  w->progress = w->polled = 0;
  for (Static& s : w->statics) std::fill_n(w->open.begin() + s.offset, s.size, 0);
  std::fill_n(w->open.begin(), w->dynamic_open, 0);
  w->statics.clear();
  // Dynamic shared memory first, static arrays behind it, a gap between.
  w->dynamic_open = l.dynamic_shared;
  w->counters.dynamic_shared = l.dynamic_shared;
  std::fill_n(w->open.begin(), l.dynamic_shared, 1);
  w->shared_used = (l.dynamic_shared + 63) / 64 * 64 + 64;
  w->counters.static_shared = 0;
  w->counters.blocks++;
  if (w->fibers.capacity() < max_threads) w->fibers.reserve(max_threads), w->running.reserve(max_threads);
  while (w->code == 0 && w->live > 0) {
    if (w->ready_head == w->ready.size() && w->next == w->count && !resume_polling(w)) {
      stuck(w);
      break;
    }
    pick(w, w->scheduler);
  }
  if (w->code == 0 && !w->transfers.empty()) w->code = launch_failed, w->message = l.function->name + ": a block ended before its copies (tma_load)";
  if (w->code == 0)
    for (Group& g : w->groups)
      if (!g.products.empty()) w->code = launch_failed, w->message = l.function->name + ": a block ended before its products (wgmma_wait)";
  if (w->code) {
    // Abandoned stacks are made anew.
    w->fibers.clear();
    w->running.clear();
    w->idle.clear();
  }
}

Worker* this_worker() {
  if (!here.worker) here.worker = make_worker();
  return here.worker;
}

int barrier_count(int site, int predicate) {
  Worker* w = here.worker;
  if (w->live != w->count) fault(launch_failed, "barrier of line %d: %u threads of the block have ended", site, w->count - w->live);
  if (w->at_barrier == 0) {
    w->barrier_site = site;
    w->barrier_sum = 0;
  } else if (w->barrier_site != site) {
    fault(launch_failed, "threads are at different barriers, of lines %d and %d", w->barrier_site, site);
  }
  w->barrier_sum += predicate != 0;
  if (++w->at_barrier < w->count) {
    wait(w, State::barrier);
    return w->barrier_result;
  }
  w->at_barrier = 0;
  w->epoch++;
  w->barrier_result = w->barrier_sum;
  for (unsigned i = 0; i < w->count; i++) {
    Thread& t = w->threads[i];
    if (t.state == State::barrier) t.state = State::ready, w->ready.push_back(i);
  }
  return w->barrier_result;
}

void barrier(int site) { barrier_count(site, 0); }

void arrive(Collective kind, uint32_t mask, void* argument, Combine combine) {
  Worker* w = here.worker;
  Warp& warp = w->warps[here.warp];
  uint32_t self = 1u << here.lane, present = mask & warp.lanes;
  if (!(mask & self)) fault(launch_failed, "a warp operation whose mask %08x lacks the lane %u itself", mask, here.lane);
  if (present & warp.ended) fault(launch_failed, "a warp operation waits for lane %d, which has ended", __builtin_ctz(present & warp.ended));
  Meeting* m = nullptr;
  for (Meeting& o : warp.meetings) {
    if (o.arrived == 0) {
      if (!m) m = &o;
    } else if (o.kind == kind && o.mask == mask) {
      m = &o;
      break;
    }
  }
  if (!m) fault(launch_failed, "the lanes of a warp are at more than four different operations");
  m->kind = kind;
  m->mask = mask;
  m->arrived |= self;
  m->arguments[here.lane] = argument;
  if (m->arrived != present) {
    Thread& me = w->threads[here.linear];
    me.kind = kind;
    me.mask = mask;
    wait(w, State::warp);
    return;
  }
  m->arrived = 0;
  if (combine) combine(present, m->arguments);
  unsigned first = here.linear - here.lane;
  for (uint32_t left = present & ~self; left; left &= left - 1) {
    unsigned t = first + (unsigned)__builtin_ctz(left);
    w->threads[t].state = State::ready;
    w->ready.push_back(t);
  }
}

void arrive_warpgroup(void* argument, void (*combine)(void* const* arguments)) {
  Worker* w = here.worker;
  unsigned first = here.linear / 128 * 128;
  if (first + 128 > w->count) fault(launch_failed, "a warpgroup operation by %u threads", w->count - first);
  Group& g = w->groups[here.linear / 128];
  g.arguments[here.linear % 128] = argument;
  if (++g.arrived < 128) {
    wait(w, State::group);
    return;
  }
  g.arrived = 0;
  combine(g.arguments);
  w->progress++;
  for (unsigned t = first; t < first + 128; t++)
    if (t != here.linear) w->threads[t].state = State::ready, w->ready.push_back(t);
}

void join(int id, unsigned threads) {
  Worker* w = here.worker;
  Named& n = w->named[id];
  if (n.arrived == 0) n.wanted = threads;
  if (n.wanted != threads) fault(launch_failed, "barrier %d of %u threads here and of %u elsewhere", id, threads, n.wanted);
  if (++n.arrived < threads) {
    n.waiting.push_back(here.linear);
    wait(w, State::group);
    return;
  }
  n.arrived = 0;
  w->progress++;
  for (unsigned t : n.waiting) w->threads[t].state = State::ready, w->ready.push_back(t);
  n.waiting.clear();
}

void poll() {
  Worker* w = here.worker;
  w->polling.push_back(here.linear);
  wait(w, State::polling);
}

void* shared_static(const void* site, size_t bytes, const char* name) {
  Worker* w = here.worker;
  for (Static& s : w->statics)
    if (s.site == site) return w->shared + s.offset;
  Static s{site, w->shared_used, bytes};
  // 64 bytes between arrays belong to none of them.
  w->shared_used += (bytes + 63) / 64 * 64 + 64;
  w->counters.static_shared += (bytes + 15) / 16 * 16;
  if (w->counters.static_shared + w->counters.dynamic_shared > w->launch->shared_limit || w->shared_used > shared_window)
    fault(launch_failed, "%s: %zu bytes of static and %zu of dynamic shared memory, of %zu allowed", name, (size_t)w->counters.static_shared,
          (size_t)w->counters.dynamic_shared, w->launch->shared_limit);
  std::fill_n(w->open.begin() + s.offset, bytes, 1);
  w->statics.push_back(s);
  return w->shared + s.offset;
}

void* shared_dynamic() { return here.worker->shared; }

}  // namespace sim
