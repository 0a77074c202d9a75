// What the simulator must notice: each fault a GPU would answer with an error,
// or with a wrong number now and then.
#include "check.h"

// outcome runs a fault and returns its code.
static CUresult outcome(int kind, unsigned block = 64, int n = 64) {
  Array<int> p((size_t)n);
  CUresult r = launch("t_fault", 1, block, 0, kind, p.p, n);
  return r ? r : p.to_host();
}

static void expect(int kind, CUresult want, const char* words) {
  for (unsigned threads : {1u, 2u}) {
    fresh();
    SIM(goqatsim_set_threads)(threads);
    EQUAL(outcome(kind), want);
    if (sim_message().find(words) == std::string::npos) {
      printf("fault %d says: %s\n", kind, sim_message().c_str());
      failures++;
    }
  }
}

TEST(out_of_bounds) {
  expect(0, CUDA_ERROR_ILLEGAL_ADDRESS, "t_fault: block (0,0,0) thread (0,0,0): write of 4 bytes");
  expect(0, CUDA_ERROR_ILLEGAL_ADDRESS, "256 bytes past the start of an allocation of 256 bytes");
  expect(1, CUDA_ERROR_ILLEGAL_ADDRESS, "read of 4 bytes");
  expect(2, CUDA_ERROR_ILLEGAL_ADDRESS, "no device memory");
  expect(18, CUDA_ERROR_ILLEGAL_ADDRESS, "thread (63,0,0): read of 4 bytes");
}

TEST(misalignment) {
  expect(3, CUDA_ERROR_MISALIGNED_ADDRESS, "no multiple");
  expect(16, CUDA_ERROR_MISALIGNED_ADDRESS, "no multiple");
}

TEST(uninitialized_shared) {
  expect(4, CUDA_ERROR_LAUNCH_FAILED, "not written");
  expect(15, CUDA_ERROR_LAUNCH_FAILED, "not written");
}

TEST(races) {
  expect(11, CUDA_ERROR_LAUNCH_FAILED, "race");
  expect(12, CUDA_ERROR_LAUNCH_FAILED, "race");
  expect(14, CUDA_ERROR_LAUNCH_FAILED, "written");
  expect(17, CUDA_ERROR_LAUNCH_FAILED, "race");
  fresh();
  EQUAL(outcome(13), CUDA_SUCCESS);
  fresh();
  EQUAL(outcome(5), CUDA_ERROR_LAUNCH_FAILED);
}

TEST(global_races) {
  expect(20, CUDA_ERROR_LAUNCH_FAILED, "race on global memory");
  expect(21, CUDA_ERROR_LAUNCH_FAILED, "race on global memory");
  for (int kind : {22, 25}) {
    fresh();
    EQUAL(outcome(kind), CUDA_SUCCESS);
    EQUAL(outcome(kind), CUDA_SUCCESS);
  }
  // One thread a block; launches one after another may write the same, and read
  // what the one before wrote.
  for (int kind : {23, 24, 26, 27}) {
    fresh();
    SIM(goqatsim_set_threads)(1);
    Array<int> p(64);
    for (int i = 0; i < 2; i++) launch("t_fault", 8, 1, 0, kind, p.p, 64);
    EQUAL(cuCtxSynchronize(), kind % 3 == 0 ? CUDA_SUCCESS : CUDA_ERROR_LAUNCH_FAILED);
    if (kind == 26) CHECK(sim_message().find("of what block 0 writes in this launch") != std::string::npos);
  }
}

TEST(shared_bounds) { expect(6, CUDA_ERROR_ILLEGAL_ADDRESS, "outside of shared memory"); }

TEST(divergence) {
  expect(7, CUDA_ERROR_LAUNCH_FAILED, "barrier");
  expect(8, CUDA_ERROR_LAUNCH_FAILED, "different barriers");
  expect(9, CUDA_ERROR_LAUNCH_FAILED, "ended");
  expect(10, CUDA_ERROR_LAUNCH_FAILED, "deadlock");
  expect(19, CUDA_ERROR_LAUNCH_FAILED, "ended");
  // A block that is no multiple of a warp: the lanes that are not there take
  // no part, and their values are not to be had.
  fresh();
  EQUAL(outcome(18, 40), CUDA_SUCCESS);
  fresh();
  EQUAL(outcome(18, 3), CUDA_ERROR_LAUNCH_FAILED);
}

