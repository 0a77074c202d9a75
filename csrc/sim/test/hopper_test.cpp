// The instructions of sm_90a, against products computed here.
#include "check.h"

struct Map {
  alignas(64) CUtensorMap m;
};

static Map encode(CUtensorMapDataType type, unsigned size, CUdeviceptr p, uint64_t columns, uint64_t rows, uint32_t box_columns, uint32_t box_rows, CUtensorMapSwizzle swizzle) {
  Map m;
  cuuint64_t dims[] = {columns, rows}, strides[] = {columns * size};
  cuuint32_t box[] = {box_columns, box_rows}, steps[] = {1, 1};
  OK(cuTensorMapEncodeTiled(&m.m, type, 2, (void*)p, dims, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE,
                            CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  return m;
}

static CUfunction hopper(const char* name) {
  SIM(goqatsim_set_capability)(90);
  CUmodule m;
  OK(cuModuleLoadData(&m, SIM(goqatsim_ptx)(90)));
  CUfunction f = nullptr;
  OK(cuModuleGetFunction(&f, m, name));
  OK(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 200 << 10));
  return f;
}

static void product(const char* name, int n, int m, int columns, int k) {
  CUfunction f = hopper(name);
  Random r;
  Array<uint8_t> a((size_t)(m * k)), b((size_t)(columns * k));
  for (auto& v : a.host) v = (uint8_t)r.next();
  for (auto& v : b.host) v = (uint8_t)r.next();
  a.to_device();
  b.to_device();
  Array<int> c((size_t)(m * columns));
  Map am = encode(CU_TENSOR_MAP_DATA_TYPE_UINT8, 1, a.p, (uint64_t)k, (uint64_t)m, 128, 64, CU_TENSOR_MAP_SWIZZLE_128B);
  Map bm = encode(CU_TENSOR_MAP_DATA_TYPE_UINT8, 1, b.p, (uint64_t)k, (uint64_t)columns, 128, (uint32_t)n, CU_TENSOR_MAP_SWIZZLE_128B);
  void* p[] = {&am, &bm, &c.p, &k, &columns};
  OK(cuLaunchKernel(f, (unsigned)((columns + n - 1) / n), (unsigned)(m / 64), 1, 128, 1, 1, (unsigned)(2 * (64 + n) * 128), nullptr, p, nullptr));
  OK(c.to_host());
  for (int i = 0; i < m; i++)
    for (int j = 0; j < columns; j++) {
      int want = 0;
      for (int q = 0; q < k; q++) {
        want += (int8_t)a[(size_t)(i * k + q)] * (int8_t)b[(size_t)(j * k + q)];
      }
      EQUAL(c[(size_t)(i * columns + j)], want);
    }
}

TEST(wgmma_int8) {
  product("h_product_64", 64, 64, 64, 128);
  product("h_product_64", 64, 128, 100, 400);  // Ends of rows and columns are 0.
  product("h_product_128", 128, 64, 128, 640);
  product("h_product_256", 256, 64, 300, 272);
}

static int specialized(int k, int fault) {
  CUfunction f = hopper("h_specialized");
  Random r;
  Array<uint16_t> a((size_t)(64 * k)), b((size_t)(64 * k));
  std::vector<float> x(a.host.size()), y(b.host.size());
  auto fill = [&](Array<uint16_t>& to, std::vector<float>& v) {
    for (size_t i = 0; i < v.size(); i++) {
      v[i] = (float)(int)(r.next() % 255) - 127;
      uint32_t u;
      memcpy(&u, &v[i], 4);
      to.host[i] = (uint16_t)(u >> 16);
    }
    to.to_device();
  };
  fill(a, x);
  fill(b, y);
  Array<float> c(64 * 64);
  Map am = encode(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, a.p, (uint64_t)k, 64, 64, 64, CU_TENSOR_MAP_SWIZZLE_128B);
  Map bm = encode(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, b.p, (uint64_t)k, 64, 64, 64, CU_TENSOR_MAP_SWIZZLE_128B);
  Map cm = encode(CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4, c.p, 64, 64, 32, 64, CU_TENSOR_MAP_SWIZZLE_NONE);
  void* p[] = {&am, &bm, &cm, &k, &fault};
  OK(cuLaunchKernel(f, 1, 1, 1, 256, 1, 1, 4 * 8192 + 16384, nullptr, p, nullptr));
  CUresult e = c.to_host();
  if (e) return (int)e;
  for (int i = 0; i < 64; i++)
    for (int j = 0; j < 64; j++) {
      float want = 0;
      for (int q = 0; q < k; q++) want += x[(size_t)(i * k + q)] * y[(size_t)(j * k + q)];
      if (c[(size_t)(i * 64 + j)] != want) return -1;
    }
  return 0;
}

TEST(wgmma_specialized) {
  for (int k : {64, 128, 192, 448}) EQUAL(specialized(k, 0), 0);
  // Bytes that never come.
  EQUAL(specialized(64, 1), CUDA_ERROR_LAUNCH_FAILED);
  CHECK(sim_message().find("barrier in shared memory") != std::string::npos);
  fresh();
  // Sums read before they are done.
  EQUAL(specialized(192, 2), CUDA_ERROR_LAUNCH_FAILED);
  fresh();
  // What threads wrote, stored by the copy engine without a fence.
  EQUAL(specialized(64, 3), CUDA_ERROR_LAUNCH_FAILED);
  CHECK(sim_message().find("tma_store reads what thread") != std::string::npos);
}

// simple runs a kernel of an array and a fault, and returns its code.
static int simple(const char* name, Array<int>& out, unsigned shared, int fault) {
  CUfunction f = hopper(name);
  void* p[] = {&out.p, &fault};
  OK(cuLaunchKernel(f, 1, 1, 1, 128, 1, 1, shared, nullptr, p, nullptr));
  return (int)out.to_host();
}

TEST(wgmma_fences) {
  {
    Array<int> c(64 * 64);
    EQUAL(simple("h_written", c, 8192, 0), CUDA_SUCCESS);
    for (int i = 0; i < 64; i++)
      for (int j = 0; j < 64; j++) EQUAL(c[(size_t)(i * 64 + j)], 32 * (i % 3) * (j % 3));
  }
  static const char* const words[] = {"wgmma reads what thread", "no wgmma_fence", "no wgmma_fence"};
  for (int fault = 1; fault <= 3; fault++) {
    fresh();
    Array<int> c(64 * 64);
    EQUAL(simple("h_written", c, 8192, fault), CUDA_ERROR_LAUNCH_FAILED);
    CHECK(sim_message().find(words[fault - 1]) != std::string::npos);
  }
}

TEST(lanes_beside_barriers) {
  Array<int> out(128);
  EQUAL(simple("h_lanes", out, 0, 0), CUDA_SUCCESS);
  for (int i = 0; i < 128; i++) EQUAL(out[(size_t)i], i / 2 * 2);
  EQUAL(simple("h_lanes", out, 0, 1), CUDA_ERROR_LAUNCH_FAILED);
  CHECK(sim_message().find("race on shared memory") != std::string::npos);
}

TEST(tensor_maps) {
  Array<uint8_t> a(4096);
  Map m;
  cuuint64_t dims[] = {64, 64}, strides[] = {64};
  cuuint32_t box[] = {64, 8}, steps[] = {1, 1};
  auto make = [&](CUtensorMapSwizzle s) {
    return cuTensorMapEncodeTiled(&m.m, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, (void*)a.p, dims, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, s,
                                  CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  };
  OK(make(CU_TENSOR_MAP_SWIZZLE_128B));
  OK(make(CU_TENSOR_MAP_SWIZZLE_64B));
  EQUAL(make(CU_TENSOR_MAP_SWIZZLE_32B), CUDA_ERROR_INVALID_VALUE);
  strides[0] = 60;
  EQUAL(make(CU_TENSOR_MAP_SWIZZLE_64B), CUDA_ERROR_INVALID_VALUE);
  strides[0] = 64;
  box[0] = 257;
  EQUAL(make(CU_TENSOR_MAP_SWIZZLE_NONE), CUDA_ERROR_INVALID_VALUE);
}
