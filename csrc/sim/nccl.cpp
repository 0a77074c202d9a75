// What the engine calls of NCCL, for the simulated devices of this process:
// GOQAT_NCCL names this library, too. The operations of a group are one piece
// of work in a stream. When it runs it waits until all ranks have come to
// theirs; the last adds up, in the order of ranks. What does not match, which
// makes NCCL hang or add up nonsense, is a sticky fault of every rank.
#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "driver.h"

namespace sim {

extern std::condition_variable_any& settled;

constexpr uint64_t none = ~0ull;

// Values of nccl.h.
enum { success, unhandled_cuda, system_error, internal, invalid_argument, invalid_usage, remote_error };
enum { type_f32 = 7, type_f64 = 8 };
enum { op_sum = 0, op_max = 2, op_min = 3, op_avg = 4 };

struct Reduce {
  uint64_t in, out;
  size_t count;
  int type, op;
};

// Ranks are the communicators of all ranks.
struct Ranks {
  int n = 0;
  std::vector<const std::vector<Reduce>*> here;  // what each rank that has come wants
  int come = 0;
  uint64_t met = 0;
  bool aborted = false;
  int async = success;
  int left = 0;        // communicators
  int persistent = 0;  // operations in graphs
  int code = 0;        // of a mismatch
  std::string message;
  goqatsim_collectives counts{};
};

struct CollectiveCall {
  std::shared_ptr<Ranks> meeting;
  int rank;
  std::vector<Reduce> list;
  uint64_t kernels = 0;  // executed when it was issued; none in a graph

  CollectiveCall(std::shared_ptr<Ranks> m, bool graph) : meeting(std::move(m)) {
    if (graph) kernels = none, meeting->persistent++;
  }
  ~CollectiveCall() {
    if (kernels == none && --meeting->persistent == 0) settled.notify_all();
  }
};

}  // namespace sim

struct ncclComm {
  std::shared_ptr<sim::Ranks> meeting;
  int rank, device;
  bool aborted = false;
};

namespace sim {
namespace {

std::map<ncclComm*, std::unique_ptr<ncclComm>> comms;
goqatsim_collectives totals{};
thread_local int depth = 0;
thread_local std::vector<std::pair<std::pair<ncclComm*, CUstream>, std::vector<Reduce>>> grouped;
thread_local std::string last;

int say(int result, const std::string& m) {
  last = m;
  note(m);
  return result;
}

size_t width(int type) { return type == type_f64 ? 8 : 4; }

template <typename T>
void add_up(const std::vector<const std::vector<Reduce>*>& all, size_t k) {
  const Reduce& o = (*all[0])[k];
  for (size_t i = 0; i < o.count; i++) {
    T sum = ((const T*)o.in)[i];
    for (size_t r = 1; r < all.size(); r++) {
      T v = ((const T*)(*all[r])[k].in)[i];
      sum = o.op == op_max ? std::max(sum, v) : o.op == op_min ? std::min(sum, v) : sum + v;
    }
    if (o.op == op_avg) sum *= T(1) / T(all.size());
    for (auto& a : all) ((T*)(*a)[k].out)[i] = sum;
  }
}

// match says what differs between the ranks.
std::string match(const Ranks& m) {
  char text[256];
  for (int r = 1; r < m.n; r++) {
    if (m.here[r]->size() != m.here[0]->size()) {
      snprintf(text, sizeof text, "a group of %zu operations on rank 0 meets one of %zu on rank %d", m.here[0]->size(), m.here[r]->size(), r);
      return text;
    }
    for (size_t k = 0; k < m.here[0]->size(); k++) {
      const Reduce &a = (*m.here[0])[k], &b = (*m.here[r])[k];
      if (a.count == b.count && a.type == b.type && a.op == b.op) continue;
      snprintf(text, sizeof text, "operation %zu on rank 0 has %zu elements of type %d and operator %d, on rank %d %zu of type %d and operator %d", k, a.count, a.type, a.op, r, b.count, b.type, b.op);
      return text;
    }
  }
  return "";
}

int submit_group(ncclComm* c, CUstream h, std::vector<Reduce> list) {
  auto s = stream_of(h);
  if (!s || s->device != c->device) return say(invalid_argument, "nccl: a stream of another device");
  Work w;
  w.kind = Work::collective;
  w.meet = std::make_shared<CollectiveCall>(c->meeting, capturing(s));
  w.meet->rank = c->rank;
  w.meet->list = std::move(list);
  if (!capturing(s)) w.meet->kernels = kernels_of(c->device);
  totals.issued++;
  if (CUresult r = submit(s, std::move(w))) return say(unhandled_cuda, "nccl: CUDA error " + std::to_string((int)r));
  return success;
}

// result turns the fault of a call into one of NCCL: a planned one below 8 is
// NCCL's own code.
int result(CUresult e) { return (int)e < 8 ? (int)e : unhandled_cuda; }

bool known(ncclComm* c) { return comms.find(c) != comms.end(); }

// give_back ends a communicator. As with NCCL, the last of the process waits
// until no graph has an operation of theirs any more, for ever if need be.
void give_back(ncclComm* c) {
  auto m = c->meeting;
  comms.erase(c);
  if (--m->left > 0) return;
  if (m->persistent) note("nccl: the end of a communicator waits for graphs with its operations");
  while (m->persistent) settled.wait(big);
}

}  // namespace

int run_collective(const Work& w, int device) {
  Ranks& m = *w.meet->meeting;
  auto keep = w.meet->meeting;
  if (m.aborted) return 0;
  if (!m.code) {
    m.here[(size_t)w.meet->rank] = &w.meet->list;
    if (w.meet->kernels != none) totals.overtaken += kernels_of(device) - w.meet->kernels;
    uint64_t mine = m.met;
    if (++m.come == m.n) {
      std::string why = match(m);
      if (why.empty())
        for (size_t k = 0; k < m.here[0]->size(); k++) (*m.here[0])[k].type == type_f64 ? add_up<double>(m.here, k) : add_up<float>(m.here, k);
      else
        m.code = launch_failed, m.message = "nccl: ranks do not match: " + why;
      m.come = 0, m.met++, totals.executed++;
      settled.notify_all();
    } else {
      while (m.met == mine && !m.aborted) settled.wait(big);
    }
    if (m.met == mine) {  // Aborted: nobody reads the operands any more.
      m.here[(size_t)w.meet->rank] = nullptr, m.come--;
      return 0;
    }
  }
  if (m.code) set_sticky(device, m.code, m.message);
  return m.code;
}

void nccl_reset() {
  comms.clear();
  totals = {};
}

}  // namespace sim

