// Initialization, devices, contexts, errors, and what goqatsim.h declares.
#include <cstdio>
#include <cstdlib>

#include "driver.h"

namespace sim {

std::mutex big;

namespace {

bool initialized = false;
int devices = 1, cc = 80, sms = 4, version = 12040;
size_t device_memory = 4ull << 30;
bool verbose = false;

CUctx_st contexts[max_devices];
int retained[max_devices];
int sticky_code[max_devices];
thread_local std::vector<CUcontext> current;

std::string message;
std::map<std::string, uint64_t> calls;
struct Fault {
  std::string name;
  uint64_t left;
  int code;
  bool sticky;
};
std::vector<Fault> faults;
goqatsim_counters totals;
std::map<std::string, goqatsim_kernel> kernels;

// plain_name strips the version of a function's name.
std::string plain_name(const char* name) {
  std::string s = name;
  size_t n = s.size();
  if (n > 3 && s[n - 3] == '_' && s[n - 2] == 'v') s.resize(n - 3);
  return s;
}

uint64_t number(const char* name, uint64_t otherwise) {
  const char* s = getenv(name);
  if (!s || !*s) return otherwise;
  char* end;
  uint64_t v = strtoull(s, &end, 10);
  switch (*end) {
    case 'g': case 'G': v <<= 10; [[fallthrough]];
    case 'm': case 'M': v <<= 10; [[fallthrough]];
    case 'k': case 'K': v <<= 10;
  }
  return v;
}

void read_faults(const char* s) {
  while (s && *s) {
    std::string one = s;
    size_t comma = one.find(',');
    s = comma == std::string::npos ? nullptr : s + comma + 1;
    if (comma != std::string::npos) one.resize(comma);
    size_t b = one.rfind(':'), a = b == std::string::npos || b == 0 ? std::string::npos : one.rfind(':', b - 1);
    if (a == std::string::npos) {
      fprintf(stderr, "goqatsim: GOQAT_SIM_FAIL: %s: want NAME:N:CODE\n", one.c_str());
      abort();
    }
    faults.push_back({plain_name(one.substr(0, a).c_str()), strtoull(one.c_str() + a + 1, nullptr, 10), atoi(one.c_str() + b + 1), one.back() == '!'});
  }
}

void initialize() {
  if (initialized) return;
  initialized = true;
  devices = (int)std::min<uint64_t>(number("GOQAT_SIM_DEVICES", 1), max_devices);
  cc = (int)number("GOQAT_SIM_CC", 80);
  sms = (int)number("GOQAT_SIM_SMS", 4);
  version = (int)number("GOQAT_SIM_DRIVER", 12040);
  device_memory = number("GOQAT_SIM_MEMORY", 4ull << 30);
  workers_wanted = (unsigned)number("GOQAT_SIM_THREADS", 0);
  verbose = number("GOQAT_SIM_VERBOSE", 0) != 0;
  const char* o = getenv("GOQAT_SIM_ORDER");
  order = o && !strcmp(o, "descending") ? Order::descending : o && !strcmp(o, "shuffled") ? Order::shuffled : Order::ascending;
  read_faults(getenv("GOQAT_SIM_FAIL"));
  for (int d = 0; d < max_devices; d++) contexts[d].device = d, retained[d] = 0, sticky_code[d] = 0;
  memory_init(devices ? devices : 1, device_memory);
}

}  // namespace

int device_count() { return devices; }
int capability() { return cc; }
int driver_version() { return version; }
int optin_shared() {
  switch (cc) {
    case 75: return 64 << 10;
    case 80: case 87: return 163 << 10;
    case 90: case 100: case 103: return 227 << 10;
  }
  return 99 << 10;  // 8.6, 8.9, 12.0 and their kin
}
int current_device() { return current.empty() || !current.back() ? -1 : current.back()->device; }

void note(const std::string& m) {
  message = m;
  if (verbose) fprintf(stderr, "goqatsim: %s\n", m.c_str());
}

std::string last_message() { return message; }

void set_sticky(int device, int code, const std::string& m) {
  if (sticky_code[device] == 0) sticky_code[device] = code;
  note(m);
}

int sticky(int device) { return device < 0 ? 0 : sticky_code[device]; }

int injected(const char* name) {
  std::string plain = plain_name(name);
  for (size_t i = 0; i < faults.size(); i++) {
    Fault& f = faults[i];
    if (f.name != plain || --f.left > 0) continue;
    Fault hit = f;
    faults.erase(faults.begin() + (long)i);
    note("injected fault in " + plain);
    if (hit.sticky) set_sticky(std::max(current_device(), 0), hit.code, message);
    return hit.code;
  }
  return 0;
}

Call::Call(const char* name, int flags) : error(CUDA_SUCCESS), locked(true) {
  big.lock();
  calls[plain_name(name)]++;
  if (!initialized) {
    error = CUDA_ERROR_NOT_INITIALIZED;
    return;
  }
  if ((flags & needs_context) && current_device() < 0) {
    error = CUDA_ERROR_INVALID_CONTEXT;
    return;
  }
  if (!(flags & ignores_sticky) && sticky(current_device())) {
    error = (CUresult)sticky(current_device());
    return;
  }
  error = (CUresult)injected(name);
}

Call::~Call() { big.unlock(); }

void count_sync() { totals.host_syncs++; }

void count_kernel(const std::string& name, const Outcome& o) {
  totals.kernels++;
  goqatsim_kernel& k = kernels[name];
  k.launches++;
  k.blocks += o.counters.blocks;
  k.read_requested += o.counters.read_requested;
  k.written_requested += o.counters.written_requested;
  k.read_sectors += o.counters.read_sectors;
  k.written_sectors += o.counters.written_sectors;
  k.static_shared = o.counters.static_shared;
  k.dynamic_shared = o.counters.dynamic_shared;
}

void count_copy() { totals.copies++; }
void count_set() { totals.sets++; }
void count_graph_launch() { totals.graph_launches++; }

void clear_current() { current.clear(); }
void push_current(CUcontext c) { current.push_back(c); }

}  // namespace sim

