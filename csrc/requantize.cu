// requantize: codes of one grid to those of another, through a table, and the
// mask of those inside of the range. 2.125 bytes an element.
//
// Targets: 75
#include "code_table.cuh"
#include "requantize.cuh"

extern "C" __global__ void __launch_bounds__(256) requantize_table(u16* table, const float* scale, const int* zero, const float* to_scale, const int* to_zero,
                                                                   int is_signed, int rule, int requant, int lo, int hi) {
  quantizer q = make_quantizer(rule, to_scale[0], to_zero[0], lo, hi);
  requantizer r = make_requantizer(rule, requant, to_zero[0], lo, hi);
  bool bad = false;
  multiplier m = make_multiplier(requant, scale[0], 1.0f, to_scale[0], &bad);
  int zx = zero[0];
  float sx = scale[0];
  fill_code_table(table, is_signed, [&](int c, bool* in) {
    int v = requant == requant_float ? integer(q, __fmul_rn((float)(c - zx), sx)) : requantize(r, c - zx, m);
    *in = inside(q, v);
    return code(q, v);
  });
}

extern "C" __global__ void __launch_bounds__(256) requantize_codes(u8* y, u8* mask, const u8* x, const u16* table, i64 n) {
  map_code_table(y, mask, x, table, n);
}
