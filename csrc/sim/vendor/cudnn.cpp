// A stand-in for cuDNN: the functions that package cuda/cudnn calls, with the
// rules of the real ones, on the simulator. Of its eight algorithms number 0 is
// slow, 1 is right, 2 is wrong, 6 is refused when it runs and 7 is right and
// needs its workspace; the others are not supported. Read from the environment:
//   GOQAT_SIM_DNN_VERSION  the version it tells, 90100
#include "cudnn/cudnn.h"
#include "vendor.h"

namespace {

constexpr size_t workspace_bytes = 70000;

struct Tensor {
  int format, type, n, c, h, w;
};
struct Filter {
  int type, format, k, c, h, w;
};
struct Conv {
  int pad_h, pad_w, sh, sw, dh, dw, mode, type, math;
};
struct Handle {
  void* stream;
};

template <class T>
int make(void** to) {
  *to = new T{};
  GOQAT_SIM(goqatsim_objects)(1);
  return GOQAT_DNN_SUCCESS;
}
template <class T>
int drop(void* p) {
  if (!p) return GOQAT_DNN_BAD_PARAM;
  delete (T*)p;
  GOQAT_SIM(goqatsim_objects)(-1);
  return GOQAT_DNN_SUCCESS;
}

int entered(const char* name) {
  if (!standin::simulator()) return 1001;
  switch (int code = GOQAT_SIM(goqatsim_enter)(name)) {
    case 0: return GOQAT_DNN_SUCCESS;
    case 801: return GOQAT_DNN_NOT_SUPPORTED;
    default: return code >= 700 ? GOQAT_DNN_EXECUTION_FAILED : 4000;
  }
}

int supported(const Tensor& x, const Filter& w, const Conv& v, const Tensor& y, int algorithm) {
  if (x.type != GOQAT_DNN_INT8 || w.type != GOQAT_DNN_INT8 || y.type != GOQAT_DNN_FLOAT || v.type != GOQAT_DNN_INT32) return GOQAT_DNN_NOT_SUPPORTED;
  if (x.format != GOQAT_DNN_NHWC || w.format != GOQAT_DNN_NHWC || y.format != GOQAT_DNN_NHWC) return GOQAT_DNN_NOT_SUPPORTED;
  if (x.c % 4 || w.k % 4 || v.mode != GOQAT_DNN_CROSS_CORRELATION || v.dh != 1 || v.dw != 1) return GOQAT_DNN_NOT_SUPPORTED;
  int oh = (x.h + 2 * v.pad_h - ((w.h - 1) * v.dh + 1)) / v.sh + 1, ow = (x.w + 2 * v.pad_w - ((w.w - 1) * v.dw + 1)) / v.sw + 1;
  if (w.c != x.c || y.n != x.n || y.c != w.k || y.h != oh || y.w != ow) return GOQAT_DNN_BAD_PARAM;
  return algorithm <= 2 || algorithm >= 6 ? GOQAT_DNN_SUCCESS : GOQAT_DNN_NOT_SUPPORTED;
}

struct Work {
  Tensor x, y;
  Filter w;
  Conv v;
  uint64_t px, pw, py, workspace;
  int algorithm;
  float alpha, beta;
};

int run(const void* data) {
  const Work& k = *(const Work*)data;
  const int8_t* x = standin::reach<const int8_t>(k.px, (size_t)k.x.n * k.x.h * k.x.w * k.x.c, "cudnnConvolutionForward: x");
  const int8_t* w = standin::reach<const int8_t>(k.pw, (size_t)k.w.k * k.w.h * k.w.w * k.w.c, "cudnnConvolutionForward: w");
  float* y = standin::reach<float>(k.py, (size_t)k.y.n * k.y.h * k.y.w * k.y.c, "cudnnConvolutionForward: y");
  if (!x || !w || !y) return standin::illegal_address;
  if (k.algorithm == 7) {
    unsigned char* s = standin::reach<unsigned char>(k.workspace, workspace_bytes, "cudnnConvolutionForward: workspace");
    if (!s) return standin::illegal_address;
    memset(s, 0x5a, workspace_bytes);
  }
  size_t at = 0;
  for (int n = 0; n < k.y.n; n++)
    for (int i = 0; i < k.y.h; i++)
      for (int j = 0; j < k.y.w; j++)
        for (int o = 0; o < k.y.c; o++, at++) {
          int32_t sum = 0;
          for (int a = 0; a < k.w.h; a++)
            for (int b = 0; b < k.w.w; b++) {
              int r = i * k.v.sh - k.v.pad_h + a * k.v.dh, c = j * k.v.sw - k.v.pad_w + b * k.v.dw;
              if (r < 0 || c < 0 || r >= k.x.h || c >= k.x.w) continue;
              const int8_t* p = x + (((size_t)n * k.x.h + r) * k.x.w + c) * k.x.c;
              const int8_t* q = w + (((size_t)o * k.w.h + a) * k.w.w + b) * k.w.c;
              for (int d = 0; d < k.x.c; d++) sum += p[d] * q[d];
            }
          y[at] = k.alpha * (float)sum + (k.beta != 0 ? k.beta * y[at] : 0);
        }
  if (k.algorithm == 2) y[at - 1] += 1;
  const double ms[8] = {50, 0.02, 0.001, 0, 0, 0, 0, 0.01};
  GOQAT_SIM(goqatsim_pass)(ms[k.algorithm]);
  return 0;
}

}  // namespace

