#include "warp.h"

#include "block.h"

namespace sim {

namespace {

struct Shuffle {
  uint64_t bits, result;
  int from;
};

void combine_shuffle(uint32_t mask, void* const* arguments) {
  for (int l = 0; l < 32; l++) {
    if (!(mask >> l & 1)) continue;
    Shuffle* s = (Shuffle*)arguments[l];
    if (!(mask >> s->from & 1)) fault(launch_failed, "lane %d shuffles from lane %d, which takes no part", l, s->from);
    s->result = ((Shuffle*)arguments[s->from])->bits;
  }
}

struct Vote {
  int predicate;
  uint32_t result;
};

void combine_ballot(uint32_t mask, void* const* arguments) {
  uint32_t bits = 0;
  for (int l = 0; l < 32; l++)
    if (mask >> l & 1 && ((Vote*)arguments[l])->predicate) bits |= 1u << l;
  for (int l = 0; l < 32; l++)
    if (mask >> l & 1) ((Vote*)arguments[l])->result = bits;
}

void combine_match(uint32_t mask, void* const* arguments) {
  for (int l = 0; l < 32; l++) {
    if (!(mask >> l & 1)) continue;
    Shuffle* s = (Shuffle*)arguments[l];
    uint32_t same = 0;
    for (int o = 0; o < 32; o++)
      if (mask >> o & 1 && ((Shuffle*)arguments[o])->bits == s->bits) same |= 1u << o;
    s->result = same;
  }
}

void combine_sync(uint32_t, void* const*) { here.worker->warp_sync[here.warp]++; }

struct Matrix {
  uint32_t* r;
  int matrices;
  bool transpose;
  const void* row;
};

void whole_warp(uint32_t mask, const char* what) {
  if (mask != 0xffffffffu) fault(launch_failed, "%s by a part of a warp (lanes %08x)", what, mask);
}

void combine_ldmatrix(uint32_t mask, void* const* arguments) {
  whole_warp(mask, "ldmatrix");
  Matrix* first = (Matrix*)arguments[0];
  uint8_t rows[4][8][16];
  for (int j = 0; j < first->matrices; j++)
    for (int i = 0; i < 8; i++) {
      const void* row = ((Matrix*)arguments[8 * j + i])->row;
      if ((uintptr_t)row % 16) fault(misaligned, "ldmatrix: the row address of lane %d is no multiple of 16", 8 * j + i);
      if (!in_shared(row)) fault(illegal_address, "ldmatrix: the row address of lane %d is not in shared memory", 8 * j + i);
      shared_read(row, 16);
      memcpy(rows[j][i], row, 16);
    }
  for (int l = 0; l < 32; l++) {
    Matrix* a = (Matrix*)arguments[l];
    if (a->matrices != first->matrices || a->transpose != first->transpose) fault(launch_failed, "lanes differ in the form of ldmatrix");
    for (int j = 0; j < a->matrices; j++) {
      if (!a->transpose) {
        memcpy(&a->r[j], &rows[j][l / 4][4 * (l % 4)], 4);
        continue;
      }
      uint16_t lo, hi;
      memcpy(&lo, &rows[j][2 * (l % 4)][2 * (l / 4)], 2);
      memcpy(&hi, &rows[j][2 * (l % 4) + 1][2 * (l / 4)], 2);
      a->r[j] = lo | (uint32_t)hi << 16;
    }
  }
}

struct Product {
  void* d;
  const uint32_t *a, *b;
  int m, k;
  bool a_signed;
};

int byte_of(const uint32_t* r, int i, bool is_signed) {
  uint8_t v = (uint8_t)(r[i / 4] >> 8 * (i % 4));
  return is_signed ? (int8_t)v : v;
}

void combine_mma_s32(uint32_t mask, void* const* arguments) {
  whole_warp(mask, "mma");
  Product* p0 = (Product*)arguments[0];
  int m = p0->m, k = p0->k;
  int16_t a[16][32], b[8][32];  // Rows of a, columns of b.
  int a_bytes = m * k / 32, b_bytes = k * 8 / 32;
  for (int l = 0; l < 32; l++) {
    Product* p = (Product*)arguments[l];
    if (p->m != m || p->k != k || p->a_signed != p0->a_signed) fault(launch_failed, "lanes differ in the form of mma");
    int g = l / 4, t = l % 4;
    for (int i = 0; i < a_bytes; i++) {
      int row = m == 8 ? g : g + 8 * (i / 4 % 2);
      int col = 4 * t + i % 4 + 16 * (m == 8 ? 0 : i / 8);
      a[row][col] = (int16_t)byte_of(p->a, i, p->a_signed);
    }
    for (int i = 0; i < b_bytes; i++) b[g][4 * t + i % 4 + 16 * (i / 4)] = (int16_t)byte_of(p->b, i, true);
  }
  for (int l = 0; l < 32; l++) {
    Product* p = (Product*)arguments[l];
    int32_t* d = (int32_t*)p->d;
    int g = l / 4, t = l % 4;
    for (int i = 0; i < m / 4; i++) {
      const int16_t* x = a[g + 8 * (i / 2)];
      const int16_t* y = b[2 * t + i % 2];
      int32_t sum = 0;
      for (int j = 0; j < k; j++) sum += x[j] * y[j];
      d[i] = (int32_t)((uint32_t)d[i] + (uint32_t)sum);
    }
  }
}

float half_of(const uint32_t* r, int i) {
  uint32_t u = i % 2 ? r[i / 2] & 0xffff0000u : r[i / 2] << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

// The sum of 16 products is rounded once, to float32: products of bf16 are
// exact in float64, and so is their sum unless exponents lie far apart. What
// the hardware rounds it does not say; integers below 2^24 are exact on both.
void combine_mma_f32(uint32_t mask, void* const* arguments) {
  whole_warp(mask, "mma");
  double a[16][16], b[8][16];
  for (int l = 0; l < 32; l++) {
    Product* p = (Product*)arguments[l];
    int g = l / 4, t = l % 4;
    for (int i = 0; i < 8; i++) a[g + 8 * (i / 2 % 2)][2 * t + i % 2 + 8 * (i / 4)] = half_of(p->a, i);
    for (int i = 0; i < 4; i++) b[g][2 * t + i % 2 + 8 * (i / 2)] = half_of(p->b, i);
  }
  for (int l = 0; l < 32; l++) {
    Product* p = (Product*)arguments[l];
    float* d = (float*)p->d;
    for (int i = 0; i < 4; i++) {
      const double* x = a[l / 4 + 8 * (i / 2)];
      const double* y = b[2 * (l % 4) + i % 2];
      double sum = d[i];
      for (int j = 0; j < 16; j++) sum += x[j] * y[j];
      d[i] = (float)sum;
    }
  }
}

}  // namespace

void fence() {
  here.worker->fenced = true;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void warp_sync(uint32_t mask) { arrive(Collective::sync, mask, nullptr, combine_sync); }

uint64_t shuffle_bits(uint32_t mask, uint64_t bits, int from) {
  Shuffle s{bits, 0, from};
  arrive(Collective::shuffle, mask, &s, combine_shuffle);
  return s.result;
}

uint32_t ballot(uint32_t mask, int predicate) {
  Vote v{predicate, 0};
  arrive(Collective::ballot, mask, &v, combine_ballot);
  return v.result;
}

uint32_t match(uint32_t mask, uint64_t bits) {
  Shuffle s{bits, 0, 0};
  arrive(Collective::match, mask, &s, combine_match);
  return (uint32_t)s.result;
}

void ldmatrix(uint32_t* r, int matrices, bool transpose, const void* row) {
  Matrix m{r, matrices, transpose, row};
  arrive(Collective::ldmatrix, 0xffffffffu, &m, combine_ldmatrix);
}

void mma_s32(int32_t* d, const uint32_t* a, const uint32_t* b, int m, int k, bool a_signed) {
  Product p{d, a, b, m, k, a_signed};
  arrive(Collective::mma, 0xffffffffu, &p, combine_mma_s32);
}

void mma_f32(float* d, const uint32_t* a, const uint32_t* b) {
  Product p{d, a, b, 0, 0, true};
  arrive(Collective::mma, 0xffffffffu, &p, combine_mma_f32);
}

void cp_async(void* to, const void* from, uint32_t bytes, bool copy) {
  if ((uintptr_t)to % bytes || (copy && (uintptr_t)from % bytes)) fault(misaligned, "asynchronous copy: an address is no multiple of %u", bytes);
  if (!in_shared(to)) fault(illegal_address, "asynchronous copy to %p, which is not in shared memory", to);
  Thread& t = here.worker->threads[here.linear];
  t.copies.push_back({t.copy_group, to, from, bytes, !copy});
}

void cp_async_commit() { here.worker->threads[here.linear].copy_group++; }

void cp_async_wait(int pending) {
  Thread& t = here.worker->threads[here.linear];
  size_t kept = 0;
  for (Copy c : t.copies) {
    if (c.group + (unsigned)pending >= t.copy_group) {
      t.copies[kept++] = c;
      continue;
    }
    shared_write(c.to, c.bytes);
    if (c.zero) {
      memset(c.to, 0, c.bytes);
    } else {
      global_read(c.from, c.bytes);
      memcpy(c.to, c.from, c.bytes);
    }
  }
  t.copies.resize(kept);
}

uint32_t shared_offset(const void* p) {
  if (!in_shared(p)) fault(illegal_address, "%p is not in shared memory", p);
  return (uint32_t)((uint64_t)p - (uint64_t)here.worker->shared);
}

void misaligned_vector(uintptr_t p, size_t n) { fault(misaligned, "a vector of %zu bytes at %p, which is no multiple of that", n, (void*)p); }

void before_load(const void* p, size_t n) {
  if ((uintptr_t)p % n) fault(misaligned, "read of %zu bytes at %p, which is no multiple of that", n, p);
  check_read(p, n);
}

void before_store(void* p, size_t n) {
  if ((uintptr_t)p % n) fault(misaligned, "write of %zu bytes at %p, which is no multiple of that", n, p);
  check_write(p, n);
}

void before_atomic(void* p, size_t n) {
  if ((uintptr_t)p % n) fault(misaligned, "atomic operation on %zu bytes at %p, which is no multiple of that", n, p);
  if (!in_shared(p)) {
    global_atomic(p, n);
    return;
  }
  // Atomics do not race with each other, but with plain accesses they do: the
  // bytes count as this thread's.
  Worker* w = here.worker;
  bool races = w->races, warp_races = w->warp_races;
  w->races = w->warp_races = false;
  shared_read(p, n);
  shared_write(p, n);
  w->races = races, w->warp_races = warp_races;
}

}  // namespace sim
