// scale_search: scale and zero point of a tensor from the histogram of its
// values, by percentile, squared error or divergence (quant.RangeSearch). One
// block; a thread has a candidate.
//
// Targets: 75
#include "histogram.cuh"
#include "logarithm.cuh"
#include "shrink.cuh"

constexpr int search_percentile = 0, search_mse = 1;
constexpr int ends_steps = 100;

struct histogram {
  const i64* counts;
  double width, total;
  int first, bottom, top, bins;
  __device__ __forceinline__ double edge(int i) const { return (double)(first + i) * width; }
};

// load_histogram is RangeSearch.load: false in all threads where there is none.
__device__ __forceinline__ bool load_histogram(histogram* h, const i64* counts, const float* ends, int bins) {
  SHARED(int, range, [3]);  // bottom, top, whether a count is negative
  SHARED(u64, number, [1]);
  if (threadIdx.x == 0) range[0] = bins, range[1] = -1, range[2] = 0, number[0] = 0;
  __syncthreads();
  int bottom = bins, top = -1, negative = 0;
  u64 sum = 0;
  for (int i = threadIdx.x; i < bins; i += blockDim.x) {
    i64 c = counts[i];
    negative |= c < 0;
    if (c <= 0) continue;
    bottom = min(bottom, i);
    top = i;
    sum += (u64)c;
  }
  atomicMin(&range[0], bottom);
  atomicMax(&range[1], top);
  atomicOr(&range[2], negative);
  atomicAdd(&number[0], sum);
  __syncthreads();
  h->counts = counts;
  h->bins = bins;
  h->bottom = range[0];
  h->top = range[1];
  h->total = (double)number[0];
  return bin_width(ends, bins, &h->width, &h->first) && range[1] >= 0 && range[2] == 0;
}

// fold adds up the bins of equal magnitude.
__device__ __forceinline__ void fold(const histogram& h, double* magnitudes) {
  for (int m = threadIdx.x; m < h.bins; m += blockDim.x) {
    int below = -m - 1 - h.first, above = m - h.first;
    double v = 0;
    if (below >= h.bottom && below <= h.top) v += (double)h.counts[below];
    if (above >= h.bottom && above <= h.top) v += (double)h.counts[above];
    magnitudes[m] = v;
  }
  __syncthreads();
}

// keep returns the range of the percentile: one thread.
__device__ __forceinline__ void keep(const histogram& h, const double* magnitudes, bool symmetric, double percentile, double lo, double hi, float* least,
                                     float* most) {
  double tail = (1 - percentile / 100) * h.total;
  if (symmetric) {
    int i = h.bins - 1;
    double left = tail;
    while (i > 0 && magnitudes[i] <= left) left -= magnitudes[i--];
    double t = (double)(i + 1) * h.width;
    if (magnitudes[i] > 0) t -= h.width * fmin(left / magnitudes[i], 1.0);
    *least = (float)fmax(lo, -t);
    *most = (float)fmin(hi, t);
    return;
  }
  tail /= 2;
  int i = h.bottom;
  double left = tail;
  while (i < h.top && (double)h.counts[i] <= left) left -= (double)h.counts[i++];
  double from = h.edge(i) + h.width * fmin(left / (double)max(h.counts[i], (i64)1), 1.0);
  i = h.top;
  left = tail;
  while (i > h.bottom && (double)h.counts[i] <= left) left -= (double)h.counts[i--];
  double to = h.edge(i + 1) - h.width * fmin(left / (double)max(h.counts[i], (i64)1), 1.0);
  *least = (float)fmin(fmax(from, lo), 0.0);
  *most = (float)fmax(fmin(to, hi), 0.0);
}

// expected is the expected squared error.
__device__ __forceinline__ double expected(const histogram& h, float scale, int zero, int lo, int hi) {
  double s = (double)scale, k = (double)(lo - zero), last = (double)(hi - zero), total = 0;
  for (int i = h.bottom; i <= h.top; i++) {
    if (h.counts[i] == 0 || h.first + i == 0) continue;
    double x = h.edge(i), end = h.edge(i + 1);
    while (k < last && (k + 0.5) * s <= x) k++;
    double sum = 0;
    while (x < end) {
      double to = end;
      if (k < last) to = fmin(to, (k + 0.5) * s);
      double p = to - k * s, q = x - k * s;
      sum += p * p * p - q * q * q;
      x = to;
      if (x < end) k++;
    }
    total += sum / (3 * h.width) * (double)h.counts[i];
  }
  return total;
}

// divergence is that of the first n of the magnitudes p, of total of all.
__device__ __forceinline__ double divergence(const double* p, const double* logs, int n, int levels, double total) {
  double inside = 0, sum = 0, level = 0;
  int j = 0, last = n - 1;
  for (int l = 0; l < levels; l++) {
    int end = (int)min(((i64)(l + 1) * n + levels - 1) / levels, (i64)n), used = 0;
    if (end == j) continue;
    double c = 0;
    for (int i = j; i < end; i++) {
      c += p[i];
      used += p[i] != 0;
    }
    inside += c;
    level = used > 0 ? log_stable(c / (double)used) : 0.0;
    for (; j < end; j++)
      if (j < last && p[j] != 0) sum += p[j] * (logs[j] - level);
  }
  double rest = total - inside;
  if (inside == 0 || (p[last] == 0 && rest > 0)) return __longlong_as_double(0x7ff0000000000000ll);
  double c = p[last] + rest;
  if (c > 0) sum += c * (log_stable(c) - level);
  return sum / total - log_stable(total) + log_stable(inside);
}

