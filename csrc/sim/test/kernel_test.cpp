// What kernels compute: each operation against its definition, written here
// anew, for ascending and other orders of blocks and for one and several OS
// threads.
#include <cmath>

#include "check.h"

static void each_order(const std::function<void()>& body) {
  for (int o = 0; o < 3; o++)
    for (unsigned threads : {1u, 3u}) {
      SIM(goqatsim_set_order)(o);
      SIM(goqatsim_set_threads)(threads);
      body();
    }
}

TEST(index) {
  each_order([] {
    for (auto g : {std::vector<unsigned>{3, 2, 2, 4, 3, 5}, {1, 1, 1, 1024, 1, 1}, {700, 1, 1, 33, 1, 1}, {1, 1, 7, 1, 1, 64}}) {
      unsigned blocks = g[0] * g[1] * g[2], n = g[3] * g[4] * g[5];
      Array<uint32_t> out(blocks * n);
      void* p[] = {&out.p};
      OK(cuLaunchKernel(kernel("t_index"), g[0], g[1], g[2], g[3], g[4], g[5], 0, nullptr, p, nullptr));
      OK(out.to_host());
      for (unsigned b = 0; b < blocks; b++)
        for (unsigned t = 0; t < n; t++) EQUAL(out[b * n + t], b * 1000 + t);
    }
  });
}

TEST(shared_memory) {
  each_order([] {
    Array<int> in(40 * 256), out(40 * 256);
    for (int i = 0; i < 40 * 256; i++) in[i] = i;
    in.to_device();
    OK(launch("t_reverse", 40, 256, 0, in.p, out.p));
    OK(out.to_host());
    for (int i = 0; i < 40 * 256; i++) EQUAL(out[i], i / 256 * 256 + 255 - i % 256);
    OK(launch("t_dynamic", 1, 96, 4000, in.p, out.p, 1000));
    OK(out.to_host());
    for (int i = 0; i < 1000; i++) EQUAL(out[i], 999 - i);
  });
}

TEST(barrier_votes) {
  Array<int> out(5);
  OK(launch("t_vote_block", 1, 200, 0, out.p));
  OK(out.to_host());
  EQUAL(out[0], 67);
  EQUAL(out[1], 1);
  EQUAL(out[2], 1);
  EQUAL(out[3], 0);
  EQUAL(out[4], 0);
}

TEST(shuffles) {
  each_order([] {
    Array<int> out(64 * 8);
    OK(launch("t_shuffle", 1, 64, 0, out.p));
    OK(out.to_host());
    for (int t = 0; t < 64; t++) {
      int l = t % 32, w = 100 * (t / 32), s = l / 8 * 8;
      EQUAL(out[t * 8], w + 5);
      EQUAL(out[t * 8 + 1], w + (l < 3 ? l : l - 3));
      EQUAL(out[t * 8 + 2], w + (l + 4 > 31 ? l : l + 4));
      EQUAL(out[t * 8 + 3], w + (l ^ 9));
      EQUAL(out[t * 8 + 4], w + s + 3);
      EQUAL(out[t * 8 + 5], w + (l - s < 2 ? l : l - 2));
      EQUAL(out[t * 8 + 6], w + (l - s + 2 > 7 ? l : l + 2));
      EQUAL(out[t * 8 + 7], w + (l ^ 1));
    }
  });
}

TEST(votes) {
  each_order([] {
    Array<uint32_t> out(96 * 6);
    OK(launch("t_vote_warp", 1, 96, 0, out.p));
    OK(out.to_host());
    for (uint32_t t = 0; t < 96; t++) {
      uint32_t l = t % 32, fives = 0, same = 0;
      for (uint32_t i = 0; i < 32; i++) {
        if (i % 5 == 0) fives |= 1u << i;
        if (i / 7 == l / 7) same |= 1u << i;
      }
      EQUAL(out[t * 6], fives);
      EQUAL(out[t * 6 + 1], 1u);
      EQUAL(out[t * 6 + 2], 1u);
      EQUAL(out[t * 6 + 3], 0u);
      EQUAL(out[t * 6 + 4], same);
      EQUAL(out[t * 6 + 5], l < 16 ? 0xaaaau : l ^ 1);
    }
  });
}

TEST(warp_reductions) {
  Array<float> in(32), out(96);
  Array<double> sum64(32);
  Array<int> sum32(32);
  Random r;
  float sum = 0, hi = -1e9f, lo = 1e9f;
  for (float& v : in.host) v = (float)(int)(r.next() % 2001) / 8 - 125, sum += v, hi = fmaxf(hi, v), lo = fminf(lo, v);
  in.to_device();
  OK(launch("t_sums", 1, 32, 0, in.p, out.p, sum64.p, sum32.p));
  OK(out.to_host());
  OK(sum64.to_host());
  OK(sum32.to_host());
  for (int t = 0; t < 32; t++) {
    CHECK(out[t * 3] == sum);  // Multiples of 1/8: exact in any order.
    CHECK(out[t * 3 + 1] == hi);
    CHECK(out[t * 3 + 2] == lo);
    CHECK(sum64[t] == (double)sum);
    EQUAL(sum32[t], 496);
  }
}

