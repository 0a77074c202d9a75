// reduce: combines elements along axes, in float64 in a fixed order: [outer,
// middle, inner] in two stages, other shapes an output a thread. reduce_grad: its
// gradients.
//
// Targets: 75
#include "common.cuh"

// The kinds of backend.ReduceKind.
constexpr int kind_sum = 0, kind_mean = 1, kind_max = 2, kind_min = 3, kind_prod = 4, kind_l2 = 5;

__device__ __forceinline__ double reduce_start(int kind) {
  if (kind == kind_max) return -__longlong_as_double(0x7ff0000000000000ll);
  if (kind == kind_min) return __longlong_as_double(0x7ff0000000000000ll);
  return kind == kind_prod ? 1.0 : 0.0;
}

// reduce_join combines two results; a NaN wins.
__device__ __forceinline__ double reduce_join(int kind, double a, double b) {
  if (kind == kind_max) return a != a ? a : (b != b || b > a) ? b : a;
  if (kind == kind_min) return a != a ? a : (b != b || b < a) ? b : a;
  return kind == kind_prod ? a * b : a + b;
}

__device__ __forceinline__ double reduce_add(int kind, double acc, double v) { return reduce_join(kind, acc, kind == kind_l2 ? v * v : v); }

__device__ __forceinline__ float reduce_finish(int kind, double acc, i64 count) {
  if (kind == kind_mean) return (float)(acc / (double)count);
  return (float)(kind == kind_l2 ? sqrt(acc) : acc);
}

// parts is [outer, chunks, inner]; n its size.
extern "C" __global__ void __launch_bounds__(256) reduce_chunks(double* parts, const float* x, i64 n, i64 middle, i64 inner, i64 chunk, i64 chunks,
                                                                int kind) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 i = e % inner, c = e / inner % chunks, o = e / inner / chunks;
    double acc = reduce_start(kind);
    i64 end = min((c + 1) * chunk, middle);
    for (i64 m = c * chunk; m < end; m++) acc = reduce_add(kind, acc, x[(o * middle + m) * inner + i]);
    parts[e] = acc;
  }
}

extern "C" __global__ void __launch_bounds__(256) reduce_total(float* y, const double* parts, i64 n, i64 middle, i64 inner, i64 chunks, int kind) {
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 first = e / inner * chunks * inner + e % inner;
    double acc = parts[first];
    // Several loads on their way at a time: one output may have all chunks.
    constexpr int ahead = 16;
    i64 c = 1;
    for (; c + ahead <= chunks; c += ahead) {
      double v[ahead];
#pragma unroll
      for (int k = 0; k < ahead; k++) v[k] = parts[first + (c + k) * inner];
#pragma unroll
      for (int k = 0; k < ahead; k++) acc = reduce_join(kind, acc, v[k]);
    }
    for (; c < chunks; c++) acc = reduce_join(kind, acc, parts[first + c * inner]);
    y[e] = reduce_finish(kind, acc, middle);
  }
}

// Kept dimensions (k) and reduced ones (r), innermost first, with the strides of
// x (s, t).
#define WALK_ARGUMENTS                                                                                                                    \
  int k0, int k1, int k2, int k3, int k4, int k5, int k6, int k7, i64 s0, i64 s1, i64 s2, i64 s3, i64 s4, i64 s5, i64 s6, i64 s7, int r0, int r1, \
      int r2, int r3, int r4, int r5, int r6, int r7, i64 t0, i64 t1, i64 t2, i64 t3, i64 t4, i64 t5, i64 t6, i64 t7
#define WALK_ARRAYS                                                                                                               \
  const int kept[8] = {k0, k1, k2, k3, k4, k5, k6, k7}, reduced[8] = {r0, r1, r2, r3, r4, r5, r6, r7};                              \
  const i64 kept_strides[8] = {s0, s1, s2, s3, s4, s5, s6, s7}, reduced_strides[8] = {t0, t1, t2, t3, t4, t5, t6, t7}

__device__ __forceinline__ i64 walk(i64 e, const int (&sizes)[8], const i64 (&strides)[8]) {
  i64 at = 0;
#pragma unroll
  for (int d = 0; d < 8; d++) {
    if (sizes[d] == 1) continue;
    i64 next = e / sizes[d];
    at += (e - next * sizes[d]) * strides[d];
    e = next;
  }
  return at;
}

extern "C" __global__ void __launch_bounds__(256) reduce_scattered(float* y, const float* x, i64 n, i64 count, int kind, WALK_ARGUMENTS) {
  WALK_ARRAYS;
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    const float* p = x + walk(e, kept, kept_strides);
    double acc = reduce_start(kind);
    for (i64 i = 0; i < count; i++) acc = reduce_add(kind, acc, p[walk(i, reduced, reduced_strides)]);
    y[e] = reduce_finish(kind, acc, count);
  }
}

// reduce_grad: an output's inputs to a thread. n outputs of count inputs each;
// factor is that of a sum or a mean.
extern "C" __global__ void __launch_bounds__(256) reduce_grad(float* dx, const float* dy, const float* x, const float* y, i64 n, i64 count, float factor,
                                                              int kind, WALK_ARGUMENTS) {
  WALK_ARRAYS;
  for (i64 e = (i64)blockIdx.x * blockDim.x + threadIdx.x; e < n; e += (i64)gridDim.x * blockDim.x) {
    i64 base = walk(e, kept, kept_strides);
    float d = dy[e];
    if (kind == kind_sum || kind == kind_mean) {
      d *= factor;
      for (i64 i = 0; i < count; i++) dx[base + walk(i, reduced, reduced_strides)] = d;
    } else if (kind == kind_l2) {
      float f = y[e] != 0 ? __fdiv_rn(d, y[e]) : 0.0f;
      for (i64 i = 0; i < count; i++) {
        i64 at = base + walk(i, reduced, reduced_strides);
        dx[at] = f * x[at];
      }
    } else if (kind == kind_prod) {
      i64 zeros = 0;
      double product = 1;
      for (i64 i = 0; i < count; i++) {
        float v = x[base + walk(i, reduced, reduced_strides)];
        if (v == 0) zeros++;
        else product *= (double)v;
      }
      for (i64 i = 0; i < count; i++) {
        i64 at = base + walk(i, reduced, reduced_strides);
        float v = x[at];
        float g = 0;
        if (zeros == 0) g = (float)((double)d * product / (double)v);
        else if (zeros == 1 && v == 0) g = (float)((double)d * product);
        dx[at] = g;
      }
    } else {
      i64 ties = 0;
      for (i64 i = 0; i < count; i++) ties += x[base + walk(i, reduced, reduced_strides)] == y[e];
      d = __fdiv_rn(d, (float)max(ties, (i64)1));
      for (i64 i = 0; i < count; i++) {
        i64 at = base + walk(i, reduced, reduced_strides);
        dx[at] = x[at] == y[e] ? d : 0.0f;
      }
    }
  }
}
