// vendor_codes: what a product of matrices by a vendor's library needs before and
// behind it where the library itself makes int8 codes of the sums: its
// multipliers, which stay on the device, and the way out of its orders.
//
// Targets: 75
#include "requantize.cuh"

// Multipliers of count columns, or the one of all, with a zero behind them, which
// is the library's beta. The number of those that are no finite numbers is added
// to *nan.
extern "C" __global__ void __launch_bounds__(256) vendor_codes_multipliers(float* to, int count, const float* sx, const float* sw, int sws,
                                                                           const float* sy, u32* nan) {
  i64 threads = (i64)gridDim.x * blockDim.x;
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i <= count; i += threads) {
    if (i == count) {
      to[i] = 0.0f;
      continue;
    }
    bool bad = false;
    multiplier m = make_multiplier(requant_float, sx[0], sw[sws > 1 ? min((int)i, sws - 1) : 0], sy[0], &bad);
    to[i] = __int_as_float(m.q);
    if (bad && (i < sws || sws == 1)) atomicAdd(nan, 1u);
  }
}

// Codes of rows x n, where a row's are length apart, or in COL32 (with columns)
// blocks of 32 columns are: a thread moves 4.
extern "C" __global__ void __launch_bounds__(256) vendor_codes_unpack(u8* to, const u8* from, int rows, int n, i64 length, int columns) {
  i64 threads = (i64)gridDim.x * blockDim.x;
  int quads = (n + 3) / 4;
  bool whole = n % 4 == 0 && aligned(to, 4);
  for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < (i64)rows * quads; i += threads) {
    int r = (int)(i / quads), c = (int)(i % quads) * 4;
    u32 v = *reinterpret_cast<const u32*>(from + (columns ? c / 32 * length + (i64)r * 32 + c % 32 : r * length + c));
    u8* y = to + (i64)r * n + c;
    if (whole) {
      *reinterpret_cast<u32*>(y) = v;
      continue;
    }
    for (int b = 0; b < 4; b++)
      if (c + b < n) y[b] = (u8)(v >> 8 * b);
  }
}
