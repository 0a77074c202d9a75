//go:build cuda

#include "cublaslt.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int goqat_lt_open(goqat_lt *lt, const char *name, char *why, size_t n) {
  memset(lt, 0, sizeof *lt);
  why[0] = 0;
  void *l = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!l) {
    const char *e = dlerror();
    snprintf(why, n, "%s", e ? e : name);
    return 1;
  }
  const char *missing = NULL;
#define FIND(f)                                               \
  do {                                                        \
    *(void **)&lt->f = dlsym(l, "cublasLt" #f);               \
    if (!lt->f && !missing) missing = "cublasLt" #f;          \
  } while (0)
  FIND(GetProperty);
  FIND(Create);
  FIND(Destroy);
  FIND(MatmulDescCreate);
  FIND(MatmulDescDestroy);
  FIND(MatmulDescSetAttribute);
  FIND(MatrixLayoutCreate);
  FIND(MatrixLayoutDestroy);
  FIND(MatrixLayoutSetAttribute);
  FIND(MatmulPreferenceCreate);
  FIND(MatmulPreferenceDestroy);
  FIND(MatmulPreferenceSetAttribute);
  FIND(MatmulAlgoGetHeuristic);
  FIND(Matmul);
#undef FIND
  if (missing) {
    snprintf(why, n, "%s has no function %s", name, missing);
    dlclose(l);
    return 2;
  }
  *(void **)&lt->GetStatusString = dlsym(l, "cublasLtGetStatusString");
  lt->library = l;
  return 0;
}

static int layout(const goqat_lt *lt, void **l, int type, int order, int64_t rows, int64_t cols, int64_t ld) {
  int s = lt->MatrixLayoutCreate(l, type, (uint64_t)rows, (uint64_t)cols, ld);
  if (s == GOQAT_LT_SUCCESS && order != GOQAT_LT_ORDER_COL) {
    int32_t o = order;
    s = lt->MatrixLayoutSetAttribute(*l, GOQAT_LT_LAYOUT_ORDER, &o, sizeof o);
  }
  return s;
}

static int64_t up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }

int goqat_lt_prepare(goqat_lt_plan *p, const goqat_lt *lt, void *handle, const goqat_lt_problem *q) {
  memset(p, 0, sizeof *p);
  p->lt = lt;
  p->handle = handle;
  p->order = q->order;
  p->result_is = q->result;
  int codes = q->result != GOQAT_LT_SUMS, type = codes ? GOQAT_LT_R_8I : GOQAT_LT_R_32I;
  int s = lt->MatmulDescCreate(&p->desc, GOQAT_LT_COMPUTE_32I, codes ? GOQAT_LT_R_32F : GOQAT_LT_R_32I);
  if (s == GOQAT_LT_SUCCESS && codes) {
    // Multipliers stay on the device. The modes are those that the orders have.
    int32_t mode = q->result == GOQAT_LT_CODES_EACH ? GOQAT_LT_POINTER_ALPHA_VECTOR : GOQAT_LT_POINTER_DEVICE;
    s = lt->MatmulDescSetAttribute(p->desc, GOQAT_LT_DESC_POINTER_MODE, &mode, sizeof mode);
  }
  if (s != GOQAT_LT_SUCCESS) return s;
  int32_t transpose = GOQAT_LT_OP_T;
  if (q->order == GOQAT_LT_ORDER_COL) {
    // The library counts along columns: what lies row by row is transposed to
    // it. So d^T = b a^T, "TN": its left operand is b and its right one a.
    s = lt->MatmulDescSetAttribute(p->desc, GOQAT_LT_DESC_TRANSA, &transpose, sizeof transpose);
    if (s == GOQAT_LT_SUCCESS) s = layout(lt, &p->left, GOQAT_LT_R_8I, q->order, q->k, q->n, q->k);
    if (s == GOQAT_LT_SUCCESS) s = layout(lt, &p->right, GOQAT_LT_R_8I, q->order, q->k, q->m, q->k);
    if (s == GOQAT_LT_SUCCESS) s = layout(lt, &p->result, type, q->order, q->n, q->m, q->n);
    return s;
  }
  s = lt->MatmulDescSetAttribute(p->desc, GOQAT_LT_DESC_TRANSB, &transpose, sizeof transpose);
  int rows = q->order == GOQAT_LT_ORDER_COL32_2R_4R4 ? 32 : 8;
  if (s == GOQAT_LT_SUCCESS) s = layout(lt, &p->left, GOQAT_LT_R_8I, GOQAT_LT_ORDER_COL32, q->m, q->k, 32 * q->m);
  if (s == GOQAT_LT_SUCCESS) s = layout(lt, &p->right, GOQAT_LT_R_8I, q->order, q->n, q->k, 32 * up(q->n, rows));
  if (s == GOQAT_LT_SUCCESS) s = layout(lt, &p->result, type, GOQAT_LT_ORDER_COL32, q->m, q->n, 32 * q->m);
  return s;
}

