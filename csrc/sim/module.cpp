// Modules are loaded from PTX, of which only the heads of the kernels are
// read: the code is what g++ made of the same source. Version and target are
// checked as a driver does, and parameters must be those of the compiled
// kernel, so that PTX older than the source is noticed.

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "driver.h"

namespace sim {

namespace {

std::map<CUmod_st*, std::unique_ptr<CUmod_st>> modules;

const Function* find(const std::string& name, int target) {
  for (const Function& f : functions())
    if (f.name == name && f.target == target) return &f;
  return nullptr;
}

size_t type_size(const std::string& t) {
  if (t == "u64" || t == "s64" || t == "f64" || t == "b64") return 8;
  if (t == "u16" || t == "s16" || t == "b16" || t == "f16") return 2;
  if (t == "u8" || t == "s8" || t == "b8") return 1;
  return 4;
}

CUresult load(CUmodule* out, const char* image, std::string* log) {
  const char* version = strstr(image, ".version ");
  const char* target = strstr(image, ".target sm_");
  if (!version || !target) {
    *log = "the image is not PTX";
    return CUDA_ERROR_INVALID_IMAGE;
  }
  // PTX ISA 7.0 came with CUDA 11.0, 8.0 with 12.0, 9.0 with 13.0.
  int major = 0, minor = 0;
  sscanf(version, ".version %d.%d", &major, &minor);
  int needs = (major + 4) * 1000 + minor * 10;
  if (needs > driver_version()) {
    *log = "PTX " + std::to_string(major) + "." + std::to_string(minor) + " needs a driver of CUDA " + std::to_string(needs / 1000) + "." + std::to_string(needs % 1000 / 10);
    return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  }
  int sm = atoi(target + 11);
  bool exact = target[11 + 2] == 'a';
  if (sm > capability() || (exact && sm != capability())) {
    *log = "PTX for sm_" + std::to_string(sm) + (exact ? "a" : "") + " on sm_" + std::to_string(capability());
    return exact ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_PTX;
  }
  auto m = std::make_unique<CUmod_st>();
  m->device = current_device();
  for (const char* p = strstr(image, ".entry "); p; p = strstr(p, ".entry ")) {
    p += 7;
    const char* open = strchr(p, '(');
    const char* close = open ? strchr(open, '{') : nullptr;
    if (!close) break;
    std::string name(p, open), head(open, close);
    while (!name.empty() && isspace((unsigned char)name.back())) name.pop_back();
    const Function* f = find(name, sm);
    if (!f) {
      *log = "kernel " + name + " for sm_" + std::to_string(sm) + " is not in the simulator: build it anew";
      return CUDA_ERROR_INVALID_PTX;
    }
    std::vector<size_t> sizes;
    static const std::regex parameter(R"(\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)\s+\w+(?:\[(\d+)\])?)");
    for (std::sregex_iterator i(head.begin(), head.end(), parameter), end; i != end; ++i)
      sizes.push_back((*i)[2].matched ? std::stoul((*i)[2]) : type_size((*i)[1]));
    if (sizes != f->sizes) {
      *log = "the parameters of kernel " + name + " differ between its PTX and the simulator: build both anew";
      return CUDA_ERROR_INVALID_PTX;
    }
    auto u = std::make_unique<CUfunc_st>();
    u->function = f;
    u->module = m.get();
    u->name = name;
    static const std::regex most(R"(\.maxntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?)");
    std::smatch s;
    if (std::regex_search(head, s, most)) {
      u->max_threads = 1;
      for (int i = 1; i < 4; i++)
        if (s[(size_t)i].matched) u->max_threads *= (unsigned)std::stoul(s[(size_t)i]);
    }
    m->functions[name] = std::move(u);
    p = close;
  }
  *out = m.get();
  modules[m.get()] = std::move(m);
  return CUDA_SUCCESS;
}

CUresult load_noted(CUmodule* out, const char* image, std::string* log) {
  if (CUresult r = unsafe_call()) return r;
  CUresult r = load(out, image, log);
  if (r) note(*log);
  return r;
}

}  // namespace

size_t live_modules() { return modules.size(); }
void modules_reset() { modules.clear(); }

int check_launch(CUfunction f, const unsigned* grid, const unsigned* block, unsigned shared) {
  uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
  if (!grid[0] || !grid[1] || !grid[2] || grid[0] > 2147483647u || grid[1] > 65535 || grid[2] > 65535) return CUDA_ERROR_INVALID_VALUE;
  if (threads == 0 || threads > 1024 || block[2] > 64 || threads > f->max_threads) return CUDA_ERROR_INVALID_VALUE;
  if (shared > (unsigned)f->max_dynamic) {
    note(f->name + ": " + std::to_string(shared) + " bytes of dynamic shared memory, of " + std::to_string(f->max_dynamic) + " asked for by cuFuncSetAttribute");
    return CUDA_ERROR_INVALID_VALUE;
  }
  return 0;
}

bool pack(CUfunction f, void** parameters, void** extra, std::vector<unsigned char>* out) {
  const Function& k = *f->function;
  std::vector<size_t> at;
  size_t size = 0;
  for (size_t i = 0; i < k.sizes.size(); i++) {
    size = (size + k.aligns[i] - 1) / k.aligns[i] * k.aligns[i];
    at.push_back(size);
    size += k.sizes[i];
  }
  out->assign(size, 0);
  if (parameters) {
    for (size_t i = 0; i < at.size(); i++) {
      if (!parameters[i]) return false;
      memcpy(out->data() + at[i], parameters[i], k.sizes[i]);
    }
    return true;
  }
  if (!extra) return at.empty();
  void* buffer = nullptr;
  size_t given = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[1];
    if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE) given = *(size_t*)extra[1];
  }
  if (!buffer || given < size) return false;
  memcpy(out->data(), buffer, size);
  return true;
}