extern "C" {

size_t cudnnGetVersion(void) { return (size_t)standin::number("GOQAT_SIM_DNN_VERSION", 90100); }
const char* cudnnGetErrorString(int s) { return s / 1000 == 3 ? "not supported" : "another status"; }

int cudnnCreate(void** h) {
  if (int s = entered(__func__)) return s;
  return make<Handle>(h);
}
int cudnnDestroy(void* h) { return drop<Handle>(h); }
int cudnnSetStream(void* h, void* stream) {
  ((Handle*)h)->stream = stream;
  return GOQAT_DNN_SUCCESS;
}

int cudnnCreateTensorDescriptor(void** d) {
  if (int s = entered(__func__)) return s;
  return make<Tensor>(d);
}
int cudnnDestroyTensorDescriptor(void* d) { return drop<Tensor>(d); }
int cudnnSetTensor4dDescriptor(void* d, int format, int type, int n, int c, int h, int w) {
  *(Tensor*)d = {format, type, n, c, h, w};
  return n > 0 && c > 0 && h > 0 && w > 0 ? GOQAT_DNN_SUCCESS : GOQAT_DNN_BAD_PARAM;
}
int cudnnCreateFilterDescriptor(void** d) { return make<Filter>(d); }
int cudnnDestroyFilterDescriptor(void* d) { return drop<Filter>(d); }
int cudnnSetFilter4dDescriptor(void* d, int type, int format, int k, int c, int h, int w) {
  *(Filter*)d = {type, format, k, c, h, w};
  return GOQAT_DNN_SUCCESS;
}
int cudnnCreateConvolutionDescriptor(void** d) { return make<Conv>(d); }
int cudnnDestroyConvolutionDescriptor(void* d) { return drop<Conv>(d); }
int cudnnSetConvolution2dDescriptor(void* d, int pad_h, int pad_w, int sh, int sw, int dh, int dw, int mode, int type) {
  *(Conv*)d = {pad_h, pad_w, sh, sw, dh, dw, mode, type, 0};
  return GOQAT_DNN_SUCCESS;
}
int cudnnSetConvolutionMathType(void* d, int math) {
  ((Conv*)d)->math = math;
  return GOQAT_DNN_SUCCESS;
}

int cudnnGetConvolutionForwardWorkspaceSize(void*, void* x, void* w, void* conv, void* y, int algorithm, size_t* bytes) {
  *bytes = algorithm == 7 ? workspace_bytes : 0;
  return supported(*(Tensor*)x, *(Filter*)w, *(Conv*)conv, *(Tensor*)y, algorithm);
}

int cudnnConvolutionForward(void* h, const void* alpha, void* lx, const void* x, void* lw, const void* w, void* conv, int algorithm, void* workspace,
                            size_t bytes, const void* beta, void* ly, void* y) {
  if (int s = entered(__func__)) return s;
  if (int s = supported(*(Tensor*)lx, *(Filter*)lw, *(Conv*)conv, *(Tensor*)ly, algorithm)) return s;
  if (algorithm == 6) return GOQAT_DNN_NOT_SUPPORTED;
  if (algorithm == 7 && bytes < workspace_bytes) return GOQAT_DNN_BAD_PARAM;
  Work k{*(Tensor*)lx, *(Tensor*)ly, *(Filter*)lw, *(Conv*)conv, (uint64_t)x, (uint64_t)w, (uint64_t)y, (uint64_t)workspace, algorithm,
         *(const float*)alpha, *(const float*)beta};
  int code = GOQAT_SIM(goqatsim_submit)(((Handle*)h)->stream, run, &k, sizeof k);
  return code == 0 ? GOQAT_DNN_SUCCESS : GOQAT_DNN_EXECUTION_FAILED;
}

}  // extern "C"
