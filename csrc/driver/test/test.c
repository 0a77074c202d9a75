// What libcuda.a does with the driver that GOQAT_CUDA_DRIVER names: the first
// argument says what to expect.
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

extern int cuInit(unsigned), cuDeviceGetCount(int *), cuDriverGetVersion(int *), cuGetErrorString(int, const char **), cuGraphLaunch(void *, void *);
extern int cuTexRefSetMipmapLevelBias(void *, float), cuMemAlloc_v2(void *, unsigned long);
extern int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);

static int failures;
#define EQUAL(a, b)                                                                \
  do {                                                                             \
    long x_ = (long)(a), y_ = (long)(b);                                           \
    if (x_ != y_) printf("line %d: %s is %ld, not %ld\n", __LINE__, #a, x_, y_), failures++; \
  } while (0)
#define HAS(text, part) \
  if (!strstr(text, part)) printf("line %d: \"%s\" lacks \"%s\"\n", __LINE__, text, part), failures++

static void *first_call(void *unused) {
  (void)unused;
  int n = -1;
  return (void *)(long)(cuDeviceGetCount(&n) * 100 + n);
}

int main(int argc, char **argv) {
  const char *kind = argc > 1 ? argv[1] : "";
  int works = !strcmp(kind, "works");
  // The first call may be any, with any arguments, on several threads at once.
  if (works) EQUAL(cuLaunchKernel((void *)1, 1, 1, 1, 1, 1, 1, 1, (void *)1, (void **)1, (void **)1), 66);
  pthread_t t[8];
  for (int i = 0; i < 8; i++) pthread_create(&t[i], NULL, first_call, NULL);
  for (int i = 0; i < 8; i++) {
    void *r;
    pthread_join(t[i], &r);
    EQUAL(r, works ? 3 : 0);
  }
  int n = -1;
  EQUAL(cuInit(0), 0);
  EQUAL(cuDeviceGetCount(&n), 0);
  EQUAL(n, works ? 3 : 0);
  const char *text = NULL;
  EQUAL(cuDriverGetVersion(&n), 0);
  if (works) {
    EQUAL(goqat_driver_status(), goqat_driver_ready);
    EQUAL(strlen(goqat_driver_reason()), 0);
    EQUAL(n, 11000);
    EQUAL(cuTexRefSetMipmapLevelBias((void *)5, 2.5f), 42);
    EQUAL(cuGraphLaunch(NULL, NULL), 36);
    EQUAL(goqat_driver_has("cuGraphLaunch"), 0);
    EQUAL(goqat_driver_has("cuLaunchKernel"), 1);
    EQUAL(goqat_driver_symbol("own_symbol") != NULL, 1);
    EQUAL(goqat_driver_symbol("no_symbol") != NULL, 0);
    return failures > 0;
  }
  EQUAL(cuMemAlloc_v2(NULL, 4), 100);
  EQUAL(cuGraphLaunch(NULL, NULL), 100);
  EQUAL(goqat_driver_has("cuLaunchKernel"), 0);
  if (!strcmp(kind, "absent")) {
    EQUAL(goqat_driver_status(), goqat_driver_no_library);
    HAS(goqat_driver_reason(), "no CUDA driver: ");
    EQUAL(n, 0);
    EQUAL(cuGetErrorString(100, &text), 0);
    HAS(text, "no CUDA-capable device");
    EQUAL(cuGetErrorString(12345, &text), 1);
  } else if (!strcmp(kind, "other")) {
    EQUAL(goqat_driver_status(), goqat_driver_no_cuda);
    HAS(goqat_driver_reason(), "is not a CUDA driver");
  } else if (!strcmp(kind, "broken")) {
    EQUAL(goqat_driver_status(), goqat_driver_init_failed);
    EQUAL(goqat_driver_code(), 999);
    HAS(goqat_driver_reason(), "error 999, unknown error");
    EQUAL(n, 11000);
  } else if (!strcmp(kind, "empty") || !strcmp(kind, "none")) {
    EQUAL(goqat_driver_status(), goqat_driver_no_device);
    EQUAL(goqat_driver_code(), !strcmp(kind, "none") ? 100 : 0);
    HAS(goqat_driver_reason(), !strcmp(kind, "none") ? "error 100" : "has no device");
  } else {
    printf("unknown kind %s\n", kind);
    return 1;
  }
  return failures > 0;
}