static uint64_t executed[max_devices];
uint64_t kernels_of(int device) { return executed[device]; }

int run_kernel(const Work& w, int device) {
  const Function& k = *w.function->function;
  int code = injected("kernel");
  if (!code) code = injected(("kernel:" + k.name).c_str());
  if (code) {
    set_sticky(device, code, k.name + ": injected fault");
    return code;
  }
  std::vector<void*> parameters;
  size_t at = 0;
  for (size_t i = 0; i < k.sizes.size(); i++) {
    at = (at + k.aligns[i] - 1) / k.aligns[i] * k.aligns[i];
    parameters.push_back((void*)(w.arguments.data() + at));
    at += k.sizes[i];
  }
  Launch l;
  l.function = &k;
  for (int i = 0; i < 3; i++) l.grid[i] = w.grid[i], l.block[i] = w.block[i];
  l.dynamic_shared = w.shared;
  l.shared_limit = (size_t)std::max(w.function->max_dynamic, 48 << 10);
  l.parameters = parameters.data();
  l.device = device;
  Outcome o = execute(l);
  count_kernel(k.name, o);
  pass_kernel(k.name);
  executed[device]++;
  if (o.code) set_sticky(device, o.code, o.message);
  return o.code;
}

}  // namespace sim

using namespace sim;

extern "C" {

const char* goqatsim_ptx(int target) {
  thread_local std::string text;
  text = ".version 8.2\n.target sm_" + std::to_string(target) + "\n";
  for (const Function& f : functions()) {
    if (f.target != target) continue;
    text += ".visible .entry " + f.name + "(\n";
    for (size_t i = 0; i < f.sizes.size(); i++)
      text += ".param .align " + std::to_string(f.aligns[i]) + " .b8 p" + std::to_string(i) + "[" + std::to_string(f.sizes[i]) + "]" + (i + 1 < f.sizes.size() ? ",\n" : "\n");
    text += ")\n{\n}\n";
  }
  return text.c_str();
}

CUresult cuModuleLoadData(CUmodule* m, const void* image) {
  GOQAT_API(needs_context);
  std::string log;
  return load_noted(m, (const char*)image, &log);
}

CUresult cuModuleLoadDataEx(CUmodule* m, const void* image, unsigned n, CUjit_option* options, void** values) {
  GOQAT_API(needs_context);
  std::string log;
  CUresult r = load_noted(m, (const char*)image, &log);
  char* buffer = nullptr;
  size_t size = 0;
  for (unsigned i = 0; i < n; i++) {
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER) buffer = (char*)values[i];
    if (options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES) size = (size_t)values[i];
  }
  if (r && buffer && size) snprintf(buffer, size, "%s", log.c_str());
  return r;
}

