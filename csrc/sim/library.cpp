// What stands for the vendor's libraries (vendor/*.cpp) reaches the simulator
// through this: work for streams, faults, time.
#include <chrono>
#include <cstring>

#include "driver.h"

namespace sim {
namespace {

bool virtual_clock = false;
double passed = 0, other_cost = 0.01;
std::map<std::string, double> costs;
size_t objects = 0;

}  // namespace

double now() {
  using namespace std::chrono;
  return (virtual_clock ? 0 : duration<double, std::milli>(steady_clock::now().time_since_epoch()).count()) + passed;
}

void pass(double ms) { passed += ms; }

void pass_kernel(const std::string& name) {
  if (!virtual_clock) return;
  auto c = costs.find(name);
  passed += c == costs.end() ? other_cost : c->second;
}

int run_library(const Work& w, int device) {
  int code = w.body();
  if (code) set_sticky(device, code, last_message());
  return code;
}

void library_reset() {
  virtual_clock = false;
  passed = 0, other_cost = 0.01;
  costs.clear();
  objects = 0;
}

size_t live_vendor_objects() { return objects; }

}  // namespace sim

using namespace sim;

extern "C" {

void goqatsim_virtual_clock(int on) {
  std::lock_guard<std::mutex> g(big);
  virtual_clock = on != 0;
}

void goqatsim_cost(const char* name, double ms) {
  std::lock_guard<std::mutex> g(big);
  if (*name)
    costs[name] = ms;
  else
    other_cost = ms;
}

int goqatsim_enter(const char* name) {
  Call c(name, Call::needs_context);
  return c.error;
}

int goqatsim_submit(void* stream, int (*f)(const void*), const void* data, size_t bytes) {
  std::lock_guard<std::mutex> g(big);
  auto s = stream_of((CUstream)stream);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  std::vector<unsigned char> copy((const unsigned char*)data, (const unsigned char*)data + bytes);
  Work w;
  w.kind = Work::library;
  w.body = [f, copy] { return f(copy.data()); };
  return submit(s, std::move(w));
}

// Work runs with the lock held, and so these are called.
int goqatsim_accessible(uint64_t p, size_t n) { return accessible(p, n); }
void goqatsim_say(const char* text) { note(text); }
void goqatsim_pass(double ms) { pass(ms); }

int goqatsim_capability(void) { return capability(); }

void goqatsim_objects(int more) {
  std::lock_guard<std::mutex> g(big);
  objects += (size_t)(long)more;
}

}  // extern "C"
