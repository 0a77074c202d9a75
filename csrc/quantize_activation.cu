// quantize_activation: v = x * factor + addend of the channel, clamped, to codes
// and the mask of the elements inside both; quantize_activation_grad: sums over
// d = dy where the mask is set, and dx. 5.125 bytes an element forward; backward 8.25
// for the sums and 12.125 for dx.
//
// Targets: 75
#include "columns.cuh"
#include "elements.cuh"

// clamped applies factor and addend of a channel (affine null: none), and says
// whether the result lies between the bounds.
struct activation {
  const float* affine;
  int channels;
  float lo, hi;
  __device__ __forceinline__ float operator()(float x, i64 i, bool* between) const {
    if (affine) {
      int c = (int)(i % channels);
      x = x * affine[c] + affine[channels + c];
    }
    *between = x > lo && x < hi;
    x = x < lo ? lo : x;
    return x > hi ? hi : x;
  }
};

// ends, unless null, are the least and the greatest clamped v as ordered
// integers, and whether there is a NaN: what clamp_range reads.
extern "C" __global__ void __launch_bounds__(256) quantize_activation(u8* codes, u8* mask, const float* x, const float* scale, const int* zero,
                                                                      const float* affine, u32* ends, i64 n, int channels, float act_lo, float act_hi,
                                                                      int rule, int lo, int hi, u32* nan) {
  i64 warp = ((i64)blockIdx.x * blockDim.x + threadIdx.x) / warp_size;
  i64 warps = (i64)gridDim.x * blockDim.x / warp_size;
  int lane = threadIdx.x % warp_size;
  bool vector = aligned(x, 16) && aligned(codes, 4);
  u32 bad = 0;
  quantizer q = make_quantizer(rule, scale[0], zero[0], lo, hi);
  activation a{affine, channels, act_lo, act_hi};
  float least = __uint_as_float(0x7f800000u), most = -least;
  for (i64 at = warp * warp_elements; at < n; at += warps * warp_elements) {
    i64 i = at + (i64)lane * lane_elements;
    int count = (int)min(max(n - i, (i64)0), (i64)lane_elements);
    float v[lane_elements] = {};
    if (vector && count == lane_elements) {
      float4 four = load_once(reinterpret_cast<const float4*>(x + i));
      v[0] = four.x, v[1] = four.y, v[2] = four.z, v[3] = four.w;
    } else {
      for (int k = 0; k < lane_elements; k++)
        if (k < count) v[k] = x[i + k];
    }
    u32 nibble = 0, bytes = 0;
#pragma unroll
    for (int k = 0; k < lane_elements; k++) {
      if (k >= count) break;
      bool between;
      float f = a(v[k], i + k, &between);
      least = f < least ? f : least;
      most = f > most ? f : most;
      int r = integer(q, f);
      bad += r == not_code;
      nibble |= (u32)(inside(q, r) && between) << k;
      bytes |= (u32)(u8)code(q, r) << 8 * k;
    }
    if (codes) {
      if (vector && count == lane_elements) {
        *reinterpret_cast<u32*>(codes + i) = bytes;
      } else {
        for (int k = 0; k < lane_elements; k++)
          if (k < count) codes[i + k] = (u8)(bytes >> 8 * k);
      }
    }
    if (mask) store_mask(mask, at, n, nibble);
  }
  bad = warp_sum((int)bad);
  if (lane == 0 && bad > 0) atomicAdd(nan, bad);
  if (!ends) return;
  least = warp_min(least);
  most = warp_max(most);
  if (lane != 0) return;
  atomicMin(ends, ordered(least));
  atomicMax(ends + 1, ordered(most));
  if (bad > 0) atomicAdd(ends + 2, 1u);
}

__device__ __forceinline__ float masked(float dy, const u8* mask, i64 i) { return mask[i / 8] >> (i & 7) & 1 ? dy : 0.0f; }

