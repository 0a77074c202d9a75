// conv_grad_input, conv_grad_weight, gemm_grad_input, gemm_grad_weight in bf16,
// where one operand is codes: gradients, times the scales, are rounded to one
// bf16, or split in two, and sums are float32. A linear layer is a convolution
// over one image of one line.
//
// Targets: 80
#include "bf16_product.cuh"

using namespace bf16_tiles;

// coded is the operand that is codes: scale * (code - zero).
struct coded {
  const u8* p;
  const float* scale;  // one, or one a channel
  const int* zero;     // null for 0
  int is_signed, channels;
};

// steps has the taps of one dimension of the kernel that reach the pixels
// phase, phase + stride, ... of the input: first, first + step, ..., count of
// them. Pixel phase + i*stride gets tap j from result start + i - j*back. The
// others would multiply zeros.
struct steps {
  int first, step, count, start, back;

  __device__ __forceinline__ steps(int phase, int pad, int stride, int dilation, int kernel) : first(0), step(1), count(0), start(0), back(0) {
    for (; first < kernel && first < stride; first++)
      if ((phase + pad - first * dilation) % stride == 0) break;
    if (first >= kernel || first >= stride) return;
    while (step * dilation % stride != 0) step++;
    count = (kernel - 1 - first) / step + 1;
    start = (phase + pad - first * dilation) / stride;
    back = step * dilation / stride;
  }
};

// phase has the pixels of the input a stride apart in both dimensions.
struct phase_of {
  steps y, x;
  int py, px;  // the first of them
  int h, w;    // how many

  __device__ __forceinline__ phase_of(const geometry& g, int i)
      : y(i / min(g.sw, g.w), g.top, g.sh, g.dh, g.kh), x(i % min(g.sw, g.w), g.left, g.sw, g.dw, g.kw) {
    py = i / min(g.sw, g.w), px = i % min(g.sw, g.w);
    h = (g.h - py + g.sh - 1) / g.sh;
    w = (g.w - px + g.sw - 1) / g.sw;
  }
  __device__ __forceinline__ int rows(const geometry& g) const { return g.n * h * w; }
  __device__ __forceinline__ int length(const geometry& g) const { return y.count * x.count * g.og; }
};

// results_along has the gradients of the results that pixels of a phase are
// part of: k over [taps, taps, output channels of the group].
template <int side, int numbers>
struct results_along {
  static constexpr bool along = true;
  static constexpr int terms = numbers;
  const float* dy;
  const float* scales;  // of the group, null for one
  const geometry& g;
  const phase_of& p;
  int pixel[2], y[2], x[2];  // first pixel of the image, and of the first tap
  counter t, loaded;  // of the next elements, and of those in registers
  bool whole;         // a unit is of one tap
  float one;
  gradients<side, true, numbers> v;

