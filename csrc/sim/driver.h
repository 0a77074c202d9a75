// The driver's side of the simulator: contexts, modules, streams, graphs.
#pragma once
#include <cuda.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "goqatsim.h"
#include "sim.h"

// Handles of the API.
struct CUctx_st {
  int device;
};
struct CUmod_st;
struct CUfunc_st {
  const sim::Function* function;
  CUmod_st* module;
  std::string name;
  unsigned max_threads = 1024;
  int max_dynamic = 48 << 10;
};
struct CUmod_st {
  int device = 0;
  std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
};

namespace sim {

struct Stream;
struct Event;
struct Node;
struct CollectiveCall;
using Nodes = std::vector<std::shared_ptr<Node>>;

// Traced is the place of a piece of work in a record (trace.cpp).
struct Traced {
  uint64_t record = 0;  // none
  size_t at = 0;
};

// Work is what a stream queues and a graph holds.
struct Work {
  enum Kind { empty, kernel, copy, set, host, record, wait, graph, library, collective } kind = empty;
  // kernel
  CUfunction function = nullptr;
  unsigned grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, shared = 0;
  std::vector<unsigned char> arguments;
  // copy, set
  uint64_t to = 0, from = 0;
  size_t bytes = 0;
  std::shared_ptr<std::vector<unsigned char>> staged;  // pageable memory, read at the call
  uint32_t value = 0;
  unsigned element = 1;
  size_t pitch = 0, width = 0, height = 1;  // of set: rows, in elements
  // host
  void (*call)(void*) = nullptr;
  void* data = nullptr;
  // library: of a vendor
  std::function<int()> body;
  // record, wait
  std::shared_ptr<Event> event;
  uint64_t ticket = 0;
  std::vector<std::pair<std::shared_ptr<Stream>, uint64_t>> streams;  // of wait
  std::vector<Traced> after;                                          // what a wait is for
  // graph
  std::shared_ptr<Nodes> nodes;
  // collective
  std::shared_ptr<CollectiveCall> meet;
};

struct Node {
  Work work;
  Traced traced;
  std::vector<Node*> after;  // what it depends on
};

struct Capture {
  Nodes nodes;
  Stream* origin = nullptr;
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  uint64_t thread = 0;
  bool broken = false;
  bool over = false;  // events may still refer to it
  std::set<Stream*> streams;
};

struct Stream : std::enable_shared_from_this<Stream> {
  int device = 0;
  unsigned flags = 0;
  int priority = 0;
  bool destroyed = false;
  bool busy = false;
  std::deque<Work> queue;
  uint64_t enqueued = 0, done = 0;
  std::shared_ptr<Capture> capture;
  std::vector<Node*> tail;  // of the capture: what the next node depends on
  Traced traced;            // its last work
};

struct Event {
  int device = 0;
  unsigned flags = 0;
  std::shared_ptr<Stream> stream;
  uint64_t ticket = 0;  // of the record in its stream
  double time = 0;      // milliseconds
  bool ever = false;
  Traced traced;  // the record
  std::shared_ptr<Capture> capture;
  std::vector<Node*> tail;
};

// The one lock of the driver. Host callbacks run without it.
extern std::mutex big;

// Call begins every function of the API: it locks, counts, injects faults and
// refuses work on a context that a sticky error has ended.
struct Call {
  enum Flags { plain = 0, needs_context = 1, ignores_sticky = 2 };
  Call(const char* name, int flags);
  ~Call();
  CUresult error;
  bool locked;
};
#define GOQAT_API(flags)                 \
  sim::Call call_(__func__, sim::Call::flags); \
  if (call_.error) return call_.error

int device_count();
int current_device();  // -1 without a context
int capability();    // 75, 80, 86, 89, 90
int optin_shared();  // the most shared memory of a block
int driver_version();
void set_sticky(int device, int code, const std::string& message);
int sticky(int device);
void note(const std::string& message);  // the last message
std::string last_message();
// injected returns the code of a planned fault of this function, else 0.
int injected(const char* name);

// Streams (stream.cpp).
std::shared_ptr<Stream> stream_of(CUstream s);
std::shared_ptr<Event> event_of(CUevent e);
// submit queues work, or adds it to the stream's capture.
CUresult submit(const std::shared_ptr<Stream>& s, Work w);
CUresult run_to(const std::shared_ptr<Stream>& s, uint64_t ticket);
CUresult run_all(int device);
int run_work(const Work& w, int device);
// unsafe_call fails while a capture of this thread, or any global one,
// forbids calls that are not captured.
CUresult unsafe_call();
bool capturing(const std::shared_ptr<Stream>& s);
void streams_reset();
void graphs_reset();
void modules_reset();
size_t live_streams();
size_t live_events();
size_t live_graphs();
size_t live_execs();
size_t live_modules();
CUgraph make_graph(Nodes nodes);
void count_sync();
// The clock of events, in milliseconds, and what moves it beside time itself.
double now();
void pass(double ms);
void pass_kernel(const std::string& name);
int run_library(const Work& w, int device);
void library_reset();
size_t live_vendor_objects();
void count_kernel(const std::string& name, const Outcome& o);
int check_launch(CUfunction f, const unsigned* grid, const unsigned* block, unsigned shared);
// pack copies the arguments of a launch; false when there are too few.
bool pack(CUfunction f, void** parameters, void** extra, std::vector<unsigned char>* out);
int run_kernel(const Work& w, int device);
uint64_t kernels_of(int device);  // executed
// trace.cpp
Traced traced(const Stream& s, const Work& w, const std::vector<Traced>& after);
void trace_reset();
// nccl.cpp
int run_collective(const Work& w, int device);
void nccl_reset();

}  // namespace sim
