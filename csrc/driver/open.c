// Opens the CUDA driver on the first call of any of its functions. Without a
// driver cuInit succeeds and there are no devices, so that a program that
// imports gorgonia.org/cu, whose init ends the process when cuInit fails,
// starts everywhere.
#include "driver.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Made by trampolines.sh of symbols.txt.
extern const int goqat_cu_count;
extern const char* const goqat_cu_names[];
extern void* goqat_cu_table[];

enum { newer_driver = 36, no_device = 100 };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int status, code;
static char reason[512];
static char library[256] = "libcuda.so.1";
static void* handle;

// What stands for a function in the absence of one. CUDA passes integers and
// pointers; on all platforms a function may get more than it reads.
static int missing_here(void) { return newer_driver; }
static int no_driver(void) { return no_device; }
static int succeed(void) { return 0; }
static int count_zero(int* n) {
  if (n) *n = 0;
  return 0;
}

static const struct {
  int code;
  const char *name, *text;
} errors[] = {
    {0, "CUDA_SUCCESS", "no error"},
    {newer_driver, "CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", "the function requires a newer driver"},
    {no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
};

static int error_string(int c, const char** text) {
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].code == c) return *text = errors[i].text, 0;
  *text = NULL;
  return 1;
}

static int error_name(int c, const char** text) {
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
    if (errors[i].code == c) return *text = errors[i].name, 0;
  *text = NULL;
  return 1;
}

static int version_zero(int* v) { return count_zero(v); }

static void set(const char* name, void* f) {
  for (int i = 0; i < goqat_cu_count; i++)
    if (!strcmp(goqat_cu_names[i], name)) goqat_cu_table[i] = f;
}

// without makes the functions those of a driver with no devices. What the
// library has for errors and its version stays.
static void without(void) {
  for (int i = 0; i < goqat_cu_count; i++) {
    const char* n = goqat_cu_names[i];
    if (handle && (!strcmp(n, "cuGetErrorString") || !strcmp(n, "cuGetErrorName") || !strcmp(n, "cuDriverGetVersion"))) continue;
    goqat_cu_table[i] = (void*)no_driver;
  }
  set("cuInit", (void*)succeed);
  set("cuDeviceGetCount", (void*)count_zero);
  if (handle) return;
  set("cuGetErrorString", (void*)error_string);
  set("cuGetErrorName", (void*)error_name);
  set("cuDriverGetVersion", (void*)version_zero);
}

static void open_driver(void) {
  const char* named = getenv("GOQAT_CUDA_DRIVER");
  if (named && *named) snprintf(library, sizeof library, "%s", named);
  handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* why = dlerror();
    status = goqat_driver_no_library;
    snprintf(reason, sizeof reason, "no CUDA driver: %s", why ? why : library);
    without();
    return;
  }
  for (int i = 0; i < goqat_cu_count; i++) {
    void* f = dlsym(handle, goqat_cu_names[i]);
    goqat_cu_table[i] = f ? f : (void*)missing_here;
  }
  int (*init)(unsigned) = (int (*)(unsigned))dlsym(handle, "cuInit");
  int (*count)(int*) = (int (*)(int*))dlsym(handle, "cuDeviceGetCount");
  if (!init || !count) {
    status = goqat_driver_no_cuda;
    snprintf(reason, sizeof reason, "%s is not a CUDA driver", library);
    dlclose(handle);
    handle = NULL;
    without();
    return;
  }
  code = init(0);
  if (code) {
    int (*string)(int, const char**) = (int (*)(int, const char**))dlsym(handle, "cuGetErrorString");
    const char* text = NULL;
    if (string) string(code, &text);
    status = code == no_device ? goqat_driver_no_device : goqat_driver_init_failed;
    snprintf(reason, sizeof reason, "the CUDA driver %s does not start: error %d%s%s", library, code, text ? ", " : "", text ? text : "");
    without();
    return;
  }
  int n = 0;
  code = count(&n);
  if (code || n == 0) {
    status = goqat_driver_no_device;
    snprintf(reason, sizeof reason, "the CUDA driver %s has no device", library);
    without();
  }
}

// Called by the trampolines, with all argument registers saved.
__attribute__((visibility("hidden"))) void goqat_cu_open(void) { pthread_once(&once, open_driver); }

int goqat_driver_status(void) { return goqat_cu_open(), status; }
int goqat_driver_code(void) { return goqat_cu_open(), code; }
const char* goqat_driver_reason(void) { return goqat_cu_open(), reason; }
const char* goqat_driver_library(void) { return goqat_cu_open(), library; }

int goqat_driver_has(const char* name) {
  goqat_cu_open();
  return handle && status == goqat_driver_ready && dlsym(handle, name) != NULL;
}

void* goqat_driver_symbol(const char* name) {
  goqat_cu_open();
  return handle ? dlsym(handle, name) : NULL;
}