TEST(atomics) {
  each_order([] {
    const unsigned blocks = 60, n = 128, all = blocks * n;
    Array<int> i({0, -1000, 1000});
    Array<uint32_t> u({0, 0, 0xffffffffu, 0, 0, 0, 0, 0, 0});
    Array<uint64_t> l({0, 0, 0, 0});
    Array<float> f(1);
    Array<double> d(1);
    OK(launch("t_atomics", blocks, n, 0, i.p, u.p, l.p, f.p, d.p));
    OK(i.to_host());
    OK(u.to_host());
    OK(l.to_host());
    OK(f.to_host());
    OK(d.to_host());
    EQUAL(i[0], (int)all);
    EQUAL(i[1], (int)all - 1);
    EQUAL(i[2], 1 - (int)all);
    EQUAL(u[0], all);
    EQUAL(u[1], 0xffffffffu);
    EQUAL(u[2], 0xffffff00u);
    EQUAL(u[3], 0u);
    EQUAL(u[4], 0x7fffffffu);  // ordered(-0.0), the greatest.
    EQUAL(u[5], all % 10);
    EQUAL(u[6], 0u);
    EQUAL(u[7], 1234u);
    EQUAL(l[0], (uint64_t)all << 33);
    EQUAL(l[1], (uint64_t)(all - 1) << 32);
    EQUAL(l[2], (uint64_t)0 - (uint64_t)all * (all - 1) / 2);
    EQUAL(l[3], 0x121fa00ad77d7422ull);
    EQUAL(u[8], 0x80000000u + all - 1);
    CHECK(f[0] == (float)all);
    CHECK(d[0] == all * 0.5);
  });
}

TEST(last_block) {
  each_order([] {
    const unsigned blocks = 500;
    Array<float> parts(blocks), out(1);
    Array<uint32_t> done(1);
    for (int round = 0; round < 2; round++) {
      OK(launch("t_last_block", blocks, 32, 0, parts.p, done.p, out.p));
      OK(out.to_host());
      float want = 0;
      for (unsigned b = 0; b < blocks; b++) want += (float)(496 + 32 * b);
      CHECK(out[0] == want);
    }
  });
}

static uint32_t bits(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return u;
}

TEST(arithmetic) {
  std::vector<float> in = {0, -0.0f, 0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 1e10f, -1e10f, INFINITY, -INFINITY, NAN, 3.999f, -3.999f, 1e-40f, 2147483520.0f, 1.00390625f, 1.01171875f, 3.3e38f};
  Random r;
  for (int i = 0; i < 4000; i++) {
    uint32_t u = r.next() << 16 ^ r.next();
    float f;
    memcpy(&f, &u, 4);
    in.push_back(f);
  }
  int n = (int)in.size();
  Array<float> x(in);
  Array<int> out((size_t)n * 12);
  OK(launch("t_arithmetic", (unsigned)(n + 127) / 128, 128, 0, x.p, out.p, n));
  OK(out.to_host());
  for (int i = 0; i < n; i++) {
    float v = in[(size_t)i];
    const int* o = &out.host[(size_t)i * 12];
    uint32_t u = bits(v);
    auto saturated = [](double w) { return w != w ? 0 : w > 2147483647.0 ? 2147483647 : w < -2147483648.0 ? (int)-2147483648ll : (int)w; };
    EQUAL(o[0], saturated(nearbyint((double)v)));
    EQUAL(o[1], saturated(trunc((double)v)));
    uint32_t half = (uint32_t)o[2];
    if (v != v) {
      CHECK((half & 0x7f80) == 0x7f80 && (half & 0x7f) != 0);
    } else if (std::isinf(v)) {
      EQUAL(half, u >> 16);
    } else {
      // The nearest of the two neighbours, even when both are as near.
      uint32_t down = u >> 16, up = down + 1;
      uint32_t rest = u & 0xffff;
      EQUAL(half, rest > 0x8000 || (rest == 0x8000 && down % 2) ? up : down);
      EQUAL((uint32_t)o[3], half << 16);
    }
    EQUAL((uint32_t)o[5], u);
    EQUAL(o[6], __builtin_popcount(u));
    EQUAL(o[7], u ? __builtin_clz(u) : 32);
    uint32_t reversed = 0;
    for (int b = 0; b < 32; b++) reversed |= (u >> b & 1) << (31 - b);
    EQUAL((uint32_t)o[8], reversed);
    int dot = i;
    const int8_t b[4] = {-128, 127, -1, 1};
    for (int k = 0; k < 4; k++) dot += ((int8_t)(u >> 8 * k) + (uint8_t)(u >> 8 * k)) * b[k];
    EQUAL(o[9], dot);
    // Selectors 1, 3, b (the sign of byte 3), 4 of the second word.
    uint32_t byte3 = u >> 24;
    uint32_t want = (u >> 8 & 255) | byte3 << 8 | (byte3 & 0x80 ? 0xff0000u : 0) | 0x44u << 24;
    EQUAL((uint32_t)o[10], want);
    volatile float square = v * v;
    float minus = square + -1.0f;
    if (minus == minus) EQUAL((uint32_t)o[11], bits(minus));
  }
  // Order of ordered(), over all pairs of the special values.
  for (int i = 0; i < 19; i++)
    for (int k = 0; k < 19; k++)
      if (in[(size_t)i] < in[(size_t)k]) CHECK((uint32_t)out.host[(size_t)i * 12 + 4] < (uint32_t)out.host[(size_t)k * 12 + 4]);
}