using namespace sim;

extern "C" {

CUresult cuInit(unsigned) {
  std::lock_guard<std::mutex> g(big);
  initialize();
  calls["cuInit"]++;
  return (CUresult)injected("cuInit");
}

CUresult cuDriverGetVersion(int* v) {
  std::lock_guard<std::mutex> g(big);
  initialize();
  *v = version;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* n) {
  GOQAT_API(ignores_sticky);
  *n = devices;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice* d, int i) {
  GOQAT_API(ignores_sticky);
  if (i < 0 || i >= devices) return CUDA_ERROR_INVALID_DEVICE;
  *d = i;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char* name, int n, CUdevice d) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices || n < 1) return CUDA_ERROR_INVALID_VALUE;
  snprintf(name, (size_t)n, "Simulated GPU (sm_%d)", cc);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid* u, CUdevice d) {
  GOQAT_API(ignores_sticky);
  memset(u, 0, sizeof *u);
  u->bytes[0] = (char)d;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetUuid(CUuuid* u, CUdevice d) { return cuDeviceGetUuid_v2(u, d); }

CUresult cuDeviceTotalMem(size_t* n, CUdevice d) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices) return CUDA_ERROR_INVALID_DEVICE;
  *n = device_memory;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetAttribute(int* v, CUdevice_attribute a, CUdevice d) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices) return CUDA_ERROR_INVALID_DEVICE;
  switch ((int)a) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: *v = 1024; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: *v = 64; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: *v = 2147483647; break;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: *v = 65535; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *v = 48 << 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *v = optin_shared(); break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: *v = optin_shared() + 1024; break;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: *v = cc == 75 ? 0 : 1024; break;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: *v = 65536; break;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: *v = 32; break;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: *v = 65536; break;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *v = cc == 75 ? 1024 : cc == 86 || cc == 89 ? 1536 : 2048; break;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: *v = cc == 75 || cc == 86 ? 16 : cc == 89 ? 24 : 32; break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *v = sms; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *v = cc / 10; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *v = cc % 10; break;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: *v = 4 << 20; break;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: *v = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: *v = 1000000; break;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: *v = 256; break;
    case CU_DEVICE_ATTRIBUTE_GPU_OVERLAP:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: *v = 1; break;
    case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID: *v = d; break;
    default: *v = 0;
  }
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* c, CUdevice d) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices) return CUDA_ERROR_INVALID_DEVICE;
  if (sticky_code[d]) return (CUresult)sticky_code[d];
  retained[d]++;
  *c = &contexts[d];
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice d) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices) return CUDA_ERROR_INVALID_DEVICE;
  if (retained[d] == 0) return CUDA_ERROR_INVALID_CONTEXT;
  retained[d]--;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset(CUdevice d) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices) return CUDA_ERROR_INVALID_DEVICE;
  return sticky_code[d] ? (CUresult)sticky_code[d] : CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags(CUdevice, unsigned) {
  GOQAT_API(ignores_sticky);
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice d, unsigned* flags, int* active) {
  GOQAT_API(ignores_sticky);
  if (d < 0 || d >= devices) return CUDA_ERROR_INVALID_DEVICE;
  if (flags) *flags = 0;
  if (active) *active = retained[d] > 0;
  return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext c) {
  GOQAT_API(ignores_sticky);
  if (!current.empty()) current.pop_back();
  if (c) current.push_back(c);
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext* c) {
  GOQAT_API(ignores_sticky);
  *c = current.empty() ? nullptr : current.back();
  return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext c) {
  GOQAT_API(ignores_sticky);
  current.push_back(c);
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext* c) {
  GOQAT_API(ignores_sticky);
  if (current.empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (c) *c = current.back();
  current.pop_back();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice* d) {
  GOQAT_API(needs_context);
  *d = current_device();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext, unsigned* v) {
  GOQAT_API(ignores_sticky);
  *v = 3020;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  GOQAT_API(needs_context);
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void) {
  GOQAT_API(needs_context);
  CUresult r = unsafe_call();
  if (r) return r;
  count_sync();
  return run_all(current_device());
}

CUresult cuDeviceCanAccessPeer(int* can, CUdevice a, CUdevice b) {
  GOQAT_API(ignores_sticky);
  *can = a != b;
  return CUDA_SUCCESS;
}

CUresult cuCtxEnablePeerAccess(CUcontext, unsigned) {
  GOQAT_API(needs_context);
  return CUDA_SUCCESS;
}

CUresult cuCtxDisablePeerAccess(CUcontext) {
  GOQAT_API(needs_context);
  return CUDA_SUCCESS;
}

static const struct {
  int code;
  const char *name, *text;
} results[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", "the provided PTX was compiled with an unsupported toolchain."},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {600, "CUDA_ERROR_NOT_READY", "device not ready"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {716, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {800, "CUDA_ERROR_NOT_PERMITTED", "operation not permitted"},
    {801, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {901, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {903, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "operation would result in a merge of separate capture sequences"},
    {904, "CUDA_ERROR_STREAM_CAPTURE_UNJOINED", "capture was not ended in the same stream as it began"},
    {905, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "capturing stream has unjoined work"},
    {908, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
    {910, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", "the graph update was not performed because it included changes which violated constraints specific to instantiated graph update"},
};

CUresult cuGetErrorString(CUresult e, const char** text) {
  for (auto& r : results)
    if (r.code == (int)e) return *text = r.text, CUDA_SUCCESS;
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuGetErrorName(CUresult e, const char** text) {
  for (auto& r : results)
    if (r.code == (int)e) return *text = r.name, CUDA_SUCCESS;
  *text = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}

// What goqatsim.h declares.

void goqatsim_reset(void) {
  std::lock_guard<std::mutex> g(big);
  nccl_reset();
  trace_reset();
  streams_reset();
  library_reset();
  graphs_reset();
  modules_reset();
  initialized = false;
  faults.clear();
  calls.clear();
  kernels.clear();
  totals = {};
  message.clear();
  clear_current();
  initialize();
}

void goqatsim_fail_at(const char* name, uint64_t n, int code, int is_sticky) {
  std::lock_guard<std::mutex> g(big);
  if (n > 0) faults.push_back({plain_name(name), n, code, is_sticky != 0});
}

void goqatsim_fail_clear(void) {
  std::lock_guard<std::mutex> g(big);
  faults.clear();
}

uint64_t goqatsim_calls(const char* name) {
  std::lock_guard<std::mutex> g(big);
  auto c = calls.find(plain_name(name));
  return c == calls.end() ? 0 : c->second;
}

const char* goqatsim_message(void) {
  thread_local std::string text;
  std::lock_guard<std::mutex> g(big);
  text = message;
  return text.c_str();
}

void goqatsim_count(goqatsim_counters* out) {
  std::lock_guard<std::mutex> g(big);
  *out = totals;
  out->allocations = live_allocations();
  out->allocated_bytes = live_bytes();
  out->pinned = live_pinned();
  out->streams = live_streams();
  out->events = live_events();
  out->graphs = live_graphs();
  out->execs = live_execs();
  out->vendor_objects = live_vendor_objects();
  out->modules = live_modules();
}

int goqatsim_kernel_count(const char* name, goqatsim_kernel* out) {
  std::lock_guard<std::mutex> g(big);
  auto k = kernels.find(name);
  if (k == kernels.end()) return 0;
  *out = k->second;
  return 1;
}

void goqatsim_kernel_clear(void) {
  std::lock_guard<std::mutex> g(big);
  kernels.clear();
}

void goqatsim_forbid(uint64_t p, size_t n) { set_accessible(p, n, false); }
void goqatsim_allow(uint64_t p, size_t n) { set_accessible(p, n, true); }

void goqatsim_set_capability(int c) {
  std::lock_guard<std::mutex> g(big);
  initialize();
  cc = c;
}

void goqatsim_set_order(int o) {
  std::lock_guard<std::mutex> g(big);
  initialize();
  order = (Order)o;
}

void goqatsim_set_threads(unsigned n) {
  std::lock_guard<std::mutex> g(big);
  initialize();
  workers_wanted = n;
}

}  // extern "C"
