// A record of what is given to streams and captures, with what each piece of
// work must wait for: the piece before it in its stream, and those behind
// which an event stands. So a test can tell what may run beside what on a real
// device, whatever order the simulator runs it in.
#include <algorithm>

#include "driver.h"

namespace sim {
namespace {

struct Entry {
  const char* kind;
  std::string name;
  int device;
  size_t stream;
  bool captured;
  std::vector<size_t> after;
};

bool tracing = false;
uint64_t record = 0;  // which it is: streams and events remember work of those before
std::vector<Entry> list;
std::vector<const Stream*> numbers;  // of streams, in the order they come

const char* kind_of(Work::Kind k) {
  switch (k) {
    case Work::empty: return "empty";
    case Work::kernel: return "kernel";
    case Work::copy: return "copy";
    case Work::set: return "set";
    case Work::host: return "host";
    case Work::record: return "record";
    case Work::wait: return "wait";
    case Work::graph: return "graph";
    case Work::library: return "library";
    case Work::collective: return "collective";
  }
  return "unknown";
}

}  // namespace

Traced traced(const Stream& s, const Work& w, const std::vector<Traced>& after) {
  if (!tracing) return {};
  auto n = std::find(numbers.begin(), numbers.end(), &s);
  if (n == numbers.end()) numbers.push_back(&s), n = numbers.end() - 1;
  Entry e{kind_of(w.kind), w.kind == Work::kernel ? w.function->name : "-", s.device, (size_t)(n - numbers.begin()), s.capture != nullptr, {}};
  for (const Traced& t : after)
    if (t.record == record) e.after.push_back(t.at);
  list.push_back(std::move(e));
  return {record, list.size() - 1};
}

void trace_reset() {
  tracing = false;
  list.clear();
  numbers.clear();
}

}  // namespace sim

using namespace sim;

extern "C" {

void goqatsim_trace(int on) {
  std::lock_guard<std::mutex> g(big);
  if (on) trace_reset(), record++;
  tracing = on != 0;
}

const char* goqatsim_traced(void) {
  std::lock_guard<std::mutex> g(big);
  thread_local std::string text;
  text.clear();
  for (const Entry& t : list) {
    text += std::string(t.kind) + " " + t.name + " " + std::to_string(t.device) + " " + std::to_string(t.stream) + " " + (t.captured ? "1" : "0");
    for (size_t a : t.after) text += " " + std::to_string(a);
    text += "\n";
  }
  return text.c_str();
}

}  // extern "C"