TEST(asynchronous_copies) {
  for (int n : {64, 40, 32, 7, 0}) {
    Array<uint32_t> in(256), out(256);
    for (uint32_t i = 0; i < 256; i++) in[i] = i + 1;
    in.to_device();
    OK(launch("t_cp_async", 1, 32, 0, in.p, out.p, n));
    OK(out.to_host());
    for (int i = 0; i < 64; i++) {
      int from = i / 32 * 32 + 31 - i % 32;
      for (int k = 0; k < 4; k++) EQUAL(out[(size_t)i * 4 + k], from < n ? (uint32_t)(from * 4 + k + 1) : 0u);
    }
  }
}

TEST(ldmatrix_layout) {
  Array<uint8_t> in(512);
  for (int i = 0; i < 512; i++) in[(size_t)i] = (uint8_t)(i * 37 + i / 256);
  in.to_device();
  Array<uint32_t> out(32 * 14);
  OK(launch("t_ldmatrix", 1, 32, 0, in.p, out.p));
  OK(out.to_host());
  auto unit = [&](int j, int row, int col) { return (uint32_t)in[(size_t)(8 * j + row) * 16 + 2 * col] | (uint32_t)in[(size_t)(8 * j + row) * 16 + 2 * col + 1] << 8; };
  for (int l = 0; l < 32; l++) {
    const uint32_t* o = &out.host[(size_t)l * 14];
    for (int j = 0; j < 4; j++) {
      uint32_t plain = unit(j, l / 4, 2 * (l % 4)) | unit(j, l / 4, 2 * (l % 4) + 1) << 16;
      uint32_t turned = unit(j, 2 * (l % 4), l / 4) | unit(j, 2 * (l % 4) + 1, l / 4) << 16;
      EQUAL(o[j], plain);
      EQUAL(o[7 + j], turned);
      if (j < 2) {
        EQUAL(o[4 + j], plain);
        EQUAL(o[11 + j], turned);
      }
      if (j < 1) {
        EQUAL(o[6], plain);
        EQUAL(o[13], turned);
      }
    }
  }
}