  __device__ __forceinline__ results_along(const float* dy, const coded& w, const geometry& g, const phase_of& p, int group, int row)
      : dy(dy + (i64)group * g.og), g(g), p(p) {
    scales = w.channels > 1 ? w.scale + (i64)group * g.og : nullptr;
    whole = g.og % 8 == 0 && aligned(dy, 16) && (!scales || aligned(w.scale, 16));
#pragma unroll
    for (int q = 0; q < 2; q++) {
      int r = row + line_of<side, true>(q);
      int line = r / p.w, image = line / p.h;
      pixel[q] = image * g.oh * g.ow;
      y[q] = line - image * p.h + p.y.start;
      x[q] = r - line * p.w + p.x.start;
      if (r >= p.rows(g)) y[q] = pixel[q] = -(1 << 30);  // Outside of any image.
    }
    t = counter_at(unit_of<side, true>() * bf16_unit, p.x.count, g.og);
    one = scales ? 0 : w.scale[0];
  }
  // source returns the gradients of tap t for row q, null outside of the image.
  __device__ __forceinline__ const float* source(int q, const counter& t) const {
    int i = y[q] - t.a * p.y.back, j = x[q] - t.b * p.x.back;
    if ((u32)i >= (u32)g.oh || (u32)j >= (u32)g.ow) return nullptr;
    return dy + (i64)(pixel[q] + i * g.ow + j) * g.o + t.c;
  }
  __device__ __forceinline__ void load(int from, int to) {
    int k = from + unit_of<side, true>() * bf16_unit;
    if (whole) {
#pragma unroll
      for (int q = 0; q < 2; q++) {
        const float* p = k < to ? source(q, t) : nullptr;
#pragma unroll
        for (int e = 0; e < bf16_unit; e += 4) {
          quad<float> f = {};
          if (p) f = *reinterpret_cast<const quad<float>*>(p + e);
#pragma unroll
          for (int i = 0; i < 4; i++) v.v[q][e + i] = f.v[i];
        }
      }
    } else {
      // Not unrolled: this is the way of few, and long code is slow to load.
      counter c = t;
#pragma unroll 1
      for (int e = 0; e < bf16_unit; e++) {
#pragma unroll
        for (int q = 0; q < 2; q++) {
          const float* p = k + e < to ? source(q, c) : nullptr;
#pragma unroll
          for (int i = 0; i + 1 < bf16_unit; i++) v.v[q][i] = v.v[q][i + 1];
          v.v[q][bf16_unit - 1] = p ? *p : 0.0f;
        }
        c.advance(1, p.x.count, g.og);
      }
    }
    loaded = t;
    t.advance(bf16_depth, p.x.count, g.og);
  }
  __device__ __forceinline__ void store(u8* tile) const {
    float s[bf16_unit];
    if (!scales) {
#pragma unroll
      for (int i = 0; i < bf16_unit; i++) s[i] = one;
    } else if (whole) {
#pragma unroll
      for (int e = 0; e < bf16_unit; e += 4) {
        quad<float> f = *reinterpret_cast<const quad<float>*>(scales + loaded.c + e);
#pragma unroll
        for (int i = 0; i < 4; i++) s[e + i] = f.v[i];
      }
    } else {
      int c = loaded.c;
#pragma unroll
      for (int i = 0; i < bf16_unit; i++) {
        s[i] = scales[c];
        c = c + 1 == g.og ? 0 : c + 1;
      }
    }
    v.store(tile, s);
  }
};

// kernels_across is the weight of a group for results_along: columns are input
// channels.
template <int side>
struct kernels_across {
  static constexpr bool along = false;
  const u8* w;
  const geometry& g;
  const phase_of& p;
  expander e;
  counter t[2];
  int count, width;
  u32 raw[2][2];

  __device__ __forceinline__ kernels_across(const coded& o, const geometry& g, const phase_of& p, int group, int col)
      : g(g), p(p), e(o.zero, o.is_signed != 0) {
    int c = col + unit_of<side, false>() * bf16_unit;
    w = o.p + (i64)group * g.og * g.taps() + c;
    count = g.cg - c;
    width = width_of(o.p, g.cg, 8);
#pragma unroll
    for (int q = 0; q < 2; q++) t[q] = counter_at(line_of<side, false>(q), p.x.count, g.og);
  }
  __device__ __forceinline__ void load(int from, int to) {
#pragma unroll
    for (int q = 0; q < 2; q++) {
      int a = p.y.first + t[q].a * p.y.step, b = p.x.first + t[q].b * p.x.step;
      const u8* from_here = w + (((i64)t[q].c * g.kh + a) * g.kw + b) * g.cg;
      load_codes(raw[q], from_here, from + line_of<side, false>(q) < to ? count : 0, width, e.pad);
      t[q].advance(bf16_depth, p.x.count, g.og);
    }
  }
  __device__ __forceinline__ void store(u8* tile) const { e.store<side, false>(tile, raw); }
};

