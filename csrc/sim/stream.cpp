// Streams and events. Work is queued and runs when somebody waits for it, as
// late as possible: whoever forgets to wait sees old data, every time. Host
// callbacks cannot wait for that, so a thread runs streams that have one.
#include <algorithm>
#include <condition_variable>
#include <thread>

#include "driver.h"

namespace sim {

void count_copy();
void count_set();
void count_graph_launch();

// Never destroyed: threads wait for them when the process ends.
std::condition_variable_any& settled = *new std::condition_variable_any;

namespace {

std::map<Stream*, std::shared_ptr<Stream>> streams;
std::map<Event*, std::shared_ptr<Event>> events;
std::shared_ptr<Stream> null_streams[max_devices];
std::vector<std::weak_ptr<Capture>> captures;
std::condition_variable_any& callbacks = *new std::condition_variable_any;
std::vector<std::weak_ptr<Stream>> with_callbacks;
bool callback_thread = false;
thread_local bool in_callback = false;

uint64_t this_thread() { return (uint64_t)std::hash<std::thread::id>()(std::this_thread::get_id()); }

void run_callbacks() {
  std::unique_lock<std::mutex> g(big);
  for (;;) {
    while (!with_callbacks.empty()) {
      std::shared_ptr<Stream> s = with_callbacks.front().lock();
      with_callbacks.erase(with_callbacks.begin());
      if (s) run_to(s, s->enqueued);
    }
    callbacks.wait(g);
  }
}

bool has_callback(const Work& w) {
  if (w.kind == Work::host) return true;
  if (w.kind == Work::graph)
    for (auto& n : *w.nodes)
      if (has_callback(n->work)) return true;
  return false;
}

// run_one runs the first work of a stream. The stream is busy meanwhile, as a
// callback lets others in.
void run_one(const std::shared_ptr<Stream>& s) {
  Work w = std::move(s->queue.front());
  s->queue.pop_front();
  s->busy = true;
  int code = sticky(s->device);
  if (code == 0 || w.kind == Work::wait || w.kind == Work::record) code = run_work(w, s->device);
  s->busy = false;
  s->done++;
  settled.notify_all();
}

}  // namespace

std::shared_ptr<Stream> stream_of(CUstream h) {
  int d = std::max(current_device(), 0);
  if (h == nullptr || h == CU_STREAM_LEGACY) {
    if (!null_streams[d]) {
      null_streams[d] = std::make_shared<Stream>();
      null_streams[d]->device = d;
    }
    return null_streams[d];
  }
  auto s = streams.find((Stream*)h);
  return s == streams.end() ? nullptr : s->second;
}

std::shared_ptr<Event> event_of(CUevent h) {
  auto e = events.find((Event*)h);
  return e == events.end() ? nullptr : e->second;
}

bool capturing(const std::shared_ptr<Stream>& s) { return s->capture != nullptr; }

CUresult submit(const std::shared_ptr<Stream>& s, Work w) {
  if (in_callback) return CUDA_ERROR_NOT_PERMITTED;
  if (s->device != current_device()) {
    note("a stream of device " + std::to_string(s->device) + " where device " + std::to_string(current_device()) + " is current");
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (s->capture) {
    if (s->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    auto n = std::make_shared<Node>();
    n->work = std::move(w);
    n->after = s->tail;
    std::vector<Traced> before;
    for (Node* a : n->after) before.push_back(a->traced);
    n->traced = traced(*s, n->work, before);
    s->tail = {n.get()};
    s->capture->nodes.push_back(n);
    return CUDA_SUCCESS;
  }
  bool legacy = s == null_streams[s->device];
  if (legacy) {
    // The default stream waits for all others and they for it.
    for (auto& o : streams)
      if (o.second->device == s->device && o.second->capture && !(o.second->flags & CU_STREAM_NON_BLOCKING)) {
        o.second->capture->broken = true;
        return (CUresult)906;  // CUDA_ERROR_STREAM_CAPTURE_IMPLICIT
      }
    Work join;
    join.kind = Work::wait;
    for (auto& o : streams)
      if (o.second->device == s->device && !(o.second->flags & CU_STREAM_NON_BLOCKING) && o.second->done < o.second->enqueued)
        join.streams.push_back({o.second, o.second->enqueued}), w.after.push_back(o.second->traced);
    if (!join.streams.empty()) s->queue.push_back(join), s->enqueued++;
  } else if (!(s->flags & CU_STREAM_NON_BLOCKING)) {
    auto& n = null_streams[s->device];
    if (n && n->done < n->enqueued) {
      Work join;
      join.kind = Work::wait;
      join.streams.push_back({n, n->enqueued}), w.after.push_back(n->traced);
      s->queue.push_back(join), s->enqueued++;
    }
  }
  bool callback = has_callback(w);
  w.after.push_back(s->traced);
  s->traced = traced(*s, w, w.after);
  s->queue.push_back(std::move(w));
  s->enqueued++;
  if (callback) {
    with_callbacks.push_back(s);
    if (!callback_thread) {
      callback_thread = true;
      std::thread(run_callbacks).detach();
    }
    callbacks.notify_all();
  }
  return CUDA_SUCCESS;
}

CUresult run_to(const std::shared_ptr<Stream>& s, uint64_t ticket) {
  while (s->done < ticket) {
    if (s->busy) {
      settled.wait(big);
      continue;
    }
    run_one(s);
  }
  return (CUresult)sticky(s->device);
}

CUresult run_all(int device) {
  // Streams may be made by callbacks meanwhile.
  std::vector<std::shared_ptr<Stream>> all;
  for (auto& s : streams)
    if (s.second->device == device) all.push_back(s.second);
  if (null_streams[device]) all.push_back(null_streams[device]);
  for (auto& s : all) run_to(s, s->enqueued);
  return (CUresult)sticky(device);
}

int run_work(const Work& w, int device) {
  switch (w.kind) {
    case Work::empty: return 0;
    case Work::kernel: return run_kernel(w, device);
    case Work::copy:
      count_copy();
      memmove((void*)w.to, w.staged ? w.staged->data() : (void*)w.from, w.bytes);
      return 0;
    case Work::set:
      count_set();
      for (size_t y = 0; y < w.height; y++)
        for (size_t x = 0; x < w.width; x++) memcpy((char*)w.to + y * w.pitch + x * w.element, &w.value, w.element);
      return 0;
    case Work::host: {
      big.unlock();
      in_callback = true;
      w.call(w.data);
      in_callback = false;
      big.lock();
      return 0;
    }
    case Work::record:
      w.event->time = now();
      return 0;
    case Work::wait:
      for (auto& s : w.streams) run_to(s.first, s.second);
      return 0;
    case Work::library: return run_library(w, device);
    case Work::collective: return run_collective(w, device);
    case Work::graph:
      count_graph_launch();
      for (auto& n : *w.nodes) {
        int code = run_work(n->work, device);
        if (code) return code;
      }
      return 0;
  }
  return 0;
}

CUresult unsafe_call() {
  if (in_callback) return CUDA_ERROR_NOT_PERMITTED;
  for (size_t i = 0; i < captures.size();) {
    auto c = captures[i].lock();
    if (!c || c->over) {
      captures.erase(captures.begin() + (long)i);
      continue;
    }
    bool mine = c->thread == this_thread();
    if (c->mode == CU_STREAM_CAPTURE_MODE_GLOBAL || (c->mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && mine)) {
      c->broken = true;
      return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    i++;
  }
  return CUDA_SUCCESS;
}

void streams_reset() {
  streams.clear();
  events.clear();
  captures.clear();
  with_callbacks.clear();
  for (auto& s : null_streams) s.reset();
}

size_t live_streams() { return streams.size(); }
size_t live_events() { return events.size(); }

// begin_capture and end_capture for graph.cpp.
CUresult begin_capture(const std::shared_ptr<Stream>& s, CUstreamCaptureMode mode) {
  if (s == null_streams[s->device]) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (s->capture) return CUDA_ERROR_ILLEGAL_STATE;
  auto c = std::make_shared<Capture>();
  c->origin = s.get();
  c->mode = mode;
  c->thread = this_thread();
  c->streams.insert(s.get());
  s->capture = c;
  s->tail.clear();
  captures.push_back(c);
  return CUDA_SUCCESS;
}

CUresult end_capture(const std::shared_ptr<Stream>& s, Nodes* out) {
  auto c = s->capture;
  if (!c) return CUDA_ERROR_ILLEGAL_STATE;
  if (c->origin != s.get()) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  if (c->mode != CU_STREAM_CAPTURE_MODE_RELAXED && c->thread != this_thread()) return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
  // Everything captured must lie before the end of the origin.
  std::set<Node*> joined;
  std::vector<Node*> todo = s->tail;
  while (!todo.empty()) {
    Node* n = todo.back();
    todo.pop_back();
    if (!joined.insert(n).second) continue;
    todo.insert(todo.end(), n->after.begin(), n->after.end());
  }
  bool whole = joined.size() == c->nodes.size();
  for (Stream* o : c->streams) o->capture.reset(), o->tail.clear();
  c->over = true;
  // Events may hold the capture on; the graph alone has the nodes.
  Nodes nodes = std::move(c->nodes);
  if (c->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  if (!whole) return CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
  *out = std::move(nodes);
  return CUDA_SUCCESS;
}

}  // namespace sim

using namespace sim;

extern "C" {

CUresult cuStreamCreateWithPriority(CUstream* h, unsigned flags, int priority) {
  GOQAT_API(needs_context);
  auto s = std::make_shared<Stream>();
  s->device = current_device();
  s->flags = flags;
  s->priority = priority;
  streams[s.get()] = s;
  *h = (CUstream)s.get();
  return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream* h, unsigned flags) { return cuStreamCreateWithPriority(h, flags, 0); }

CUresult cuStreamDestroy(CUstream h) {
  GOQAT_API(ignores_sticky);
  auto s = stream_of(h);
  if (!s || !h) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture) s->capture->broken = true;
  run_to(s, s->enqueued);
  streams.erase(s.get());
  return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream h, unsigned* flags) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  *flags = s->flags;
  return CUDA_SUCCESS;
}

CUresult cuStreamGetPriority(CUstream h, int* p) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  *p = s->priority;
  return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream h) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture) {
    s->capture->broken = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  CUresult r = unsafe_call();
  if (r) return r;
  count_sync();
  return run_to(s, s->enqueued);
}

// A query lets the stream go one step: polling comes to an end.
CUresult cuStreamQuery(CUstream h) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture) {
    s->capture->broken = true;
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  }
  if (s->done == s->enqueued) return CUDA_SUCCESS;
  run_to(s, s->done + 1);
  if (sticky(s->device)) return (CUresult)sticky(s->device);
  return CUDA_ERROR_NOT_READY;
}