// Sums of d, of d * (x - mean), and of the gradient of the scale when learn is
// set. affine null: one column of zeros for the first two.
extern "C" __global__ void __launch_bounds__(256) quantize_activation_sums(double* parts, const float* dy, const u8* mask, const float* x,
                                                                           const float* scale, const int* zero, const float* affine,
                                                                           row_blocks b, int columns, float act_lo, float act_hi, int rule, int lo, int hi,
                                                                           int learn, u32* nan) {
  quantizer q = make_quantizer(rule, scale[0], zero[0], lo, hi);
  activation a{affine, columns, act_lo, act_hi};
  float below = (float)((i64)lo - zero[0]), above = (float)((i64)hi - zero[0]);
  u32 bad = 0;
  column_blocks<2, 1>(parts, b, columns, [&](i64 row, int column, float* v, double* e) {
    i64 i = row * columns + column;
    float f = x[i];
    float d = masked(dy[i], mask, i);
    v[0] = d;
    v[1] = affine ? d * (f - affine[2 * columns + column]) : 0.0f;
    e[0] = 0;
    if (!learn) return;
    bool between;
    float c = a(f, i, &between), g = dy[i];
    int r = integer(q, c);
    float t = rule & rule_reciprocal ? c * q.factor : __fdiv_rn(c, q.factor);
    if (r == not_code) bad++;
    else if (r < lo) e[0] = (double)(g * below);
    else if (r > hi) e[0] = (double)(g * above);
    else e[0] = (double)(g * ((float)(r - zero[0]) - t));
  });
  if (bad > 0) atomicAdd(nan, bad);
}

// coefficients are [3, columns]: of d, of x - mean, plus.
extern "C" __global__ void __launch_bounds__(256) quantize_activation_finish(float* coefficients, float* dgamma, float* dbeta, const float* affine,
                                                                             const float* gamma, const double* parts, int chunks, i64 rows,
                                                                             int columns) {
  int j = blockIdx.x * blockDim.x + threadIdx.x;
  if (j >= columns) return;
  double n = (double)rows, inv = affine[3 * columns + j], a = (double)gamma[j] * inv;
  double sum = column_total<3>(parts, chunks, columns, 0, j), product = column_total<3>(parts, chunks, columns, 1, j);
  if (dbeta) dbeta[j] = (float)sum;
  if (dgamma) dgamma[j] = (float)(product * inv);
  coefficients[j] = (float)a;
  coefficients[columns + j] = (float)(-a * inv * inv * product / n);
  coefficients[2 * columns + j] = (float)(-a * sum / n);
}

// quantize_activation_scale is one block: the gradient of the scale. A thread
// has a column, as there are many loads, and the first adds them up in order.
extern "C" __global__ void __launch_bounds__(256) quantize_activation_scale(float* dscale, const double* parts, int chunks, int columns, double factor) {
  SHARED(double, totals, [256]);
  double s = 0;
  for (int from = 0; from < columns; from += blockDim.x) {
    int j = from + (int)threadIdx.x, here = min(columns - from, (int)blockDim.x);
    if (j < columns) totals[threadIdx.x] = column_total<3>(parts, chunks, columns, 2, j);
    __syncthreads();
    if (threadIdx.x == 0) {
#pragma unroll 8
      for (int i = 0; i < here; i++) s += totals[i];
    }
    __syncthreads();
  }
  if (threadIdx.x == 0) dscale[0] = (float)(s * factor);
}

// coefficients null: dx = d.
extern "C" __global__ void __launch_bounds__(256) quantize_activation_grad(float* dx, const float* dy, const u8* mask, const float* x, const float* affine,
                                                                           const float* coefficients, i64 n, int columns) {
  i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x;
  i64 threads = (i64)gridDim.x * blockDim.x;
  for (i64 i = thread; i < n; i += threads) {
    float d = masked(dy[i], mask, i);
    if (coefficients) {
      int j = (int)(i % columns);
      d = d * coefficients[j] + (x[i] - affine[2 * columns + j]) * coefficients[columns + j] + coefficients[2 * columns + j];
    }
    dx[i] = d;
  }
}