// The fragments as the PTX manual's formulas have them.
TEST(mma_int8) {
  Random r;
  for (int form = 0; form < 3; form++)
    for (int is_signed = 0; is_signed < 2; is_signed++)
      for (int data = 0; data < 4; data++) {
        int m = form == 2 ? 8 : 16, k = form == 0 ? 32 : 16;
        std::vector<int> a((size_t)(m * k)), b((size_t)(k * 8)), c((size_t)(m * 8));
        for (int& v : a) v = data == 1 ? (is_signed ? -128 : 255) : data == 2 ? (is_signed ? 127 : 255) : (int)(r.next() % 256) - (is_signed ? 128 : 0);
        for (int& v : b) v = data == 1 ? -128 : data == 2 ? 127 : (int)(r.next() % 256) - 128;
        for (int& v : c) v = data == 3 ? 2147483647 - (int)(r.next() % 100) : (int)r.next();
        Array<uint32_t> in(320);
        for (int lane = 0; lane < 32; lane++) {
          int g = lane / 4, t = lane % 4;
          uint32_t* p = &in.host[(size_t)lane * 10];
          for (int i = 0; i < m * k / 32; i++) {
            int row = form == 2 ? g : form == 1 ? g + 8 * (i / 4) : g + 8 * (i / 4 % 2);
            int col = form == 0 ? 4 * t + i % 4 + 16 * (i / 8) : 4 * t + i % 4;
            p[i / 4] |= (uint32_t)(uint8_t)a[(size_t)(row * k + col)] << 8 * (i % 4);
          }
          for (int i = 0; i < k / 4; i++) p[4 + i / 4] |= (uint32_t)(uint8_t)b[(size_t)((4 * t + i % 4 + 16 * (i / 4)) * 8 + g)] << 8 * (i % 4);
          for (int i = 0; i < m / 4; i++) p[6 + i] = (uint32_t)c[(size_t)((g + 8 * (i / 2)) * 8 + 2 * t + i % 2)];
        }
        in.to_device();
        Array<int> out(128);
        OK(launch("t_mma", 1, 32, 0, form, is_signed, in.p, out.p));
        OK(out.to_host());
        for (int lane = 0; lane < 32; lane++)
          for (int i = 0; i < m / 4; i++) {
            int row = lane / 4 + 8 * (i / 2), col = 2 * (lane % 4) + i % 2;
            uint32_t want = (uint32_t)c[(size_t)(row * 8 + col)];
            for (int j = 0; j < k; j++) want += (uint32_t)(a[(size_t)(row * k + j)] * b[(size_t)(j * 8 + col)]);
            EQUAL((uint32_t)out[(size_t)lane * 4 + i], want);
          }
      }
  // The example of lane 5: it holds rows 1 and 9, columns 4..7 and 20..23.
  Array<uint32_t> in(320);
  in[5 * 10] = 1;              // a(1, 4)
  for (int lane = 0; lane < 32; lane++) in[(size_t)lane * 10 + 4] = 0x01010101;  // all of b's first half is 1
  in.to_device();
  Array<int> out(128);
  OK(launch("t_mma", 1, 32, 0, 0, 1, in.p, out.p));
  OK(out.to_host());
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 4; i++) EQUAL(out[(size_t)lane * 4 + i], lane / 4 == 1 && i < 2 ? 1 : 0);
}

TEST(mma_bf16_layout) {
  Random r;
  // Small integers: exact in any order of summation.
  std::vector<float> a(256), b(128), c(128);
  for (float& v : a) v = (float)(int)(r.next() % 255) - 127;
  for (float& v : b) v = (float)(int)(r.next() % 255) - 127;
  for (float& v : c) v = (float)(int)(r.next() % 20001) - 10000;
  Array<uint32_t> in(320);
  for (int lane = 0; lane < 32; lane++) {
    int g = lane / 4, t = lane % 4;
    uint32_t* p = &in.host[(size_t)lane * 10];
    for (int i = 0; i < 8; i++) p[i / 2] |= bits(a[(size_t)((g + 8 * (i / 2 % 2)) * 16 + 2 * t + i % 2 + 8 * (i / 4))]) >> 16 << 16 * (i % 2);
    for (int i = 0; i < 4; i++) p[4 + i / 2] |= bits(b[(size_t)((2 * t + i % 2 + 8 * (i / 2)) * 8 + g)]) >> 16 << 16 * (i % 2);
    for (int i = 0; i < 4; i++) p[6 + i] = bits(c[(size_t)((g + 8 * (i / 2)) * 8 + 2 * t + i % 2)]);
  }
  in.to_device();
  Array<float> out(128);
  OK(launch("t_mma_bf16", 1, 32, 0, in.p, out.p));
  OK(out.to_host());
  for (int lane = 0; lane < 32; lane++)
    for (int i = 0; i < 4; i++) {
      int row = lane / 4 + 8 * (i / 2), col = 2 * (lane % 4) + i % 2;
      float want = c[(size_t)(row * 8 + col)];
      for (int j = 0; j < 16; j++) want += a[(size_t)(row * 16 + j)] * b[(size_t)(j * 8 + col)];
      CHECK(out[(size_t)lane * 4 + i] == want);
    }
}

TEST(parameters) {
  struct {
    int64_t a;
    int b;
  } pair{-(1ll << 40), 77};
  Array<int64_t> out(4);
  OK(launch("t_by_value", 1, 1, 0, pair, 2.5f, out.p, (unsigned char)200));
  OK(out.to_host());
  EQUAL(out[0], -(1ll << 40));
  EQUAL(out[1], 77);
  EQUAL(out[2], 10);
  EQUAL(out[3], 200);
  // The same as one buffer.
  struct {
    int64_t a;
    int b, pad;
    float f;
    int pad2;
    uint64_t out;
    unsigned char c;
  } buffer{5, 6, 0, 1.0f, 0, out.p, 9};
  size_t size = sizeof buffer;
  void* extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &size, CU_LAUNCH_PARAM_END};
  OK(cuLaunchKernel(kernel("t_by_value"), 1, 1, 1, 1, 1, 1, 0, nullptr, nullptr, extra));
  OK(out.to_host());
  EQUAL(out[0], 5);
  EQUAL(out[1], 6);
  EQUAL(out[2], 4);
  EQUAL(out[3], 9);
}
