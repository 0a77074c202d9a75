// What libcuda.a (open.c and trampolines) tells beside the CUDA driver API.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

enum goqat_driver_state {
  goqat_driver_ready = 0,       // the driver is open and has a device
  goqat_driver_no_library = 1,  // the library cannot be opened
  goqat_driver_no_cuda = 2,     // the library opened is not a CUDA driver
  goqat_driver_init_failed = 3, // its cuInit failed; goqat_driver_code has the code
  goqat_driver_no_device = 4,   // it has no device
};

// goqat_driver_status opens the driver, if that has not happened, and says how
// it went. It may be called from any thread.
int goqat_driver_status(void);

// goqat_driver_code returns what the driver's own cuInit returned.
int goqat_driver_code(void);

// goqat_driver_reason says in words why there is no device; "" when there is.
// The text is never freed.
const char* goqat_driver_reason(void);

// goqat_driver_library returns the name or path of the library opened, or
// tried.
const char* goqat_driver_library(void);

// goqat_driver_has returns 1 when the open driver has this function. Calling
// one it lacks returns CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER (36).
int goqat_driver_has(const char* name);

// goqat_driver_symbol finds a symbol of the open library that is no part of
// the archive, such as those of the simulator; NULL when there is none.
void* goqat_driver_symbol(const char* name);

#ifdef __cplusplus
}
#endif
