// The driver's functions: memory, streams, events, graphs, modules.
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "check.h"

static goqatsim_counters counts() {
  goqatsim_counters c;
  SIM(goqatsim_count)(&c);
  return c;
}

TEST(memory) {
  size_t free0, total, free1;
  OK(cuMemGetInfo(&free0, &total));
  EQUAL(total, (size_t)4 << 30);
  CUdeviceptr a, b, c;
  OK(cuMemAlloc(&a, 1000));
  OK(cuMemAlloc(&b, 1 << 20));
  OK(cuMemGetInfo(&free1, &total));
  CHECK(free1 < free0);
  EQUAL(a % 256, 0u);
  EQUAL(cuMemAlloc(&c, (size_t)5 << 30), CUDA_ERROR_OUT_OF_MEMORY);
  EQUAL(cuMemAlloc(&c, 0), CUDA_ERROR_INVALID_VALUE);
  EQUAL(counts().allocations, 2u);
  std::vector<unsigned char> x(1000);
  for (int i = 0; i < 1000; i++) x[(size_t)i] = (unsigned char)i;
  OK(cuMemcpyHtoD(a, x.data(), 1000));
  EQUAL(cuMemcpyHtoD(a, x.data(), 1001), CUDA_ERROR_INVALID_VALUE);
  EQUAL(cuMemcpyHtoD(a + 1, x.data(), 1000), CUDA_ERROR_INVALID_VALUE);
  OK(cuMemcpyDtoD(b, a, 1000));
  std::vector<unsigned char> y(1000);
  OK(cuMemcpyDtoH(y.data(), b, 1000));
  CHECK(x == y);
  OK(cuMemsetD16(b + 10, 0x0102, 5));
  OK(cuMemcpyDtoH(y.data(), b, 1000));
  EQUAL(y[9], 9);
  EQUAL(y[10], 2);
  EQUAL(y[19], 1);
  EQUAL(y[20], 20);
  OK(cuMemsetD2D8(b, 100, 7, 10, 3));
  OK(cuMemcpyDtoH(y.data(), b, 1000));
  EQUAL(y[209], 7);
  EQUAL(y[210], 210);
  CUdeviceptr base;
  size_t size;
  OK(cuMemGetAddressRange(&base, &size, a + 999));
  EQUAL(base, a);
  EQUAL(size, 1000u);
  EQUAL(cuMemGetAddressRange(&base, &size, a + 1000), CUDA_ERROR_NOT_FOUND);
  OK(cuMemFree(a));
  EQUAL(cuMemFree(a), CUDA_ERROR_INVALID_VALUE);
  OK(cuMemFree(b));
  OK(cuMemGetInfo(&free1, &total));
  EQUAL(free1, free0);
  EQUAL(counts().allocations, 0u);
  // Many, in an order that leaves holes.
  std::vector<CUdeviceptr> p(300);
  Random r;
  for (int round = 0; round < 20; round++) {
    for (auto& q : p)
      if (!q && r.next() % 2) OK(cuMemAlloc(&q, r.next() % 100000 + 1));
    for (auto& q : p)
      if (q && r.next() % 2) {
        OK(cuMemFree(q));
        q = 0;
      }
  }
  for (auto& q : p)
    if (q) OK(cuMemFree(q));
  OK(cuMemGetInfo(&free1, &total));
  EQUAL(free1, free0);
}

TEST(context) {
  OK(cuCtxSetCurrent(nullptr));
  CUdeviceptr p;
  EQUAL(cuMemAlloc(&p, 4), CUDA_ERROR_INVALID_CONTEXT);
  CUcontext c;
  OK(cuDevicePrimaryCtxRetain(&c, 0));
  EQUAL(cuDevicePrimaryCtxRetain(&c, 1), CUDA_ERROR_INVALID_DEVICE);
  OK(cuDevicePrimaryCtxRetain(&c, 0));
  // Contexts are current to a thread.
  OK(cuCtxSetCurrent(c));
  CUresult other = CUDA_SUCCESS;
  std::thread([&] { other = cuMemAlloc(&p, 4); }).join();
  EQUAL(other, CUDA_ERROR_INVALID_CONTEXT);
  unsigned flags;
  int active;
  OK(cuDevicePrimaryCtxGetState(0, &flags, &active));
  EQUAL(active, 1);
  for (int i = 0; i < 3; i++) OK(cuDevicePrimaryCtxRelease(0));
  EQUAL(cuDevicePrimaryCtxRelease(0), CUDA_ERROR_INVALID_CONTEXT);
}

