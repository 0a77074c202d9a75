// What of NCCL is used, declared here so that building needs no headers of it.
#ifndef GOQAT_NCCL_H
#define GOQAT_NCCL_H

#include <cuda.h>
#include <stddef.h>
#include <stdint.h>

// Values of nccl.h, which TestHeader compares.
enum {
  GOQAT_NCCL_SUCCESS = 0,
  GOQAT_NCCL_UNHANDLED_CUDA = 1,
  GOQAT_NCCL_SYSTEM = 2,
  GOQAT_NCCL_INTERNAL = 3,
  GOQAT_NCCL_INVALID_ARGUMENT = 4,
  GOQAT_NCCL_INVALID_USAGE = 5,
  GOQAT_NCCL_REMOTE = 6,
  GOQAT_NCCL_IN_PROGRESS = 7,
};
enum { GOQAT_NCCL_F32 = 7, GOQAT_NCCL_F64 = 8 };
enum { GOQAT_NCCL_MAX = 2, GOQAT_NCCL_MIN = 3, GOQAT_NCCL_AVG = 4 };

typedef void *goqat_nccl_comm;

// goqat_nccl_open opens a library; the result is NULL or what is wrong. It is
// called once.
const char *goqat_nccl_open(const char *path);
int goqat_nccl_version(int *v);
const char *goqat_nccl_text(int result);
const char *goqat_nccl_last(void);
int goqat_nccl_init(goqat_nccl_comm *comms, int n, const int *devices);
int goqat_nccl_async(goqat_nccl_comm c, int *result);

// Of one rank.
typedef struct {
  goqat_nccl_comm comm;
  CUstream stream;  // of the collective operations
  CUevent ready;    // they may begin
  CUevent done;
  int gone;         // aborted or destroyed
  int result;       // of the first call that failed
  int async;        // of goqat_nccl_async
} goqat_nccl_rank;

typedef struct {
  uint64_t p;
  size_t count;
  int type, op;
} goqat_nccl_tensor;

// One operation on all its tensors.
typedef struct {
  goqat_nccl_rank *rank;
  int overlap;
  int n;
  goqat_nccl_tensor list[];
} goqat_nccl_reduce;

CUresult goqat_nccl_events(goqat_nccl_rank *r);
CUresult goqat_nccl_close_events(goqat_nccl_rank *r);
// goqat_nccl_leave ends the rank's operations that come; 0 if they had ended
// before. goqat_nccl_destroy and goqat_nccl_abort may then be called once. Both
// return when no graph has operations of the communicators any more.
int goqat_nccl_leave(goqat_nccl_rank *r);
int goqat_nccl_destroy(goqat_nccl_rank *r);
int goqat_nccl_abort(goqat_nccl_rank *r);

// Functions for command lists: the operation, behind what the stream has
// before it and, without overlap, before what comes; and the wait for all
// before it.
void *goqat_nccl_reduce_call(void);
void *goqat_nccl_wait_call(void);

#endif
