#include "check.h"

int failures = 0;
static CUmodule module;

std::vector<Test>& tests() {
  static std::vector<Test> t;
  return t;
}

void fresh() {
  SIM(goqatsim_reset)();
  CUcontext c;
  OK(cuInit(0));
  OK(cuDevicePrimaryCtxRetain(&c, 0));
  OK(cuCtxSetCurrent(c));
  OK(cuModuleLoadData(&module, SIM(goqatsim_ptx)(80)));
}

CUfunction kernel(const char* name) {
  CUfunction f = nullptr;
  OK(cuModuleGetFunction(&f, module, name));
  return f;
}

CUresult launch_raw(const char* name, unsigned grid, unsigned block, unsigned shared, void** parameters, CUstream s) {
  return cuLaunchKernel(kernel(name), grid, 1, 1, block, 1, 1, shared, s, parameters, nullptr);
}

// Runs all tests, or those whose names contain an argument.
int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (goqat_driver_status() != goqat_driver_ready) {
    printf("%s\n", goqat_driver_reason());
    return 1;
  }
  int ran = 0;
  for (Test& t : tests()) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; i++) wanted |= strstr(t.name, argv[i]) != nullptr;
    if (!wanted) continue;
    int before = failures;
    if (getenv("VERBOSE")) printf("%s\n", t.name);
    fresh();
    t.run();
    ran++;
    if (failures > before) printf("FAILED %s\n", t.name);
  }
  printf("%d tests, %d failures\n", ran, failures);
  return failures > 0;
}