// What is not waited for has not happened.
TEST(streams_are_lazy) {
  CUstream s;
  OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
  void* pinned;
  OK(cuMemHostAlloc(&pinned, 64, 0));
  int* host = (int*)pinned;
  host[0] = 1;
  Array<int> p(16);
  OK(cuMemcpyHtoDAsync(p.p, host, 64, s));
  OK(launch_on(s, "t_add", 1, 32, p.p, 5));
  OK(cuMemcpyDtoHAsync(host + 1, p.p, 4, s));
  EQUAL(host[1], -1);
  host[0] = 2;  // Too early: the copy has not read it yet.
  OK(cuStreamSynchronize(s));
  EQUAL(host[1], 11);
  // Pageable memory is read at the call, and waited for when written.
  int page = 3;
  OK(cuMemcpyHtoDAsync(p.p, &page, 4, s));
  page = 4;
  int back = 0;
  OK(cuMemcpyDtoHAsync(&back, p.p, 4, s));
  EQUAL(back, 3);
  EQUAL(cuStreamQuery(s), CUDA_SUCCESS);
  OK(launch_on(s, "t_add", 1, 32, p.p, 5));
  EQUAL(cuStreamQuery(s), CUDA_ERROR_NOT_READY);
  EQUAL(cuStreamQuery(s), CUDA_SUCCESS);
  OK(cuMemFreeHost(pinned));
  OK(cuStreamDestroy(s));
  EQUAL(counts().streams, 0u);
  EQUAL(cuStreamSynchronize(s), CUDA_ERROR_INVALID_HANDLE);
}

TEST(events) {
  CUstream a, b;
  OK(cuStreamCreate(&a, CU_STREAM_NON_BLOCKING));
  OK(cuStreamCreate(&b, CU_STREAM_NON_BLOCKING));
  CUevent e, f;
  OK(cuEventCreate(&e, 0));
  OK(cuEventCreate(&f, 0));
  Array<int> p(1);
  OK(launch_on(a, "t_add", 1, 32, p.p, 1));
  OK(cuEventRecord(e, a));
  OK(launch_on(a, "t_add", 1, 32, p.p, 100));  // Behind the event.
  OK(cuStreamWaitEvent(b, e, 0));
  OK(launch_on(b, "t_add", 1, 32, p.p, 2));
  OK(cuEventRecord(f, b));
  OK(cuEventSynchronize(f));
  // Only what f waits for has run: (0*3+1)*3+2. The default stream does not
  // wait for streams that do not block.
  OK(p.to_host());
  EQUAL(p[0], 5);
  OK(cuStreamSynchronize(a));
  OK(p.to_host());
  EQUAL(p[0], 115);
  float ms;
  OK(cuEventElapsedTime(&ms, e, f));
  CHECK(ms >= 0);
  OK(cuEventRecord(e, a));
  EQUAL(cuEventElapsedTime(&ms, f, e), CUDA_ERROR_NOT_READY);
  EQUAL(cuEventQuery(e), CUDA_ERROR_NOT_READY);
  EQUAL(cuEventQuery(e), CUDA_SUCCESS);
  OK(cuEventDestroy(e));
  OK(cuEventDestroy(f));
  EQUAL(counts().events, 0u);
}

TEST(default_stream) {
  CUstream a;
  OK(cuStreamCreate(&a, CU_STREAM_DEFAULT));
  Array<int> p(1);
  OK(launch_on(a, "t_add", 1, 32, p.p, 1));
  OK(launch("t_add", 1, 32, 0, p.p, 2));
  OK(launch_on(a, "t_add", 1, 32, p.p, 3));
  OK(cuStreamSynchronize(a));
  OK(p.to_host());
  EQUAL(p[0], 18);
}