void goqat_lt_discard(goqat_lt_plan *p) {
  if (p->left) p->lt->MatrixLayoutDestroy(p->left);
  if (p->right) p->lt->MatrixLayoutDestroy(p->right);
  if (p->result) p->lt->MatrixLayoutDestroy(p->result);
  if (p->desc) p->lt->MatmulDescDestroy(p->desc);
  p->left = p->right = p->result = p->desc = NULL;
}

int goqat_lt_heuristics(const goqat_lt_plan *p, size_t workspace, int wanted, goqat_lt_result *r, int *got) {
  void *preference = NULL;
  *got = 0;
  int s = p->lt->MatmulPreferenceCreate(&preference);
  if (s != GOQAT_LT_SUCCESS) return s;
  uint64_t bytes = workspace;
  s = p->lt->MatmulPreferenceSetAttribute(preference, GOQAT_LT_PREF_WORKSPACE, &bytes, sizeof bytes);
  // The runtime's memory is aligned to 256, but operands may lie inside of it.
  uint32_t align = 16;
  for (int a = GOQAT_LT_PREF_ALIGN_A; a <= GOQAT_LT_PREF_ALIGN_D && s == GOQAT_LT_SUCCESS; a++)
    s = p->lt->MatmulPreferenceSetAttribute(preference, a, &align, sizeof align);
  if (s == GOQAT_LT_SUCCESS)
    s = p->lt->MatmulAlgoGetHeuristic(p->handle, p->desc, p->left, p->right, p->result, p->result, preference, wanted, r, got);
  p->lt->MatmulPreferenceDestroy(preference);
  return s;
}

// Of the driver, in the archive that packages cuda and cu link.
extern int cuStreamQuery(void *stream);

// failed tells whether the device is lost, which a status of the library for
// anything that it could not start does not: the driver's own fault then, else
// one after which the device can be used. In a capture it is that of the query.
static int failed(void *stream) {
  enum { not_ready = 600, out_of_resources = 701 };
  int r = cuStreamQuery(stream);
  return r == 0 || r == not_ready ? out_of_resources : r;
}

int goqat_lt_matmul(void *stream, void *data) {
  const goqat_lt_plan *p = data;
  int32_t one = 1, zero = 0;  // The latter is 0.0f, too.
  const void *alpha = &one, *beta = &zero;
  if (p->result_is != GOQAT_LT_SUMS) alpha = (const void *)p->alpha;
  if (p->result_is == GOQAT_LT_CODES) beta = (const void *)(p->alpha + sizeof(float));
  uint64_t left = p->a, right = p->b;
  if (p->order == GOQAT_LT_ORDER_COL) left = p->b, right = p->a;
  int s = p->lt->Matmul(p->handle, p->desc, alpha, (const void *)left, p->left, (const void *)right, p->right, beta, (const void *)p->d, p->result,
                        (void *)p->d, p->result, &p->algo, (void *)p->workspace, p->bytes, stream);
  switch (s) {
    case GOQAT_LT_SUCCESS: return 0;
    case GOQAT_LT_ALLOC_FAILED: return 2;        // CUDA_ERROR_OUT_OF_MEMORY
    case GOQAT_LT_NOT_INITIALIZED: return 3;     // CUDA_ERROR_NOT_INITIALIZED
    case GOQAT_LT_EXECUTION_FAILED: return failed(stream);
    case GOQAT_LT_ARCH_MISMATCH:
    case GOQAT_LT_NOT_SUPPORTED: return 801;  // CUDA_ERROR_NOT_SUPPORTED
  }
  return 1;  // CUDA_ERROR_INVALID_VALUE
}