using namespace sim;

#define NCCL_API(flags)                        \
  sim::Call call_(__func__, sim::Call::flags); \
  if (call_.error) return say(result(call_.error), std::string("nccl: fault in ") + __func__)

extern "C" {

int ncclGetVersion(int* v) {
  *v = 22105;
  return success;
}

const char* ncclGetErrorString(int r) {
  static const char* const names[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error", "invalid argument", "invalid usage", "remote process exited or there was a network error"};
  return r >= 0 && r < 7 ? names[r] : "unknown result code";
}

const char* ncclGetLastError(ncclComm*) { return last.c_str(); }

int ncclCommInitAll(ncclComm** out, int n, const int* devices) {
  NCCL_API(ignores_sticky);
  if (n < 1) return say(invalid_argument, "nccl: no devices");
  for (int i = 0; i < n; i++) {
    if (devices[i] < 0 || devices[i] >= device_count()) return say(invalid_argument, "nccl: no device " + std::to_string(devices[i]));
    for (int j = 0; j < i; j++)
      if (devices[i] == devices[j]) return say(invalid_usage, "nccl: duplicate GPU detected: device " + std::to_string(devices[i]));
  }
  auto m = std::make_shared<Ranks>();
  m->n = m->left = n;
  m->here.resize((size_t)n);
  for (int i = 0; i < n; i++) {
    auto c = std::make_unique<ncclComm>();
    c->meeting = m, c->rank = i, c->device = devices[i];
    out[i] = c.get();
    comms[c.get()] = std::move(c);
  }
  return success;
}

int ncclCommDestroy(ncclComm* c) {
  NCCL_API(ignores_sticky);
  if (!known(c)) return say(invalid_argument, "nccl: no such communicator");
  give_back(c);
  return success;
}

// One rank's abort is the end of the meeting: the others never come together.
// With NCCL every rank aborts its own.
int ncclCommAbort(ncclComm* c) {
  NCCL_API(ignores_sticky);
  if (!known(c)) return say(invalid_argument, "nccl: no such communicator");
  c->meeting->aborted = true;
  settled.notify_all();
  give_back(c);
  return success;
}

int ncclCommGetAsyncError(ncclComm* c, int* r) {
  NCCL_API(ignores_sticky);
  if (!known(c)) return say(invalid_argument, "nccl: no such communicator");
  *r = c->meeting->async;
  return success;
}

int ncclGroupStart() {
  depth++;
  return success;
}

int ncclGroupEnd() {
  NCCL_API(needs_context);
  if (depth == 0) return say(invalid_usage, "nccl: the end of no group");
  if (--depth > 0) return success;
  auto all = std::move(grouped);
  grouped.clear();
  for (auto& g : all) {
    if (!known(g.first.first)) return say(invalid_argument, "nccl: no such communicator");
    if (int r = submit_group(g.first.first, g.first.second, std::move(g.second))) return r;
  }
  return success;
}

int ncclAllReduce(const void* in, void* out, size_t count, int type, int op, ncclComm* c, CUstream s) {
  NCCL_API(needs_context);
  if (!known(c)) return say(invalid_argument, "nccl: no such communicator");
  if (current_device() != c->device) return say(invalid_usage, "nccl: the communicator is of another device than the current one");
  if (type != type_f32 && type != type_f64) return say(invalid_argument, "nccl: the stand-in has no type " + std::to_string(type));
  if (op != op_sum && op != op_max && op != op_min && op != op_avg) return say(invalid_argument, "nccl: the stand-in has no operator " + std::to_string(op));
  size_t n = count * width(type);
  for (uint64_t p : {(uint64_t)in, (uint64_t)out})
    if (n && (p % width(type) || !on_device(p) || !accessible(p, n))) return say(invalid_argument, "nccl: an operand is not in device memory: " + describe(p, n));
  Reduce r{(uint64_t)in, (uint64_t)out, count, type, op};
  if (depth == 0) return submit_group(c, s, {r});
  auto key = std::make_pair(c, s);
  auto g = std::find_if(grouped.begin(), grouped.end(), [&](auto& x) { return x.first == key; });
  if (g == grouped.end()) grouped.push_back({key, {}}), g = grouped.end() - 1;
  g->second.push_back(r);
  return success;
}

void goqatsim_collective_count(goqatsim_collectives* out) {
  std::lock_guard<std::mutex> g(big);
  *out = totals;
  out->live = comms.size();
}

void goqatsim_collective_fault(int code) {
  std::lock_guard<std::mutex> g(big);
  for (auto& c : comms) c.second->meeting->async = code;
}

}  // extern "C"