struct Callback {
  std::mutex lock;
  std::condition_variable called;
  int times = 0;
  CUresult inside = CUDA_SUCCESS;
};
static void callback(void* data) {
  Callback* c = (Callback*)data;
  CUdeviceptr p;
  CUresult r = cuMemAlloc(&p, 4);
  std::lock_guard<std::mutex> g(c->lock);
  c->inside = r;
  c->times++;
  c->called.notify_all();
}

// A callback comes without anybody waiting for the stream.
TEST(callbacks) {
  Callback c;
  CUstream s;
  OK(cuStreamCreate(&s, 0));
  Array<int> p(1);
  OK(launch_on(s, "t_add", 1, 32, p.p, 1));
  OK(cuLaunchHostFunc(s, callback, &c));
  {
    std::unique_lock<std::mutex> g(c.lock);
    c.called.wait(g, [&] { return c.times == 1; });
  }
  CHECK(c.inside == CUDA_ERROR_NOT_PERMITTED || c.inside == CUDA_ERROR_INVALID_CONTEXT);
  OK(cuStreamSynchronize(s));
  OK(cuLaunchHostFunc(s, callback, &c));
  OK(cuStreamSynchronize(s));
  EQUAL(c.times, 2);
}

TEST(graph_capture) {
  CUstream s;
  OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
  Array<int> p(1), q(1);
  Callback c;
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  CUstreamCaptureStatus status;
  OK(cuStreamIsCapturing(s, &status));
  EQUAL(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
  OK(launch_on(s, "t_add", 1, 32, p.p, 1));
  OK(cuMemcpyDtoDAsync(q.p, p.p, 4, s));
  OK(launch_on(s, "t_add", 1, 32, p.p, 2));
  OK(cuLaunchHostFunc(s, callback, &c));
  CUgraph g;
  OK(cuStreamEndCapture(s, &g));
  size_t n = 0;
  OK(cuGraphGetNodes(g, nullptr, &n));
  EQUAL(n, 4u);
  EQUAL(counts().kernels, 0u);
  CUgraphExec x;
  OK(cuGraphInstantiate(&x, g, 0));
  for (int i = 0; i < 3; i++) OK(cuGraphLaunch(x, s));
  OK(cuStreamSynchronize(s));
  OK(p.to_host());
  OK(q.to_host());
  // v -> (3v+1)*3+2 three times.
  EQUAL(p[0], 455);
  EQUAL(q[0], 151);
  EQUAL(c.times, 3);
  EQUAL(counts().graph_launches, 3u);
  EQUAL(counts().kernels, 6u);
  // Other parameters of one node.
  std::vector<CUgraphNode> nodes(4);
  OK(cuGraphGetNodes(g, nodes.data(), &n));
  int twenty = 20;
  void* parameters[] = {&p.p, &twenty};
  CUDA_KERNEL_NODE_PARAMS k = {};
  k.func = kernel("t_add");
  k.gridDimX = k.gridDimY = k.gridDimZ = k.blockDimY = k.blockDimZ = 1;
  k.blockDimX = 32;
  k.kernelParams = parameters;
  OK(cuGraphExecKernelNodeSetParams(x, nodes[2], &k));
  OK(cuMemsetD32Async(p.p, 0, 1, s));
  OK(cuGraphLaunch(x, s));
  OK(cuStreamSynchronize(s));
  OK(p.to_host());
  EQUAL(p[0], 23);
  // An update by another capture of the same shape, and one it refuses.
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
  OK(launch_on(s, "t_add", 1, 32, q.p, 4));
  OK(cuMemcpyDtoDAsync(p.p, q.p, 4, s));
  OK(launch_on(s, "t_add", 1, 32, q.p, 5));
  OK(cuLaunchHostFunc(s, callback, &c));
  CUgraph h;
  OK(cuStreamEndCapture(s, &h));
  CUgraphExecUpdateResultInfo info;
  OK(cuGraphExecUpdate(x, h, &info));
  OK(cuMemsetD32Async(q.p, 0, 1, s));
  OK(cuGraphLaunch(x, s));
  OK(cuStreamSynchronize(s));
  OK(q.to_host());
  EQUAL(q[0], 17);
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
  OK(launch_on(s, "t_add", 1, 32, q.p, 4));
  CUgraph small;
  OK(cuStreamEndCapture(s, &small));
  EQUAL(cuGraphExecUpdate(x, small, &info), CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE);
  EQUAL(info.result, CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED);
  for (CUgraph y : {g, h, small}) OK(cuGraphDestroy(y));
  OK(cuGraphLaunch(x, s));  // The graph is not needed any more.
  OK(cuGraphExecDestroy(x));
  OK(cuStreamSynchronize(s));
  EQUAL(counts().graphs, 0u);
  EQUAL(counts().execs, 0u);
}

// Capture across streams, by events; what is not joined is refused.
TEST(graph_fork) {
  CUstream s, t;
  CUevent fork, join;
  OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
  OK(cuStreamCreate(&t, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
  OK(cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
  Array<int> p(1), q(1);
  for (bool joined : {false, true}) {
    OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(launch_on(s, "t_add", 1, 32, p.p, 1));
    OK(cuEventRecord(fork, s));
    EQUAL(cuEventQuery(fork), CUDA_ERROR_CAPTURED_EVENT);
    OK(cuStreamWaitEvent(t, fork, 0));
    OK(launch_on(t, "t_add", 1, 32, q.p, 2));
    OK(launch_on(s, "t_add", 1, 32, p.p, 3));
    OK(cuEventRecord(join, t));
    if (joined) OK(cuStreamWaitEvent(s, join, 0));
    CUgraph g;
    if (!joined) {
      EQUAL(cuStreamEndCapture(s, &g), CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
      continue;
    }
    EQUAL(cuStreamEndCapture(t, &g), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    OK(launch_on(s, "t_add", 1, 32, q.p, 4));
    OK(cuStreamEndCapture(s, &g));
    CUgraphExec x;
    OK(cuGraphInstantiate(&x, g, 0));
    OK(cuGraphLaunch(x, t));
    OK(cuStreamSynchronize(t));
    OK(p.to_host());
    OK(q.to_host());
    EQUAL(p[0], 6);
    EQUAL(q[0], 10);
    // The streams are free again.
    OK(launch_on(t, "t_add", 1, 32, q.p, 4));
    OK(cuStreamSynchronize(t));
    OK(cuGraphExecDestroy(x));
    OK(cuGraphDestroy(g));
  }
  // An event from outside, and one whose capture is over.
  OK(cuEventRecord(fork, t));
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  EQUAL(cuStreamWaitEvent(s, fork, 0), CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
  CUgraph g;
  OK(cuStreamEndCapture(s, &g));
  OK(cuGraphDestroy(g));
}

// Calls that a capture forbids, end it.
TEST(graph_forbidden) {
  CUstream s;
  OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
  CUgraph g;
  CUdeviceptr p;
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  EQUAL(cuMemAlloc(&p, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EQUAL(cuStreamEndCapture(s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  EQUAL(cuStreamSynchronize(s), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EQUAL(cuStreamEndCapture(s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_RELAXED));
  OK(cuMemAlloc(&p, 4));
  OK(cuStreamEndCapture(s, &g));
  // Another thread may allocate while a thread-local capture runs, not while
  // a global one does.
  CUcontext c;
  OK(cuCtxGetCurrent(&c));
  auto elsewhere = [&] {
    CUresult r;
    std::thread([&] {
      cuCtxSetCurrent(c);
      r = cuMemAlloc(&p, 4);
    }).join();
    return r;
  };
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  OK(elsewhere());
  OK(cuStreamEndCapture(s, &g));
  OK(cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_GLOBAL));
  EQUAL(elsewhere(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  EQUAL(cuStreamEndCapture(s, &g), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  EQUAL(cuStreamEndCapture(s, &g), CUDA_ERROR_ILLEGAL_STATE);
}

TEST(graph_by_nodes) {
  Array<int> p(4);
  CUgraph g;
  OK(cuGraphCreate(&g, 0));
  CUcontext c;
  OK(cuCtxGetCurrent(&c));
  CUDA_MEMSET_NODE_PARAMS m = {};
  m.dst = p.p;
  m.elementSize = 4;
  m.width = 4;
  m.height = 1;
  m.value = 7;
  int one = 1;
  void* parameters[] = {&p.p, &one};
  CUDA_KERNEL_NODE_PARAMS k = {};
  k.func = kernel("t_add");
  k.gridDimX = k.gridDimY = k.gridDimZ = k.blockDimY = k.blockDimZ = 1;
  k.blockDimX = 32;
  k.kernelParams = parameters;
  CUgraphNode set, add, end;
  OK(cuGraphAddMemsetNode(&set, g, nullptr, 0, &m, c));
  OK(cuGraphAddKernelNode(&add, g, &set, 1, &k));
  OK(cuGraphAddEmptyNode(&end, g, &add, 1));
  CUgraphNodeType t;
  OK(cuGraphNodeGetType(add, &t));
  EQUAL(t, CU_GRAPH_NODE_TYPE_KERNEL);
  CUgraphExec x;
  OK(cuGraphInstantiate(&x, g, 0));
  OK(cuGraphLaunch(x, nullptr));
  OK(p.to_host());
  EQUAL(p[0], 22);
  EQUAL(p[3], 7);
  // A fault in a graph is noticed as elsewhere.
  SIM(goqatsim_fail_at)("kernel", 1, CUDA_ERROR_ILLEGAL_ADDRESS, 1);
  OK(cuGraphLaunch(x, nullptr));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST(modules) {
  CUmodule m;
  auto load = [&](const std::string& s) { return cuModuleLoadData(&m, s.c_str()); };
  std::string head = ".version 8.2\n.target sm_80\n.address_size 64\n";
  std::string add = ".visible .entry t_add(\n\t.param .u64 t_add_param_0,\n\t.param .u32 t_add_param_1\n)\n.maxntid 64, 1, 1\n{\nret;\n}\n";
  OK(load(head + add));
  CUfunction f;
  OK(cuModuleGetFunction(&f, m, "t_add"));
  EQUAL(cuModuleGetFunction(&f, m, "t_index"), CUDA_ERROR_NOT_FOUND);
  Array<int> p(1);
  int v = 1;
  void* parameters[] = {&p.p, &v};
  OK(cuModuleGetFunction(&f, m, "t_add"));
  EQUAL(cuLaunchKernel(f, 1, 1, 1, 96, 1, 1, 0, nullptr, parameters, nullptr), CUDA_ERROR_INVALID_VALUE);
  OK(cuLaunchKernel(f, 1, 1, 1, 64, 1, 1, 0, nullptr, parameters, nullptr));
  OK(cuModuleUnload(m));
  EQUAL(cuModuleUnload(m), CUDA_ERROR_INVALID_HANDLE);
  EQUAL(load("\x7f" "ELF"), CUDA_ERROR_INVALID_IMAGE);
  EQUAL(load(".version 9.0\n.target sm_80\n" + add), CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  EQUAL(load(".version 8.2\n.target sm_89\n" + add), CUDA_ERROR_INVALID_PTX);
  EQUAL(load(".version 8.2\n.target sm_90a\n" + add), CUDA_ERROR_NO_BINARY_FOR_GPU);
  // PTX that is not of this source.
  EQUAL(load(head + ".entry t_new(\n)\n{\n}"), CUDA_ERROR_INVALID_PTX);
  char log[200] = "";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
  void* values[] = {log, (void*)sizeof log};
  std::string changed = head + ".entry t_add(\n.param .u64 a,\n.param .u64 b\n)\n{\n}";
  EQUAL(cuModuleLoadDataEx(&m, changed.c_str(), 2, options, values), CUDA_ERROR_INVALID_PTX);
  CHECK(strstr(log, "parameters of kernel t_add differ"));
  EQUAL(counts().modules, 1u);
}

// Bytes are counted: what threads ask for, and the sectors of 32 bytes.
TEST(traffic) {
  Array<int> in(40 * 256), out(40 * 256);
  SIM(goqatsim_kernel_clear)();
  for (unsigned threads : {1u, 2u}) {
    SIM(goqatsim_set_threads)(threads);
    OK(launch("t_reverse", 40, 256, 0, in.p, out.p));
    OK(cuCtxSynchronize());
  }
  goqatsim_kernel k;
  EQUAL(SIM(goqatsim_kernel_count)("t_reverse", &k), 1);
  EQUAL(k.launches, 2u);
  EQUAL(k.blocks, 80u);
  EQUAL(k.read_requested, 2u * 40960);
  EQUAL(k.written_requested, 2u * 40960);
  EQUAL(k.read_sectors, 2u * 40960 / 32);
  EQUAL(k.written_sectors, 2u * 40960 / 32);
  EQUAL(k.static_shared, 1024u);
  EQUAL(SIM(goqatsim_kernel_count)("none", &k), 0);
  uint64_t syncs = counts().host_syncs;
  OK(cuCtxSynchronize());
  OK(in.to_host());
  EQUAL(counts().host_syncs, syncs + 2);
}

TEST(two_devices) {
  setenv("GOQAT_SIM_DEVICES", "2", 1);
  setenv("GOQAT_SIM_MEMORY", "64m", 1);
  fresh();
  unsetenv("GOQAT_SIM_DEVICES");
  unsetenv("GOQAT_SIM_MEMORY");
  int n;
  OK(cuDeviceGetCount(&n));
  EQUAL(n, 2);
  CUcontext a, b;
  OK(cuCtxGetCurrent(&a));
  OK(cuDevicePrimaryCtxRetain(&b, 1));
  CUdeviceptr p, q;
  OK(cuMemAlloc(&p, 40 << 20));
  EQUAL(cuMemAlloc(&q, 40 << 20), CUDA_ERROR_OUT_OF_MEMORY);
  OK(cuCtxSetCurrent(b));
  OK(cuMemAlloc(&q, 40 << 20));
  int v = 12, w = 0;
  OK(cuMemcpyHtoD(q, &v, 4));
  OK(cuMemcpyPeer(p, a, q, b, 4));
  OK(cuMemcpyDtoH(&w, p, 4));
  EQUAL(w, 12);
  // Streams and events belong to a device, and so does the memory of a kernel.
  CUstream s;
  CUevent e;
  OK(cuStreamCreate(&s, CU_STREAM_NON_BLOCKING));
  OK(cuEventCreate(&e, CU_EVENT_DISABLE_TIMING));
  OK(cuCtxSetCurrent(a));
  EQUAL(cuMemsetD8Async(p, 0, 4, s), CUDA_ERROR_INVALID_HANDLE);
  CUstream t;
  OK(cuStreamCreate(&t, CU_STREAM_NON_BLOCKING));
  EQUAL(cuEventRecord(e, t), CUDA_ERROR_INVALID_HANDLE);
  OK(cuStreamDestroy(t));
  OK(launch("t_add", 1, 32, 0, p, 5));
  OK(cuCtxSynchronize());
  OK(launch("t_add", 1, 32, 0, q, 5));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(sim_message().find("another device") != std::string::npos);
  OK(cuCtxSetCurrent(b));
  OK(cuEventDestroy(e));
  OK(cuStreamDestroy(s));
  setenv("GOQAT_SIM_DEVICES", "2", 1);
  setenv("GOQAT_SIM_MEMORY", "64m", 1);
  fresh();
  unsetenv("GOQAT_SIM_DEVICES");
  unsetenv("GOQAT_SIM_MEMORY");
  OK(cuCtxGetCurrent(&a));
  OK(cuDevicePrimaryCtxRetain(&b, 1));
  OK(cuCtxSetCurrent(b));
  // A fault ends one device's context only.
  SIM(goqatsim_fail_at)("cuMemAlloc", 1, CUDA_ERROR_ILLEGAL_ADDRESS, 1);
  EQUAL(cuMemAlloc(&q, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  OK(cuCtxSetCurrent(a));
  OK(cuCtxSynchronize());
}
