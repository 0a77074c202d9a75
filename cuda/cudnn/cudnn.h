// The part of cuDNN's interface that goqat uses, declared here as no header of
// NVIDIA's is needed to build; headers_test.go compares it with the real one.
#ifndef GOQAT_CUDNN_H
#define GOQAT_CUDNN_H

#include <stddef.h>
#include <stdint.h>

enum { GOQAT_DNN_SUCCESS = 0, GOQAT_DNN_BAD_PARAM = 2000, GOQAT_DNN_NOT_SUPPORTED = 3000, GOQAT_DNN_EXECUTION_FAILED = 5000 };
enum { GOQAT_DNN_FLOAT = 0, GOQAT_DNN_INT8 = 3, GOQAT_DNN_INT32 = 4 };
enum { GOQAT_DNN_NHWC = 1, GOQAT_DNN_CROSS_CORRELATION = 1, GOQAT_DNN_TENSOR_OP_MATH = 1 };
enum { GOQAT_DNN_ALGORITHMS = 8 };

// The library: its functions, by the names they have behind "cudnn". Objects
// are pointers to what only the library knows.
typedef struct {
  void *library;
  size_t (*GetVersion)(void);
  const char *(*GetErrorString)(int);
  int (*Create)(void **);
  int (*Destroy)(void *);
  int (*SetStream)(void *, void *stream);
  int (*CreateTensorDescriptor)(void **);
  int (*DestroyTensorDescriptor)(void *);
  int (*SetTensor4dDescriptor)(void *, int format, int type, int n, int c, int h, int w);
  int (*CreateFilterDescriptor)(void **);
  int (*DestroyFilterDescriptor)(void *);
  int (*SetFilter4dDescriptor)(void *, int type, int format, int k, int c, int h, int w);
  int (*CreateConvolutionDescriptor)(void **);
  int (*DestroyConvolutionDescriptor)(void *);
  int (*SetConvolution2dDescriptor)(void *, int pad_h, int pad_w, int sh, int sw, int dh, int dw, int mode, int type);
  int (*SetConvolutionMathType)(void *, int);
  int (*GetConvolutionForwardWorkspaceSize)(void *, void *x, void *w, void *conv, void *y, int algorithm, size_t *bytes);
  int (*ConvolutionForward)(void *, const void *alpha, void *lx, const void *x, void *lw, const void *w, void *conv, int algorithm, void *workspace,
                            size_t bytes, const void *beta, void *ly, void *y);
} goqat_dnn;

// goqat_dnn_open opens a library: 0; 1 there is none; 2 it lacks functions. why
// says it in words.
int goqat_dnn_open(goqat_dnn *d, const char *name, char *why, size_t n);

// A convolution without padding: x[n][h][w][c] int8 with w[o][kh][kw][c] int8 to
// y[n][oh][ow][o] float32.
typedef struct {
  int n, h, w, c, oh, ow, o, kh, kw, sh, sw, dh, dw;
} goqat_dnn_problem;

typedef struct {
  const goqat_dnn *dnn;
  void *handle, *lx, *lw, *ly, *conv;
  int algorithm;
  uint64_t x, w, y, workspace;
  size_t bytes;
} goqat_dnn_plan;

// goqat_dnn_prepare makes the descriptors of a plan; its status is the
// library's. goqat_dnn_discard releases them, also after a fault.
int goqat_dnn_prepare(goqat_dnn_plan *p, const goqat_dnn *d, void *handle, const goqat_dnn_problem *q);
void goqat_dnn_discard(goqat_dnn_plan *p);
int goqat_dnn_workspace(const goqat_dnn_plan *p, int algorithm, size_t *bytes);
// goqat_dnn_forward is a goqat_call (cuda/runtime.h): data is a plan. It returns
// a CUresult.
int goqat_dnn_forward(void *stream, void *plan);

#endif
