// A stand-in for cuBLASLt: the functions that package cuda/cublaslt calls, with
// the rules of the real ones, on the simulator. Its algorithms are those that a
// caller must tell apart (see enum). Read from the environment:
//   GOQAT_SIM_LT_MAJOR   the major version it tells, 12
//   GOQAT_SIM_LT_NONE    1: no product is supported
#include "cublaslt/cublaslt.h"
#include "vendor.h"

#include <cmath>

namespace {

// Algorithms, in the order in which they are offered, and the milliseconds
// each takes by the clock of events. The last make int8 codes alone, and not as
// goqat does: ties away from zero, sums cut to what a float32 holds, products in
// float64, parts of the sums as float32.
enum Algorithm { slow, unsupported, wrong, plain, with_workspace, half_away, cuts_sums, in_double, adds_parts, algorithms };
constexpr double milliseconds[algorithms] = {50, 0, 0.001, 0.02, 0.01, 0.002, 0.002, 0.002, 0.002};
constexpr size_t workspace_bytes = 100000;
constexpr uint64_t mark = 0x676f7161746c7400;  // of an algorithm made here

struct Layout {
  int type, order;
  int64_t rows, cols, ld;
};
struct Desc {
  int compute, scale;
  int32_t trans_a, trans_b, mode;
};
struct Preference {
  uint64_t workspace;
};
struct Handle {
  int arch;
};

template <class T>
int make(void** to, T v) {
  *to = new T(v);
  GOQAT_SIM(goqatsim_objects)(1);
  return GOQAT_LT_SUCCESS;
}
template <class T>
int drop(void* p) {
  if (!p) return GOQAT_LT_INVALID_VALUE;
  delete (T*)p;
  GOQAT_SIM(goqatsim_objects)(-1);
  return GOQAT_LT_SUCCESS;
}

int64_t up(int64_t v, int64_t to) { return (v + to - 1) / to * to; }

// offset is where element (r, c) is.
int64_t offset(const Layout& l, int64_t r, int64_t c) {
  switch (l.order) {
    case GOQAT_LT_ORDER_COL: return c * l.ld + r;
    case GOQAT_LT_ORDER_COL32: return c / 32 * l.ld + r * 32 + c % 32;
    case GOQAT_LT_ORDER_COL4_4R2_8C:
      return c / 32 * l.ld + r / 8 * 256 + r % 2 * 128 + c % 32 / 8 * 32 + c % 8 / 4 * 16 + r % 8 / 2 * 4 + c % 4;
  }
  return c / 32 * l.ld + r / 32 * 1024 + ((r % 8 / 2 * 4 + r % 32 / 8) * 2 + r % 2) * 32 + c % 32;
}

// extent is the number of elements from first to last.
size_t extent(const Layout& l) { return (size_t)(l.order == GOQAT_LT_ORDER_COL ? (l.cols - 1) * l.ld + l.rows : up(l.cols, 32) / 32 * l.ld); }

// supported says whether a device has the product.
int supported(const Handle& h, const Desc& d, const Layout& a, const Layout& b, const Layout& c, const Layout& r) {
  if (standin::number("GOQAT_SIM_LT_NONE", 0)) return GOQAT_LT_NOT_SUPPORTED;
  bool codes = d.scale == GOQAT_LT_R_32F;
  if (d.compute != GOQAT_LT_COMPUTE_32I || (!codes && (d.scale != GOQAT_LT_R_32I || d.mode))) return GOQAT_LT_NOT_SUPPORTED;
  if (a.type != GOQAT_LT_R_8I || b.type != GOQAT_LT_R_8I || r.type != (codes ? GOQAT_LT_R_8I : GOQAT_LT_R_32I) || memcmp(&c, &r, sizeof c))
    return GOQAT_LT_NOT_SUPPORTED;
  // Multipliers on the host are not asked for; one for each row of the result
  // is not for orders of 32 columns.
  if (codes && d.mode != GOQAT_LT_POINTER_DEVICE && (d.mode != GOQAT_LT_POINTER_ALPHA_VECTOR || a.order != GOQAT_LT_ORDER_COL)) return GOQAT_LT_NOT_SUPPORTED;
  if (a.order == GOQAT_LT_ORDER_COL) {
    // "TN", and multiples of 4.
    if (d.trans_a != GOQAT_LT_OP_T || d.trans_b != GOQAT_LT_OP_N || b.order != GOQAT_LT_ORDER_COL || r.order != GOQAT_LT_ORDER_COL) return GOQAT_LT_NOT_SUPPORTED;
    if (a.rows != b.rows || r.rows != a.cols || r.cols != b.cols) return GOQAT_LT_INVALID_VALUE;
    if (a.ld < a.rows || b.ld < b.rows || r.ld < r.rows) return GOQAT_LT_INVALID_VALUE;
    if (a.rows % 4 || a.cols % 4 || a.ld % 4 || b.ld % 4 || r.ld % 4) return GOQAT_LT_NOT_SUPPORTED;
    return GOQAT_LT_SUCCESS;
  }
  // Orders of 32 columns: Turing and Ampere, and the latter's own not on Turing.
  if (h.arch >= 90 || a.order != GOQAT_LT_ORDER_COL32 || r.order != GOQAT_LT_ORDER_COL32) return GOQAT_LT_NOT_SUPPORTED;
  bool turing = b.order == GOQAT_LT_ORDER_COL4_4R2_8C;
  if (!turing && (b.order != GOQAT_LT_ORDER_COL32_2R_4R4 || h.arch < 80)) return GOQAT_LT_NOT_SUPPORTED;
  if (d.trans_a != GOQAT_LT_OP_N || d.trans_b != GOQAT_LT_OP_T) return GOQAT_LT_NOT_SUPPORTED;
  if (a.cols != b.cols || r.rows != a.rows || r.cols != b.rows) return GOQAT_LT_INVALID_VALUE;
  if (a.ld < 32 * a.rows || r.ld < 32 * r.rows || b.ld < 32 * up(b.rows, turing ? 8 : 32)) return GOQAT_LT_INVALID_VALUE;
  if (a.ld % 32 || b.ld % 32 || r.ld % 32) return GOQAT_LT_INVALID_VALUE;
  return GOQAT_LT_SUCCESS;
}

// Product is the work for a stream.
struct Product {
  Layout a, b, r;
  bool trans_a;
  uint64_t pa, pb, pr, workspace;
  int algorithm, alpha, beta;
  uint64_t multipliers, zero;  // of codes, on the device
  bool each;
};

// to_code is an algorithm's code of a sum of two parts.
int8_t to_code(int algorithm, int32_t first, int32_t second, float m) {
  int32_t sum = (int32_t)((uint32_t)first + (uint32_t)second);
  double v = (float)sum * m;
  switch (algorithm) {
    case half_away: v = round(v); break;
    case cuts_sums: {
      float f = (float)sum;
      if (fabs((double)f) > fabs((double)sum)) f = nextafterf(f, 0);
      v = nearbyint(f * m);
      break;
    }
    case in_double: v = nearbyint((double)sum * m); break;
    case adds_parts: v = nearbyint(((float)first + (float)second) * m); break;
    default: v = nearbyint(v);
  }
  return (int8_t)fmin(fmax(v, -128), 127);
}

int run(const void* data) {
  const Product& p = *(const Product*)data;
  const int8_t* a = standin::reach<const int8_t>(p.pa, extent(p.a), "cublasLtMatmul: A");
  const int8_t* b = standin::reach<const int8_t>(p.pb, extent(p.b), "cublasLtMatmul: B");
  bool codes = p.multipliers != 0;
  int32_t* r = codes ? nullptr : standin::reach<int32_t>(p.pr, extent(p.r), "cublasLtMatmul: D");
  int8_t* r8 = codes ? standin::reach<int8_t>(p.pr, extent(p.r), "cublasLtMatmul: D") : nullptr;
  if (!a || !b || (!r && !r8)) return standin::illegal_address;
  const float* multipliers = nullptr;
  if (codes) {
    multipliers = standin::reach<const float>(p.multipliers, p.each ? (size_t)p.r.rows : 1, "cublasLtMatmul: alpha");
    if (!multipliers) return standin::illegal_address;
    if (!p.each) {
      const float* zero = standin::reach<const float>(p.zero, 1, "cublasLtMatmul: beta");
      if (!zero) return standin::illegal_address;
      if (*zero != 0) {
        GOQAT_SIM(goqatsim_say)("cublasLtMatmul: beta is not zero");
        return standin::illegal_address;
      }
    }
  }
  if (p.algorithm == with_workspace) {
    unsigned char* w = standin::reach<unsigned char>(p.workspace, workspace_bytes, "cublasLtMatmul: workspace");
    if (!w) return standin::illegal_address;
    memset(w, 0x5a, workspace_bytes);
  }
  int64_t k = p.trans_a ? p.a.rows : p.a.cols;
  for (int64_t i = 0; i < p.r.rows; i++)
    for (int64_t j = 0; j < p.r.cols; j++) {
      uint32_t sum = 0, first = 0;
      for (int64_t x = 0; x < k; x++) {
        if (x == k / 2) first = sum;
        int u = p.trans_a ? a[offset(p.a, x, i)] : a[offset(p.a, i, x)];
        int v = p.trans_a ? b[offset(p.b, x, j)] : b[offset(p.b, j, x)];
        sum += (uint32_t)(u * v);
      }
      if (codes) {
        r8[offset(p.r, i, j)] = to_code(p.algorithm, (int32_t)first, (int32_t)(sum - first), multipliers[p.each ? i : 0]);
        continue;
      }
      int32_t& to = r[offset(p.r, i, j)];
      to = (int32_t)((uint32_t)p.alpha * sum + (p.beta ? (uint32_t)p.beta * (uint32_t)to : 0));
    }
  if (p.algorithm == wrong) {
    int64_t last = offset(p.r, p.r.rows - 1, p.r.cols - 1);
    if (codes) {
      r8[last]++;
    } else {
      r[last]++;
    }
  }
  GOQAT_SIM(goqatsim_pass)(milliseconds[p.algorithm]);
  return 0;
}

// entered begins a call; a driver's fault becomes the library's status.
int entered(const char* name) {
  if (!standin::simulator()) return GOQAT_LT_NOT_INITIALIZED;
  switch (int code = GOQAT_SIM(goqatsim_enter)(name)) {
    case 0: return GOQAT_LT_SUCCESS;
    case 2: return GOQAT_LT_ALLOC_FAILED;
    case 801: return GOQAT_LT_NOT_SUPPORTED;
    default: return code >= 700 ? GOQAT_LT_EXECUTION_FAILED : GOQAT_LT_INTERNAL_ERROR;
  }
}

}  // namespace