// results_across has the gradients of all results, k over the positions of the
// output, rows are the output channels of a group.
template <int side, int numbers>
struct results_across {
  static constexpr bool along = false;
  static constexpr int terms = numbers;
  const float* dy;
  int o, count;
  bool quads;
  float one;
  gradients<side, false, numbers> v;

  __device__ __forceinline__ results_across(const float* start, float one, const geometry& g, int group, int row) : o(g.o), one(one) {
    int r = row + unit_of<side, false>() * bf16_unit;
    dy = start + (i64)group * g.og + r;
    count = g.og - r;
    quads = g.og % 4 == 0 && g.o % 4 == 0 && aligned(start, 16);
  }
  __device__ __forceinline__ void load(int from, int to) {
#pragma unroll
    for (int q = 0; q < 2; q++) {
      int k = from + line_of<side, false>(q);
      const float* p = dy + (i64)k * o;
      int n = k < to ? count : 0;
#pragma unroll
      for (int e = 0; e < bf16_unit; e += 4) {
        quad<float> f = {};
        if (quads) {
          if (e < n) f = *reinterpret_cast<const quad<float>*>(p + e);
        } else {
#pragma unroll
          for (int i = 0; i < 4; i++)
            if (e + i < n) f.v[i] = p[e + i];
        }
#pragma unroll
        for (int i = 0; i < 4; i++) v.v[q][e + i] = f.v[i];
      }
    }
  }
  __device__ __forceinline__ void store(u8* tile) const {
    float s[bf16_unit];
#pragma unroll
    for (int i = 0; i < bf16_unit; i++) s[i] = one;
    v.store(tile, s);
  }
};

// patches_across has the inputs under the kernel: k over the positions of the
// output, columns are taps.
template <int side>
struct patches_across {
  static constexpr bool along = false;
  const u8* x;
  const geometry& g;
  expander e;
  counter at[2];  // image, line, column of the output
  counter t;      // first tap of the unit
  int count, width;
  u32 raw[2][2];

  __device__ __forceinline__ patches_across(const coded& o, const geometry& g, int group, int col, int from) : g(g), e(o.zero, o.is_signed != 0) {
    x = o.p + (i64)group * g.cg;
    int c = col + unit_of<side, false>() * bf16_unit;
    count = g.taps() - c;
    t = counter_at(c, g.kw, g.cg);
    width = width_of(o.p, g.cg, g.c);
#pragma unroll
    for (int q = 0; q < 2; q++) at[q] = counter_at(from + line_of<side, false>(q), g.oh, g.ow);
  }
  __device__ __forceinline__ const u8* source(const counter& at, const counter& t) const {
    int y = at.b * g.sh - g.top + t.a * g.dh, c = at.c * g.sw - g.left + t.b * g.dw;
    if ((u32)y >= (u32)g.h || (u32)c >= (u32)g.w) return nullptr;
    return x + ((i64)(at.a * g.h + y) * g.w + c) * g.c + t.c;
  }
  __device__ __forceinline__ void load(int from, int to) {
#pragma unroll
    for (int q = 0; q < 2; q++) {
      int n = from + line_of<side, false>(q) < to ? count : 0;
      raw[q][0] = raw[q][1] = e.pad;
      if (width == 8) {
        const u8* p = n > 0 ? source(at[q], t) : nullptr;
        if (p) {
          uint2 v = *reinterpret_cast<const uint2*>(p);
          raw[q][0] = v.x, raw[q][1] = v.y;
        }
      } else if (width == 4) {
        counter c = t;
#pragma unroll
        for (int i = 0; i < 2; i++) {
          const u8* p = 4 * i < n ? source(at[q], c) : nullptr;
          if (p) raw[q][i] = *reinterpret_cast<const u32*>(p);
          c.advance(4, g.kw, g.cg);
        }
      } else {
        // Not unrolled: this is the way of few, and long code is slow to load.
        counter c = t;
        u32 low = 0, high = 0;
#pragma unroll 1
        for (int i = 0; i < bf16_unit; i++) {
          const u8* p = i < n ? source(at[q], c) : nullptr;
          low = low >> 8 | high << 24;
          high = high >> 8 | (p ? (u32)*p : e.pad & 0xffu) << 24;
          c.advance(1, g.kw, g.cg);
        }
        raw[q][0] = low, raw[q][1] = high;
      }
      at[q].advance(bf16_depth, g.oh, g.ow);
    }
  }
  __device__ __forceinline__ void store(u8* tile) const { e.store<side, false>(tile, raw); }
};