CUresult cuStreamWaitEvent(CUstream h, CUevent eh, unsigned) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  auto e = event_of(eh);
  if (!s || !e) return CUDA_ERROR_INVALID_HANDLE;
  if (e->capture && !e->capture->over) {
    // The event was recorded in a capture: this stream joins it.
    if (s->capture && s->capture != e->capture) return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    if (!s->capture) {
      s->capture = e->capture;
      s->capture->streams.insert(s.get());
      s->tail.clear();
    }
    for (Node* n : e->tail)
      if (std::find(s->tail.begin(), s->tail.end(), n) == s->tail.end()) s->tail.push_back(n);
    return CUDA_SUCCESS;
  }
  if (s->capture) return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  if (!e->ever) return CUDA_SUCCESS;
  Work w;
  w.kind = Work::wait;
  w.streams.push_back({e->stream, e->ticket});
  w.after.push_back(e->traced);
  return submit(s, w);
}

CUresult cuLaunchHostFunc(CUstream h, CUhostFn fn, void* data) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  if (!fn) return CUDA_ERROR_INVALID_VALUE;
  Work w;
  w.kind = Work::host;
  w.call = fn;
  w.data = data;
  return submit(s, w);
}

CUresult cuEventCreate(CUevent* h, unsigned flags) {
  GOQAT_API(needs_context);
  auto e = std::make_shared<Event>();
  e->device = current_device();
  e->flags = flags;
  events[e.get()] = e;
  *h = (CUevent)e.get();
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent h) {
  GOQAT_API(ignores_sticky);
  if (!events.erase((Event*)h)) return CUDA_ERROR_INVALID_HANDLE;
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent eh, CUstream h) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  auto e = event_of(eh);
  if (!s || !e || e->device != s->device) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture) {
    if (s->capture->broken) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    e->capture = s->capture;
    e->tail = s->tail;
    return CUDA_SUCCESS;
  }
  e->capture.reset();
  Work w;
  w.kind = Work::record;
  w.event = e;
  CUresult r = submit(s, w);
  e->stream = s;
  e->ticket = s->enqueued;
  e->traced = s->traced;
  e->ever = true;
  return r;
}

