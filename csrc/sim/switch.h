// Switching between stacks: 2 ns where there is an assembly version, against
// a microsecond by ucontext, which saves the signal mask by a system call.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sim {

// Context is a stack that is not running.
struct Context {
  void* sp = nullptr;
};

#if defined(__x86_64__)

// goqat_sim_switch saves the callee-saved registers on the running stack,
// whose pointer it stores, and goes on with another.
extern "C" void goqat_sim_switch(void** save, void* to) __attribute__((visibility("hidden")));

inline void switch_to(Context& from, Context& to) { goqat_sim_switch(&from.sp, to.sp); }

// prepare makes a context that calls entry, which must not return.
inline void prepare(Context& c, void* stack, size_t size, void (*entry)()) {
  uintptr_t top = ((uintptr_t)stack + size) & ~(uintptr_t)63;
  void** sp = (void**)top;
  *--sp = nullptr;  // The address entry would return to; keeps its stack aligned.
  *--sp = (void*)entry;
  for (int i = 0; i < 6; i++) *--sp = nullptr;
  c.sp = sp;
}

#elif defined(__aarch64__)

extern "C" void goqat_sim_switch(void** save, void* to) __attribute__((visibility("hidden")));

inline void switch_to(Context& from, Context& to) { goqat_sim_switch(&from.sp, to.sp); }

inline void prepare(Context& c, void* stack, size_t size, void (*entry)()) {
  uintptr_t top = ((uintptr_t)stack + size) & ~(uintptr_t)63;
  void** sp = (void**)(top - 160);
  for (int i = 0; i < 20; i++) sp[i] = nullptr;
  sp[11] = (void*)entry;  // x30
  c.sp = sp;
}

#else
#error "csrc/sim/switch.h: no switch of stacks for this processor"
#endif

}  // namespace sim
