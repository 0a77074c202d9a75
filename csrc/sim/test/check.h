// A test is a function; TEST registers it, CHECK counts.
#pragma once
#include <cuda.h>
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "../goqatsim.h"
#include "driver.h"

struct Test {
  const char* name;
  void (*run)();
};
std::vector<Test>& tests();
extern int failures;
struct Add {
  Add(const char* name, void (*run)()) { tests().push_back({name, run}); }
};
#define TEST(name)                        \
  static void name();                     \
  static Add add_##name(#name, name);     \
  static void name()

#define CHECK(x)                                                             \
  do {                                                                       \
    if (!(x)) {                                                              \
      printf("%s:%d: %s is false\n", __FILE__, __LINE__, #x);                \
      failures++;                                                            \
    }                                                                        \
  } while (0)
#define EQUAL(a, b)                                                                                             \
  do {                                                                                                          \
    auto a_ = (a);                                                                                              \
    auto b_ = (b);                                                                                              \
    if (!(a_ == b_)) {                                                                                          \
      printf("%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #a, (long long)a_, (long long)b_);            \
      if (++failures > 50) exit(1);                                                                             \
    }                                                                                                           \
  } while (0)
#define OK(x)                                                                          \
  do {                                                                                 \
    CUresult r_ = (x);                                                                 \
    if (r_) {                                                                          \
      printf("%s:%d: %s: %d (%s)\n", __FILE__, __LINE__, #x, (int)r_, sim_message().c_str()); \
      failures++;                                                                      \
    }                                                                                  \
  } while (0)

// The simulator's own functions.
template <typename F>
F* sim_function(const char* name) {
  void* f = goqat_driver_symbol(name);
  if (!f) {
    printf("the driver is not the simulator: no %s\n", name);
    exit(1);
  }
  return (F*)f;
}
#define SIM(name) sim_function<decltype(name)>(#name)
inline std::string sim_message() { return SIM(goqatsim_message)(); }

// fresh resets the simulator and makes device 0 current, with the environment
// given.
void fresh();

// Array is device memory with a copy on the host.
template <typename T>
struct Array {
  CUdeviceptr p = 0;
  std::vector<T> host;
  explicit Array(size_t n) : host(n) {
    if (cuMemAlloc(&p, n * sizeof(T))) abort();
    to_device();
  }
  explicit Array(std::vector<T> v) : host(std::move(v)) {
    if (cuMemAlloc(&p, host.size() * sizeof(T))) abort();
    to_device();
  }
  void to_device() {
    if (cuMemcpyHtoD(p, host.data(), host.size() * sizeof(T))) abort();
  }
  // Fails with what the device failed with.
  CUresult to_host() { return cuMemcpyDtoH(host.data(), p, host.size() * sizeof(T)); }
  T& operator[](size_t i) { return host[i]; }
};

CUfunction kernel(const char* name);
// launch runs on the default stream.
CUresult launch_raw(const char* name, unsigned grid, unsigned block, unsigned shared, void** parameters, CUstream s = nullptr);
template <typename... A>
CUresult launch(const char* name, unsigned grid, unsigned block, unsigned shared, A... a) {
  void* p[] = {(void*)&a...};
  return launch_raw(name, grid, block, shared, p);
}
template <typename... A>
CUresult launch_on(CUstream s, const char* name, unsigned grid, unsigned block, A... a) {
  void* p[] = {(void*)&a...};
  return launch_raw(name, grid, block, 0, p, s);
}

// A generator of numbers.
struct Random {
  uint64_t s = 88172645463325252ull;
  uint32_t next() {
    s ^= s << 13, s ^= s >> 7, s ^= s << 17;
    return (uint32_t)(s >> 16);
  }
};