CUresult cuModuleLoadFatBinary(CUmodule*, const void*) {
  GOQAT_API(needs_context);
  note("fat binaries hold machine code, which the simulator does not run");
  return CUDA_ERROR_NO_BINARY_FOR_GPU;
}

CUresult cuModuleLoad(CUmodule* m, const char* path) {
  GOQAT_API(needs_context);
  std::ifstream f(path);
  if (!f) return CUDA_ERROR_FILE_NOT_FOUND;
  std::stringstream s;
  s << f.rdbuf();
  std::string log;
  return load_noted(m, s.str().c_str(), &log);
}

CUresult cuModuleUnload(CUmodule m) {
  GOQAT_API(ignores_sticky);
  if (modules.find(m) == modules.end()) return CUDA_ERROR_INVALID_HANDLE;
  if (!sticky(m->device)) run_all(m->device);
  modules.erase(m);
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction* f, CUmodule m, const char* name) {
  GOQAT_API(needs_context);
  if (modules.find(m) == modules.end()) return CUDA_ERROR_INVALID_HANDLE;
  auto u = m->functions.find(name);
  if (u == m->functions.end()) return CUDA_ERROR_NOT_FOUND;
  *f = u->second.get();
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal(CUdeviceptr*, size_t*, CUmodule, const char*) {
  GOQAT_API(needs_context);
  return CUDA_ERROR_NOT_FOUND;
}

CUresult cuFuncGetAttribute(int* v, CUfunction_attribute a, CUfunction f) {
  GOQAT_API(needs_context);
  switch ((int)a) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *v = (int)f->max_threads; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *v = f->max_dynamic; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *v = 32; break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *v = f->function->target; break;
    default: *v = 0;
  }
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction f, CUfunction_attribute a, int v) {
  GOQAT_API(needs_context);
  switch ((int)a) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: {
      if (v < 0 || v > optin_shared()) return CUDA_ERROR_INVALID_VALUE;
      f->max_dynamic = v;
      return CUDA_SUCCESS;
    }
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED: return CUDA_SUCCESS;
  }
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) {
  GOQAT_API(needs_context);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, CUfunction f, int threads, size_t) {
  GOQAT_API(needs_context);
  if (threads < 1 || (unsigned)threads > f->max_threads) return CUDA_ERROR_INVALID_VALUE;
  *n = std::max(1, 2048 / threads);
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, CUfunction f, int threads, size_t shared, unsigned) {
  return cuOccupancyMaxActiveBlocksPerMultiprocessor(n, f, threads, shared);
}

CUresult cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, CUstream h,
                        void** parameters, void** extra) {
  GOQAT_API(needs_context);
  auto s = stream_of(h);
  if (!s || !f) return CUDA_ERROR_INVALID_HANDLE;
  Work w;
  w.kind = Work::kernel;
  w.function = f;
  w.grid[0] = gx, w.grid[1] = gy, w.grid[2] = gz;
  w.block[0] = bx, w.block[1] = by, w.block[2] = bz;
  w.shared = shared;
  if (int e = check_launch(f, w.grid, w.block, shared)) return (CUresult)e;
  if (!pack(f, parameters, extra, &w.arguments)) return CUDA_ERROR_INVALID_VALUE;
  return submit(s, std::move(w));
}

CUresult cuLaunchKernelEx(const CUlaunchConfig* c, CUfunction f, void** parameters, void** extra) {
  for (unsigned i = 0; i < c->numAttrs; i++)
    if (c->attrs[i].id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION) {
      auto& d = c->attrs[i].value.clusterDim;
      if (d.x * d.y * d.z != 1) return CUDA_ERROR_NOT_SUPPORTED;
    }
  return cuLaunchKernel(f, c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY, c->blockDimZ, c->sharedMemBytes, c->hStream, parameters, extra);
}

}  // extern "C"