// bins_to_keep is RangeSearch.threshold of the magnitudes p up to the last that
// is not 0.
__device__ __forceinline__ int bins_to_keep(double* p, double* logs, double* errors, int bins, int levels) {
  SHARED(int, found, [1]);
  if (threadIdx.x == 0) found[0] = 1;
  __syncthreads();
  int mine = 1;
  for (int i = threadIdx.x; i < bins; i += blockDim.x)
    if (p[i] != 0) mine = i + 1;
  atomicMax(&found[0], mine);
  __syncthreads();
  int stop = found[0];
  if (stop <= 1 || stop <= levels) return stop;
  __syncthreads();
  if (threadIdx.x == 0) p[0] = p[1];
  __syncthreads();
  double total = 0;  // Counts: exact in any order.
  for (int i = 0; i < stop; i++) total += p[i];
  for (int i = threadIdx.x; i < stop; i += blockDim.x) logs[i] = log_stable(fmax(p[i], 1.0));
  __syncthreads();
  int start = max(max(levels, stop / 16), 1);
  for (int n = start + threadIdx.x; n <= stop; n += blockDim.x) errors[n - 1] = divergence(p, logs, n, levels, total);
  __syncthreads();
  if (threadIdx.x == 0) {
    double best = __longlong_as_double(0x7ff0000000000000ll);
    int at = stop;
    for (int n = start; n <= stop; n++)
      if (errors[n - 1] <= best) best = errors[n - 1], at = n;
    found[0] = at;
  }
  __syncthreads();
  return found[0];
}

// work has room for three numbers a bin.
extern "C" __global__ void __launch_bounds__(256) scale_search(float* scale, int* zero, const i64* counts, const float* ends, int bins, double* work,
                                                               int method, double percentile, int lo, int hi, SCALE_ARGUMENTS, u32* bad) {
  histogram h;
  bool usable = load_histogram(&h, counts, ends, bins);
  if (!usable || (method == search_percentile && !(percentile > 0 && percentile <= 100))) {
    if (threadIdx.x == 0) atomicAdd(bad + 1, 1u);
    return;
  }
  scale_rule rule = SCALE_RULE;
  bool symmetric = scheme_flags & scheme_symmetric;
  double top = h.first + h.top < 0 ? 0.0 : h.edge(h.top + 1), bottom = fmin(h.edge(h.bottom), 0.0);
  if (method != search_mse) {
    fold(h, work);
    float least, most;
    if (method == search_percentile) {
      if (threadIdx.x != 0) return;
      keep(h, work, symmetric, percentile, bottom, top, &least, &most);
    } else {
      int levels = hi - lo + 1;
      if ((symmetric && scheme_flags & scheme_signed) || (bottom < 0 && top > 0)) levels = max(levels / 2, 1);
      double edge = (double)bins_to_keep(work, work + bins, work + 2 * bins, bins, levels) * h.width;
      least = (float)fmax(bottom, -edge);
      most = (float)fmin(top, edge);
    }
    if (threadIdx.x == 0 && !scale_zero_of(rule, least, most, scale, zero)) atomicAdd(bad + 1, 1u);
    return;
  }
  choice best = choice_of_none();
  double error = 0;
  // Ranges are float32 before they shrink.
  for (int round = 0; round < 2; round++) {
    trial t = make_trial(rule, round, best.at, threadIdx.x, (double)(float)bottom, (double)(float)top);
    if (!t.without) error = expected(h, t.scale, t.zero, lo, hi);
    choose(&best, t, error);
  }
  if (!symmetric && bottom != 0 && top != 0) {
    float from = __fmul_rn((float)(lo - best.zero), best.scale), to = __fmul_rn((float)(hi - best.zero), best.scale);
    for (int turn = 0; turn < 4; turn++) {
      bool low = turn % 2 == 0;
      auto moved = [&](int i) { return (float)((low ? bottom : top) * ((double)i / ends_steps)); };
      int i = threadIdx.x + 1;
      trial t = {0, 0, i, i > ends_steps};
      if (!t.without) t.without = !scale_zero_of(rule, low ? moved(i) : from, low ? to : moved(i), &t.scale, &t.zero);
      if (!t.without) error = expected(h, t.scale, t.zero, lo, hi);
      best.at = 0;
      choose(&best, t, error);
      if (best.at > 0 && low) from = moved(best.at);
      if (best.at > 0 && !low) to = moved(best.at);
    }
  }
  if (threadIdx.x == 0) scale[0] = best.scale, zero[0] = best.zero;
}
