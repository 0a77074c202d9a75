// Graphs: captured from streams or built node by node, instantiated as a copy,
// launched as one piece of work.
#include <algorithm>

#include "driver.h"

struct CUgraph_st {
  sim::Nodes nodes;
};
struct CUgraphExec_st {
  // The nodes of the graph it was made of, which name nodes in calls, and
  // what runs.
  sim::Nodes origin;
  std::shared_ptr<sim::Nodes> nodes;
};

namespace sim {

CUresult begin_capture(const std::shared_ptr<Stream>& s, CUstreamCaptureMode mode);
CUresult end_capture(const std::shared_ptr<Stream>& s, Nodes* out);

namespace {

std::map<CUgraph, std::unique_ptr<CUgraph_st>> graphs;
std::map<CUgraphExec, std::unique_ptr<CUgraphExec_st>> execs;

// ordered returns nodes such that each comes after those it depends on.
Nodes ordered(const Nodes& nodes) {
  Nodes out;
  std::set<Node*> placed;
  while (out.size() < nodes.size()) {
    size_t before = out.size();
    for (auto& n : nodes) {
      if (placed.count(n.get())) continue;
      bool ready = std::all_of(n->after.begin(), n->after.end(), [&](Node* a) { return placed.count(a) > 0; });
      if (ready) out.push_back(n), placed.insert(n.get());
    }
    if (out.size() == before) return {};
  }
  return out;
}

std::shared_ptr<Nodes> copy_of(const Nodes& nodes) {
  auto out = std::make_shared<Nodes>();
  for (auto& n : nodes) {
    auto c = std::make_shared<Node>();
    c->work = n->work;
    out->push_back(c);
  }
  return out;
}

Node* add(CUgraph g, const CUgraphNode* after, size_t n, Work w) {
  auto node = std::make_shared<Node>();
  node->work = std::move(w);
  for (size_t i = 0; i < n; i++) node->after.push_back((Node*)after[i]);
  graphs[g]->nodes.push_back(node);
  return node.get();
}

bool known(CUgraph g) { return graphs.find(g) != graphs.end(); }

CUresult kernel_work(const CUDA_KERNEL_NODE_PARAMS* p, Work* w) {
  if (!p->func) return CUDA_ERROR_INVALID_VALUE;
  w->kind = Work::kernel;
  w->function = p->func;
  w->grid[0] = p->gridDimX, w->grid[1] = p->gridDimY, w->grid[2] = p->gridDimZ;
  w->block[0] = p->blockDimX, w->block[1] = p->blockDimY, w->block[2] = p->blockDimZ;
  w->shared = p->sharedMemBytes;
  if (int e = check_launch(p->func, w->grid, w->block, w->shared)) return (CUresult)e;
  return pack(p->func, p->kernelParams, p->extra, &w->arguments) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

}  // namespace

void graphs_reset() {
  graphs.clear();
  execs.clear();
}
size_t live_graphs() { return graphs.size(); }
size_t live_execs() { return execs.size(); }

CUgraph make_graph(Nodes nodes) {
  auto g = std::make_unique<CUgraph_st>();
  g->nodes = std::move(nodes);
  CUgraph h = g.get();
  graphs[h] = std::move(g);
  return h;
}

}  // namespace sim

using namespace sim;

extern "C" {

CUresult cuStreamBeginCapture(CUstream h, CUstreamCaptureMode mode) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  return begin_capture(s, mode);
}

CUresult cuStreamEndCapture(CUstream h, CUgraph* g) {
  GOQAT_API(needs_context);
  *g = nullptr;
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  Nodes nodes;
  if (CUresult r = end_capture(s, &nodes)) return r;
  *g = make_graph(nodes);
  return CUDA_SUCCESS;
}

CUresult cuStreamIsCapturing(CUstream h, CUstreamCaptureStatus* status) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s) return CUDA_ERROR_INVALID_HANDLE;
  *status = !s->capture ? CU_STREAM_CAPTURE_STATUS_NONE : s->capture->broken ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
  return CUDA_SUCCESS;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode* mode) {
  GOQAT_API(ignores_sticky);
  *mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
  return CUDA_SUCCESS;
}

