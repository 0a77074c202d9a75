// The part of cuBLASLt's interface that goqat uses, declared here as no header
// of NVIDIA's is needed to build; headers_test.go compares it with the real one.
#ifndef GOQAT_CUBLASLT_H
#define GOQAT_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

enum {
  GOQAT_LT_SUCCESS = 0,
  GOQAT_LT_NOT_INITIALIZED = 1,
  GOQAT_LT_ALLOC_FAILED = 3,
  GOQAT_LT_INVALID_VALUE = 7,
  GOQAT_LT_ARCH_MISMATCH = 8,
  GOQAT_LT_EXECUTION_FAILED = 13,
  GOQAT_LT_INTERNAL_ERROR = 14,
  GOQAT_LT_NOT_SUPPORTED = 15,
};
enum { GOQAT_LT_R_32F = 0, GOQAT_LT_R_8I = 3, GOQAT_LT_R_32I = 10 };
enum { GOQAT_LT_COMPUTE_32I = 72 };
enum { GOQAT_LT_OP_N = 0, GOQAT_LT_OP_T = 1 };
enum { GOQAT_LT_ORDER_COL = 0, GOQAT_LT_ORDER_COL32 = 2, GOQAT_LT_ORDER_COL4_4R2_8C = 3, GOQAT_LT_ORDER_COL32_2R_4R4 = 4 };
enum { GOQAT_LT_LAYOUT_ORDER = 1, GOQAT_LT_LAYOUT_ROWS = 2, GOQAT_LT_LAYOUT_COLS = 3, GOQAT_LT_LAYOUT_LD = 4 };
enum { GOQAT_LT_DESC_POINTER_MODE = 2, GOQAT_LT_DESC_TRANSA = 3, GOQAT_LT_DESC_TRANSB = 4 };
enum { GOQAT_LT_POINTER_DEVICE = 1, GOQAT_LT_POINTER_ALPHA_VECTOR = 4 };  // the latter's beta is on the host
enum { GOQAT_LT_PREF_WORKSPACE = 1, GOQAT_LT_PREF_ALIGN_A = 5, GOQAT_LT_PREF_ALIGN_B = 6, GOQAT_LT_PREF_ALIGN_C = 7, GOQAT_LT_PREF_ALIGN_D = 8 };
enum { GOQAT_LT_MAJOR = 0, GOQAT_LT_MINOR = 1, GOQAT_LT_PATCH = 2 };

// An algorithm is plain bytes, good for one version of the library.
typedef struct {
  uint64_t data[8];
} goqat_lt_algo;

typedef struct {
  goqat_lt_algo algo;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
} goqat_lt_result;

// The library: its functions, by the names they have behind "cublasLt".
// Objects are pointers to what only the library knows.
typedef struct {
  void *library;
  const char *(*GetStatusString)(int);  // null in old versions
  int (*GetProperty)(int, int *);
  int (*Create)(void **);
  int (*Destroy)(void *);
  int (*MatmulDescCreate)(void **, int compute, int scale);
  int (*MatmulDescDestroy)(void *);
  int (*MatmulDescSetAttribute)(void *, int, const void *, size_t);
  int (*MatrixLayoutCreate)(void **, int type, uint64_t rows, uint64_t cols, int64_t ld);
  int (*MatrixLayoutDestroy)(void *);
  int (*MatrixLayoutSetAttribute)(void *, int, const void *, size_t);
  int (*MatmulPreferenceCreate)(void **);
  int (*MatmulPreferenceDestroy)(void *);
  int (*MatmulPreferenceSetAttribute)(void *, int, const void *, size_t);
  int (*MatmulAlgoGetHeuristic)(void *, void *desc, void *a, void *b, void *c, void *d, void *preference, int wanted, goqat_lt_result *, int *got);
  int (*Matmul)(void *, void *desc, const void *alpha, const void *a, void *la, const void *b, void *lb, const void *beta, const void *c, void *lc,
                void *d, void *ld, const goqat_lt_algo *, void *workspace, size_t bytes, void *stream);
} goqat_lt;

// goqat_lt_open opens a library: 0; 1 there is none; 2 it lacks functions. why
// says it in words.
int goqat_lt_open(goqat_lt *lt, const char *name, char *why, size_t n);

// What a product leaves: its int32 sums, or int8 codes, which are the sums times
// one float32, or times one for each of n.
enum { GOQAT_LT_SUMS = 0, GOQAT_LT_CODES = 1, GOQAT_LT_CODES_EACH = 2 };

// The products: d = a b^T of int8, where a is
// m x k, b is n x k and d is m x n. In the order of rows all lie row by row, with
// lengths of rows that are multiples of 4; m is free, n and k are multiples of 4.
// In the orders of 32 columns a and d are COL32, b is COL4_4R2_8C or COL32_2R_4R4,
// and n and k are multiples of 32; they have no CODES_EACH.
typedef struct {
  int order;   // of b: COL, COL4_4R2_8C or COL32_2R_4R4
  int result;  // GOQAT_LT_SUMS and so on
  int64_t m, n, k;
} goqat_lt_problem;

// A product made ready, which goqat_lt_matmul puts into a stream.
typedef struct {
  const goqat_lt *lt;
  void *handle, *desc, *left, *right, *result;
  goqat_lt_algo algo;
  uint64_t a, b, d, workspace;  // device addresses
  uint64_t alpha;               // of the multipliers, with a zero behind them
  size_t bytes;                 // of the workspace
  int order, result_is;
} goqat_lt_plan;

// goqat_lt_prepare makes the descriptors of a plan; its status is the
// library's. goqat_lt_discard releases them, also after a fault.
int goqat_lt_prepare(goqat_lt_plan *p, const goqat_lt *lt, void *handle, const goqat_lt_problem *q);
void goqat_lt_discard(goqat_lt_plan *p);
// goqat_lt_heuristics asks for algorithms with at most that much workspace.
int goqat_lt_heuristics(const goqat_lt_plan *p, size_t workspace, int wanted, goqat_lt_result *r, int *got);
// goqat_lt_matmul is a goqat_call (cuda/runtime.h): data is a plan. It returns
// a CUresult.
int goqat_lt_matmul(void *stream, void *plan);

#endif