// grad_input is a tile of dx of one phase and group.
template <int side, int terms>
__device__ __forceinline__ void grad_input(float* dx, const float* dy, const coded& w, const geometry& g) {
  int phases = min(g.sh, g.h) * min(g.sw, g.w);
  int group = (int)blockIdx.z / phases;
  phase_of p(g, (int)blockIdx.z % phases);
  int row = (int)blockIdx.x * side, col = (int)blockIdx.y * side;
  if (row >= p.rows(g)) return;
  float acc[side / 32][4][4] = {};
  results_along<side, terms> left(dy, w, g, p, group, row);
  kernels_across<side> right(w, g, p, group, col);
  constexpr int bytes = product_bytes<side, terms>;
  SHARED(u8, memory, [bytes]);
  product<side>(memory, acc, left, right, 0, p.length(g));
  float* to = dx + (i64)group * g.cg;
  auto place_of = [&](int r) {
    int line = r / p.w, image = line / p.h;
    i64 y = (i64)image * g.h + (line - image * p.h) * g.sh + p.py;
    return to + (y * g.w + (r - line * p.w) * g.sw + p.px) * g.c;
  };
  store<side>(acc, place_of, row, col, p.rows(g), g.cg);
}

// grad_weight is a tile of a part of dw of one group: sums over the positions
// of the output, in equal parts of whole steps.
template <int side, int terms>
__device__ __forceinline__ void grad_weight(float* parts, const float* dy, const coded& x, const geometry& g, int splits) {
  int group = (int)blockIdx.z / splits, part = (int)blockIdx.z % splits, k = g.taps();
  int row = (int)blockIdx.x * side, col = (int)blockIdx.y * side;
  int each = ((g.rows() + bf16_depth - 1) / bf16_depth + splits - 1) / splits * bf16_depth;
  int from = min(part * each, g.rows()), to = min(from + each, g.rows());
  float acc[side / 32][4][4] = {};
  results_across<side, terms> left(dy, x.scale[0], g, group, row);
  patches_across<side> right(x, g, group, col, from);
  constexpr int bytes = product_bytes<side, terms>;
  SHARED(u8, memory, [bytes]);
  product<side>(memory, acc, left, right, from, to);
  float* start = parts + ((i64)part * g.o + (i64)group * g.og) * k;
  store<side>(acc, [&](int r) { return start + (i64)r * k; }, row, col, g.og, k);
}

#define CONV_GRAD(side, suffix, terms)                                                                                                       \
  extern "C" __global__ void __launch_bounds__(2 * side) conv_grad_input_##side##suffix(float* dx, const float* dy, coded w, geometry g) {   \
    grad_input<side, terms>(dx, dy, w, g);                                                                                                   \
  }                                                                                                                                          \
  extern "C" __global__ void __launch_bounds__(2 * side) conv_grad_weight_##side##suffix(float* parts, const float* dy, coded x, geometry g, \
                                                                                         int splits) {                                       \
    grad_weight<side, terms>(parts, dy, x, g, splits);                                                                                       \
  }
CONV_GRAD(64, _bf16, 1)
CONV_GRAD(64, _bf16x2, 2)
CONV_GRAD(128, _bf16, 1)
CONV_GRAD(128, _bf16x2, 2)
