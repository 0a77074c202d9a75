// What the stand-ins for the vendor's libraries share. They work on the
// simulator's memory and streams, which they reach as a library of its own: the
// one that GOQAT_CUDA_DRIVER names.
#pragma once
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "goqatsim.h"

namespace standin {

inline void* simulator() {
  static void* lib = [] {
    const char* name = getenv("GOQAT_CUDA_DRIVER");
    void* l = name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (l && !dlsym(l, "goqatsim_submit")) l = nullptr;
    return l;
  }();
  return lib;
}

template <class F>
F* find(const char* name) {
  return simulator() ? (F*)dlsym(simulator(), name) : nullptr;
}
#define GOQAT_SIM(f) (*standin::find<decltype(f)>(#f))

// number reads an integer from the environment.
inline int number(const char* name, int otherwise) {
  const char* s = getenv(name);
  return s && *s ? atoi(s) : otherwise;
}

// reach returns the memory at p, null and a fault's text when work may not
// access all of it.
template <class T>
inline T* reach(uint64_t p, size_t n, const char* what) {
  if (GOQAT_SIM(goqatsim_accessible)(p, n * sizeof(T))) return (T*)p;
  char text[160];
  snprintf(text, sizeof text, "%s: %zu bytes at %llx are not all allocated", what, n * sizeof(T), (unsigned long long)p);
  GOQAT_SIM(goqatsim_say)(text);
  return nullptr;
}
constexpr int illegal_address = 700;

}  // namespace standin