TEST(freed_memory) {
  Array<int> p(64);
  OK(cuMemFree(p.p));
  EQUAL(launch("t_fault", 1, 64, 0, 13, p.p, 64), CUDA_SUCCESS);
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST(forbidden_memory) {
  Array<int> p(128);
  SIM(goqatsim_forbid)(p.p + 64 * 4, 4);
  OK(launch("t_fault", 1, 64, 0, 13, p.p, 64));
  OK(cuCtxSynchronize());
  SIM(goqatsim_forbid)(p.p + 63 * 4, 1);
  OK(launch("t_fault", 1, 64, 0, 13, p.p, 64));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CHECK(sim_message().find("forbidden") != std::string::npos);
  fresh();
  Array<int> q(128);
  SIM(goqatsim_forbid)(q.p, 512);
  SIM(goqatsim_allow)(q.p, 256);
  OK(launch("t_fault", 1, 64, 0, 13, q.p, 64));
  OK(cuCtxSynchronize());
}

// After a fault every call says so, and nothing runs any more.
TEST(sticky) {
  Array<int> p(64), q(64);
  OK(launch("t_fault", 1, 64, 0, 0, p.p, 64));
  OK(launch("t_add", 1, 32, 0, q.p, 5));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr d;
  EQUAL(cuMemAlloc(&d, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  EQUAL(q.to_host(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUcontext c;
  EQUAL(cuDevicePrimaryCtxRetain(&c, 0), CUDA_ERROR_ILLEGAL_ADDRESS);
  goqatsim_kernel k;
  EQUAL(SIM(goqatsim_kernel_count)("t_add", &k), 0);
  const char* text;
  OK(cuGetErrorString(CUDA_ERROR_ILLEGAL_ADDRESS, &text));
  CHECK(strstr(text, "illegal"));
}

TEST(shared_limits) {
  Array<int> out(64);
  int most = 0;
  OK(cuDeviceGetAttribute(&most, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 0));
  EQUAL(most, 163 << 10);
  EQUAL(launch("t_large", 1, 64, 52 << 10, out.p), CUDA_ERROR_INVALID_VALUE);
  OK(cuFuncSetAttribute(kernel("t_large"), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 52 << 10));
  OK(launch("t_large", 1, 64, 52 << 10, out.p));
  OK(out.to_host());
  for (int i = 0; i < 64; i++) EQUAL(out[(size_t)i], i + 2);
  EQUAL(cuFuncSetAttribute(kernel("t_large"), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, most + 1), CUDA_ERROR_INVALID_VALUE);
  SIM(goqatsim_set_capability)(90);
  OK(cuFuncSetAttribute(kernel("t_large"), CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 227 << 10));
  OK(launch("t_large", 1, 64, 227 << 10, out.p));
  // Too little is noticed, too.
  OK(launch("t_large", 1, 64, 50 << 10, out.p));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

TEST(launch_limits) {
  Array<int> out(64);
  void* p[] = {&out.p};
  EQUAL(cuLaunchKernel(kernel("t_index"), 1, 70000, 1, 32, 1, 1, 0, nullptr, p, nullptr), CUDA_ERROR_INVALID_VALUE);
  EQUAL(cuLaunchKernel(kernel("t_index"), 0, 1, 1, 32, 1, 1, 0, nullptr, p, nullptr), CUDA_ERROR_INVALID_VALUE);
  EQUAL(cuLaunchKernel(kernel("t_index"), 1, 1, 1, 1025, 1, 1, 0, nullptr, p, nullptr), CUDA_ERROR_INVALID_VALUE);
  EQUAL(cuLaunchKernel(kernel("t_index"), 1, 1, 1, 1, 1, 65, 0, nullptr, p, nullptr), CUDA_ERROR_INVALID_VALUE);
}

// Planned faults: the n-th call, at once or when it runs, sticky or not.
TEST(planned) {
  auto fail = SIM(goqatsim_fail_at);
  fail("cuMemAlloc", 3, CUDA_ERROR_OUT_OF_MEMORY, 0);
  CUdeviceptr p[4];
  OK(cuMemAlloc(&p[0], 16));
  OK(cuMemAlloc(&p[1], 16));
  EQUAL(cuMemAlloc(&p[2], 16), CUDA_ERROR_OUT_OF_MEMORY);
  OK(cuMemAlloc(&p[3], 16));
  EQUAL(SIM(goqatsim_calls)("cuMemAlloc_v2"), 4u);

  Array<int> q(1);
  fail("cuLaunchKernel", 1, CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, 0);
  EQUAL(launch("t_add", 1, 32, 0, q.p, 5), CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
  OK(launch("t_add", 1, 32, 0, q.p, 5));
  OK(q.to_host());
  EQUAL(q[0], 5);

  fail("kernel:t_add", 2, CUDA_ERROR_ILLEGAL_ADDRESS, 1);
  OK(launch("t_add", 1, 32, 0, q.p, 1));
  OK(launch("t_add", 1, 32, 0, q.p, 1));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);

  fresh();
  Array<int> s(1);
  fail("cuMemcpyHtoD", 1, CUDA_ERROR_LAUNCH_FAILED, 1);
  EQUAL(cuMemcpyHtoD(s.p, s.host.data(), 4), CUDA_ERROR_LAUNCH_FAILED);
  EQUAL(s.to_host(), CUDA_ERROR_LAUNCH_FAILED);

  fresh();
  fail("cuMemAlloc", 1, 2, 0);
  SIM(goqatsim_fail_clear)();
  OK(cuMemAlloc(&p[0], 16));
}

TEST(planned_by_environment) {
  setenv("GOQAT_SIM_FAIL", "cuMemAlloc:2:2,kernel:2:719", 1);
  fresh();
  unsetenv("GOQAT_SIM_FAIL");
  CUdeviceptr p;
  OK(cuMemAlloc(&p, 16));
  CUdeviceptr none;
  EQUAL(cuMemAlloc(&none, 16), CUDA_ERROR_OUT_OF_MEMORY);
  OK(cuMemsetD32(p, 0, 4));
  OK(launch("t_add", 1, 32, 0, p, 1));
  OK(launch("t_add", 1, 32, 0, p, 1));
  EQUAL(cuCtxSynchronize(), CUDA_ERROR_LAUNCH_FAILED);
}
