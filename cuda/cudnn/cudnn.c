//go:build cuda

#include "cudnn.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int goqat_dnn_open(goqat_dnn *d, const char *name, char *why, size_t n) {
  memset(d, 0, sizeof *d);
  why[0] = 0;
  void *l = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (!l) {
    const char *e = dlerror();
    snprintf(why, n, "%s", e ? e : name);
    return 1;
  }
  const char *missing = NULL;
#define FIND(f)                                          \
  do {                                                   \
    *(void **)&d->f = dlsym(l, "cudnn" #f);              \
    if (!d->f && !missing) missing = "cudnn" #f;         \
  } while (0)
  FIND(GetVersion);
  FIND(GetErrorString);
  FIND(Create);
  FIND(Destroy);
  FIND(SetStream);
  FIND(CreateTensorDescriptor);
  FIND(DestroyTensorDescriptor);
  FIND(SetTensor4dDescriptor);
  FIND(CreateFilterDescriptor);
  FIND(DestroyFilterDescriptor);
  FIND(SetFilter4dDescriptor);
  FIND(CreateConvolutionDescriptor);
  FIND(DestroyConvolutionDescriptor);
  FIND(SetConvolution2dDescriptor);
  FIND(SetConvolutionMathType);
  FIND(GetConvolutionForwardWorkspaceSize);
  FIND(ConvolutionForward);
#undef FIND
  if (missing) {
    snprintf(why, n, "%s has no function %s", name, missing);
    dlclose(l);
    return 2;
  }
  d->library = l;
  return 0;
}

int goqat_dnn_prepare(goqat_dnn_plan *p, const goqat_dnn *d, void *handle, const goqat_dnn_problem *q) {
  memset(p, 0, sizeof *p);
  p->dnn = d;
  p->handle = handle;
  int s = d->CreateTensorDescriptor(&p->lx);
  if (!s) s = d->CreateTensorDescriptor(&p->ly);
  if (!s) s = d->CreateFilterDescriptor(&p->lw);
  if (!s) s = d->CreateConvolutionDescriptor(&p->conv);
  if (!s) s = d->SetTensor4dDescriptor(p->lx, GOQAT_DNN_NHWC, GOQAT_DNN_INT8, q->n, q->c, q->h, q->w);
  if (!s) s = d->SetTensor4dDescriptor(p->ly, GOQAT_DNN_NHWC, GOQAT_DNN_FLOAT, q->n, q->o, q->oh, q->ow);
  if (!s) s = d->SetFilter4dDescriptor(p->lw, GOQAT_DNN_INT8, GOQAT_DNN_NHWC, q->o, q->c, q->kh, q->kw);
  // Sums are int32; those that a float32 holds exactly come out as they are.
  if (!s) s = d->SetConvolution2dDescriptor(p->conv, 0, 0, q->sh, q->sw, q->dh, q->dw, GOQAT_DNN_CROSS_CORRELATION, GOQAT_DNN_INT32);
  if (!s) s = d->SetConvolutionMathType(p->conv, GOQAT_DNN_TENSOR_OP_MATH);
  return s;
}

void goqat_dnn_discard(goqat_dnn_plan *p) {
  if (p->lx) p->dnn->DestroyTensorDescriptor(p->lx);
  if (p->ly) p->dnn->DestroyTensorDescriptor(p->ly);
  if (p->lw) p->dnn->DestroyFilterDescriptor(p->lw);
  if (p->conv) p->dnn->DestroyConvolutionDescriptor(p->conv);
  p->lx = p->ly = p->lw = p->conv = NULL;
}

int goqat_dnn_workspace(const goqat_dnn_plan *p, int algorithm, size_t *bytes) {
  return p->dnn->GetConvolutionForwardWorkspaceSize(p->handle, p->lx, p->lw, p->conv, p->ly, algorithm, bytes);
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

int goqat_dnn_forward(void *stream, void *data) {
  const goqat_dnn_plan *p = data;
  float alpha = 1, beta = 0;
  int s = p->dnn->SetStream(p->handle, stream);
  if (!s)
    s = p->dnn->ConvolutionForward(p->handle, &alpha, p->lx, (const void *)p->x, p->lw, (const void *)p->w, p->conv, p->algorithm,
                                   (void *)p->workspace, p->bytes, &beta, p->ly, (void *)p->y);
  switch (s / 1000) {
    case 0: return s ? 1 : 0;
    case 3: return 801;  // CUDA_ERROR_NOT_SUPPORTED
    case 5: return failed(stream);
  }
  return 1;  // CUDA_ERROR_INVALID_VALUE
}