extern "C" {

const char* cublasLtGetStatusString(int s) { return s == GOQAT_LT_NOT_SUPPORTED ? "the functionality is not supported" : "another status"; }

int cublasLtGetProperty(int which, int* v) {
  *v = which == GOQAT_LT_MAJOR ? standin::number("GOQAT_SIM_LT_MAJOR", 12) : which == GOQAT_LT_MINOR ? 4 : 5;
  return GOQAT_LT_SUCCESS;
}

int cublasLtCreate(void** h) {
  if (int s = entered(__func__)) return s;
  return make(h, Handle{GOQAT_SIM(goqatsim_capability)()});
}
int cublasLtDestroy(void* h) { return drop<Handle>(h); }

int cublasLtMatmulDescCreate(void** d, int compute, int scale) {
  if (int s = entered(__func__)) return s;
  return make(d, Desc{compute, scale, GOQAT_LT_OP_N, GOQAT_LT_OP_N, 0});
}
int cublasLtMatmulDescDestroy(void* d) { return drop<Desc>(d); }
int cublasLtMatmulDescSetAttribute(void* p, int which, const void* v, size_t n) {
  Desc& d = *(Desc*)p;
  if (n != sizeof(int32_t)) return GOQAT_LT_INVALID_VALUE;
  if (which == GOQAT_LT_DESC_POINTER_MODE) {
    memcpy(&d.mode, v, n);
    return GOQAT_LT_SUCCESS;
  }
  if (which != GOQAT_LT_DESC_TRANSA && which != GOQAT_LT_DESC_TRANSB) return GOQAT_LT_INVALID_VALUE;
  memcpy(which == GOQAT_LT_DESC_TRANSA ? &d.trans_a : &d.trans_b, v, n);
  return GOQAT_LT_SUCCESS;
}

int cublasLtMatrixLayoutCreate(void** l, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  if (int s = entered(__func__)) return s;
  return make(l, Layout{type, GOQAT_LT_ORDER_COL, (int64_t)rows, (int64_t)cols, ld});
}
int cublasLtMatrixLayoutDestroy(void* l) { return drop<Layout>(l); }
int cublasLtMatrixLayoutSetAttribute(void* p, int which, const void* v, size_t n) {
  if (which != GOQAT_LT_LAYOUT_ORDER || n != sizeof(int32_t)) return GOQAT_LT_INVALID_VALUE;
  memcpy(&((Layout*)p)->order, v, n);
  return GOQAT_LT_SUCCESS;
}

int cublasLtMatmulPreferenceCreate(void** p) {
  if (int s = entered(__func__)) return s;
  return make(p, Preference{0});
}
int cublasLtMatmulPreferenceDestroy(void* p) { return drop<Preference>(p); }
int cublasLtMatmulPreferenceSetAttribute(void* p, int which, const void* v, size_t n) {
  if (which == GOQAT_LT_PREF_WORKSPACE) {
    if (n != sizeof(uint64_t)) return GOQAT_LT_INVALID_VALUE;
    memcpy(&((Preference*)p)->workspace, v, n);
    return GOQAT_LT_SUCCESS;
  }
  return which >= GOQAT_LT_PREF_ALIGN_A && which <= GOQAT_LT_PREF_ALIGN_D && n == sizeof(uint32_t) ? GOQAT_LT_SUCCESS : GOQAT_LT_INVALID_VALUE;
}

int cublasLtMatmulAlgoGetHeuristic(void* h, void* desc, void* a, void* b, void* c, void* d, void* preference, int wanted, goqat_lt_result* r, int* got) {
  *got = 0;
  if (int s = entered(__func__)) return s;
  if (int s = supported(*(Handle*)h, *(Desc*)desc, *(Layout*)a, *(Layout*)b, *(Layout*)c, *(Layout*)d)) return s;
  int count = ((Desc*)desc)->scale == GOQAT_LT_R_32F ? algorithms : half_away;
  for (int i = 0; i < count && *got < wanted; i++) {
    size_t bytes = i == with_workspace ? workspace_bytes : 0;
    if (bytes > ((Preference*)preference)->workspace) continue;
    goqat_lt_result& x = r[(*got)++];
    memset(&x, 0, sizeof x);
    x.algo.data[0] = mark | (uint64_t)i;
    x.algo.data[7] = (uint64_t)((Layout*)b)->order;
    x.workspace = bytes;
    x.waves = 1;
  }
  return GOQAT_LT_SUCCESS;
}

int cublasLtMatmul(void* h, void* desc, const void* alpha, const void* a, void* la, const void* b, void* lb, const void* beta, const void* c, void* lc,
                   void* d, void* ld, const goqat_lt_algo* algo, void* workspace, size_t bytes, void* stream) {
  if (int s = entered(__func__)) return s;
  const Desc& x = *(Desc*)desc;
  if (int s = supported(*(Handle*)h, x, *(Layout*)la, *(Layout*)lb, *(Layout*)lc, *(Layout*)ld)) return s;
  uint64_t which = algo->data[0] ^ mark;
  if (which >= algorithms || (x.scale != GOQAT_LT_R_32F && which >= half_away) || algo->data[7] != (uint64_t)((Layout*)lb)->order) return GOQAT_LT_INVALID_VALUE;
  if (which == unsupported) return GOQAT_LT_NOT_SUPPORTED;
  if (((uint64_t)a | (uint64_t)b | (uint64_t)c | (uint64_t)d) % 4 || c != d) return GOQAT_LT_INVALID_VALUE;
  if (which == with_workspace && (bytes < workspace_bytes || (uint64_t)workspace % 16)) return GOQAT_LT_INVALID_VALUE;
  Product p{*(Layout*)la, *(Layout*)lb, *(Layout*)ld, x.trans_a == GOQAT_LT_OP_T, (uint64_t)a, (uint64_t)b, (uint64_t)d, (uint64_t)workspace, (int)which,
            1, 0, 0, 0, false};
  if (x.scale == GOQAT_LT_R_32F) {
    p.multipliers = (uint64_t)alpha;
    p.each = x.mode == GOQAT_LT_POINTER_ALPHA_VECTOR;
    if (p.each) {
      if (*(const float*)beta != 0) return GOQAT_LT_NOT_SUPPORTED;
    } else {
      p.zero = (uint64_t)beta;
    }
  } else {
    p.alpha = *(const int32_t*)alpha;
    p.beta = *(const int32_t*)beta;
  }
  int code = GOQAT_SIM(goqatsim_submit)(stream, run, &p, sizeof p);
  return code == 0 ? GOQAT_LT_SUCCESS : GOQAT_LT_EXECUTION_FAILED;
}

}  // extern "C"