CUresult cuGraphCreate(CUgraph* g, unsigned) {
  GOQAT_API(needs_context);
  *g = make_graph({});
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph g) {
  GOQAT_API(ignores_sticky);
  return graphs.erase(g) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGraphClone(CUgraph* out, CUgraph g) {
  GOQAT_API(needs_context);
  if (!known(g)) return CUDA_ERROR_INVALID_VALUE;
  Nodes ordered_nodes = ordered(g->nodes);
  *out = make_graph(*copy_of(ordered_nodes));
  for (size_t i = 1; i < ordered_nodes.size(); i++) (*out)->nodes[i]->after = {(*out)->nodes[i - 1].get()};
  return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph g, CUgraphNode* nodes, size_t* n) {
  GOQAT_API(needs_context);
  if (!known(g)) return CUDA_ERROR_INVALID_VALUE;
  if (nodes)
    for (size_t i = 0; i < *n && i < g->nodes.size(); i++) nodes[i] = (CUgraphNode)g->nodes[i].get();
  *n = g->nodes.size();
  return CUDA_SUCCESS;
}

CUresult cuGraphNodeGetType(CUgraphNode n, CUgraphNodeType* t) {
  GOQAT_API(needs_context);
  switch (((Node*)n)->work.kind) {
    case Work::kernel: *t = CU_GRAPH_NODE_TYPE_KERNEL; break;
    case Work::copy: *t = CU_GRAPH_NODE_TYPE_MEMCPY; break;
    case Work::set: *t = CU_GRAPH_NODE_TYPE_MEMSET; break;
    case Work::host: *t = CU_GRAPH_NODE_TYPE_HOST; break;
    default: *t = CU_GRAPH_NODE_TYPE_EMPTY;
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphAddKernelNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_KERNEL_NODE_PARAMS* p) {
  GOQAT_API(needs_context);
  if (!known(g)) return CUDA_ERROR_INVALID_VALUE;
  Work w;
  if (CUresult r = kernel_work(p, &w)) return r;
  *out = (CUgraphNode)add(g, after, n, std::move(w));
  return CUDA_SUCCESS;
}

CUresult cuGraphAddEmptyNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n) {
  GOQAT_API(needs_context);
  if (!known(g)) return CUDA_ERROR_INVALID_VALUE;
  *out = (CUgraphNode)add(g, after, n, Work());
  return CUDA_SUCCESS;
}

CUresult cuGraphAddHostNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_HOST_NODE_PARAMS* p) {
  GOQAT_API(needs_context);
  if (!known(g) || !p->fn) return CUDA_ERROR_INVALID_VALUE;
  Work w;
  w.kind = Work::host;
  w.call = p->fn;
  w.data = p->userData;
  *out = (CUgraphNode)add(g, after, n, std::move(w));
  return CUDA_SUCCESS;
}

CUresult cuGraphAddMemsetNode(CUgraphNode* out, CUgraph g, const CUgraphNode* after, size_t n, const CUDA_MEMSET_NODE_PARAMS* p, CUcontext) {
  GOQAT_API(needs_context);
  if (!known(g)) return CUDA_ERROR_INVALID_VALUE;
  Work w;
  w.kind = Work::set;
  w.to = p->dst;
  w.value = p->value;
  w.element = p->elementSize;
  w.pitch = p->pitch;
  w.width = p->width;
  w.height = p->height;
  size_t bytes = w.height ? (w.height - 1) * w.pitch + w.width * w.element : 0;
  if (!on_device(w.to) || !accessible(w.to, bytes)) return CUDA_ERROR_INVALID_VALUE;
  *out = (CUgraphNode)add(g, after, n, std::move(w));
  return CUDA_SUCCESS;
}

static CUresult instantiate(CUgraphExec* out, CUgraph g) {
  if (!known(g)) return CUDA_ERROR_INVALID_VALUE;
  auto e = std::make_unique<CUgraphExec_st>();
  e->origin = ordered(g->nodes);
  if (e->origin.size() != g->nodes.size()) return CUDA_ERROR_INVALID_VALUE;
  e->nodes = copy_of(e->origin);
  *out = e.get();
  execs[e.get()] = std::move(e);
  return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec* out, CUgraph g, unsigned long long) {
  GOQAT_API(needs_context);
  return instantiate(out, g);
}


CUresult cuGraphUpload(CUgraphExec e, CUstream) {
  GOQAT_API(needs_context);
  return execs.find(e) == execs.end() ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec e, CUstream h) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s || execs.find(e) == execs.end()) return CUDA_ERROR_INVALID_HANDLE;
  if (capturing(s)) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  Work w;
  w.kind = Work::graph;
  w.nodes = e->nodes;
  return submit(s, std::move(w));
}

CUresult cuGraphExecDestroy(CUgraphExec e) {
  GOQAT_API(ignores_sticky);
  return execs.erase(e) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// An update changes what later launches do; launches already queued keep what
// they had.
CUresult cuGraphExecUpdate(CUgraphExec e, CUgraph g, CUgraphExecUpdateResultInfo* info) {
  GOQAT_API(needs_context);
  if (execs.find(e) == execs.end() || !known(g)) return CUDA_ERROR_INVALID_VALUE;
  auto refuse = [&](CUgraphExecUpdateResult why) {
    if (info) info->result = why;
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  };
  Nodes nodes = ordered(g->nodes);
  if (nodes.size() != e->nodes->size()) return refuse(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
  for (size_t i = 0; i < nodes.size(); i++) {
    const Work &a = nodes[i]->work, &b = (*e->nodes)[i]->work;
    if (a.kind != b.kind) return refuse(CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED);
    if (nodes[i]->after.size() != e->origin[i]->after.size()) return refuse(CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
    if (a.kind == Work::kernel && a.function->module != b.function->module) return refuse(CU_GRAPH_EXEC_UPDATE_ERROR_FUNCTION_CHANGED);
  }
  e->nodes = copy_of(nodes);
  e->origin = nodes;
  if (info) info->result = CU_GRAPH_EXEC_UPDATE_SUCCESS;
  return CUDA_SUCCESS;
}

CUresult cuGraphExecKernelNodeSetParams(CUgraphExec e, CUgraphNode n, const CUDA_KERNEL_NODE_PARAMS* p) {
  GOQAT_API(needs_context);
  if (execs.find(e) == execs.end()) return CUDA_ERROR_INVALID_VALUE;
  for (size_t i = 0; i < e->origin.size(); i++) {
    if ((CUgraphNode)e->origin[i].get() != n) continue;
    Work w;
    if (CUresult r = kernel_work(p, &w)) return r;
    auto nodes = copy_of(*e->nodes);
    (*nodes)[i]->work = std::move(w);
    e->nodes = nodes;
    return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

}  // extern "C"