CUresult cuEventQuery(CUevent h) {
  GOQAT_API(needs_context);
  auto e = event_of(h);
  if (!e) return CUDA_ERROR_INVALID_HANDLE;
  if (e->capture && !e->capture->over) return CUDA_ERROR_CAPTURED_EVENT;
  if (!e->ever || e->stream->done >= e->ticket) return (CUresult)sticky(e->device);
  run_to(e->stream, e->stream->done + 1);
  if (sticky(e->device)) return (CUresult)sticky(e->device);
  return CUDA_ERROR_NOT_READY;
}

CUresult cuEventSynchronize(CUevent h) {
  GOQAT_API(needs_context);
  auto e = event_of(h);
  if (!e) return CUDA_ERROR_INVALID_HANDLE;
  if (e->capture && !e->capture->over) return CUDA_ERROR_CAPTURED_EVENT;
  CUresult r = unsafe_call();
  if (r) return r;
  count_sync();
  if (!e->ever) return CUDA_SUCCESS;
  return run_to(e->stream, e->ticket);
}

CUresult cuEventElapsedTime(float* ms, CUevent a, CUevent b) {
  GOQAT_API(needs_context);
  auto x = event_of(a), y = event_of(b);
  if (!x || !y || !x->ever || !y->ever || (x->flags | y->flags) & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
  if (x->stream->done < x->ticket || y->stream->done < y->ticket) return CUDA_ERROR_NOT_READY;
  *ms = (float)(y->time - x->time);
  return CUDA_SUCCESS;
}
// Drivers before CUDA 12.8 lack it.
CUresult cuEventElapsedTime_v2(float* ms, CUevent a, CUevent b) {
  return driver_version() < 12080 ? (CUresult)36 : cuEventElapsedTime(ms, a, b);  // CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER
}

}  // extern "C"
