// cast: converts element types. Floats become integers by truncation that
// saturates, NaN becomes 0; integers become narrower ones by their low bits.
//
// Targets: 75
#include "pointwise.cuh"
#include "reals.cuh"

template <typename T>
struct range;  // The ends of an integer type.
template <>
struct range<i8> { static constexpr i64 low = -128, high = 127; };
template <>
struct range<u8> { static constexpr i64 low = 0, high = 255; };
template <>
struct range<i32> { static constexpr i64 low = -2147483647ll - 1, high = 2147483647ll; };
template <>
struct range<i64> { static constexpr i64 low = -9223372036854775807ll - 1, high = 9223372036854775807ll; };

template <typename D, typename S>
struct convert {
  __device__ __forceinline__ D operator()(S v) const { return (D)v; }
};

template <typename D, typename S>
struct truncate {
  __device__ __forceinline__ D operator()(S v) const {
    double x = v;
    if (x != x) return 0;
    if (x <= (double)range<D>::low) return (D)range<D>::low;
    if (x >= (double)range<D>::high) return (D)range<D>::high;
    return (D)(i64)x;
  }
};

// bf16 is rounded once: digits that float lacks are joined into its last one,
// which keeps it off a tie.
template <typename S>
struct halve {
  __device__ __forceinline__ bf16 operator()(S v) const { return to_bf16((float)v); }
};
template <>
struct halve<double> {
  __device__ __forceinline__ bf16 operator()(double v) const {
    float f = (float)v;
    u32 u = __float_as_uint(f);
    if ((u & 0xffff) == 0x8000 && (double)f != v) f = __uint_as_float(((double)f < v) == (v > 0) ? u + 1 : u - 1);
    return to_bf16(f);
  }
};
template <>
struct halve<i64> {
  __device__ __forceinline__ bf16 operator()(i64 v) const {
    u64 u = v < 0 ? (u64)0 - (u64)v : (u64)v;
    int shift = 44 - __clzll((i64)u);  // 20 digits stay.
    if (shift > 0) u = (u >> shift | (u64)((u & (((u64)1 << shift) - 1)) != 0)) << shift;
    float f = (float)u;
    return to_bf16(v < 0 ? -f : f);
  }
};
template <>
struct halve<i32> {
  __device__ __forceinline__ bf16 operator()(i32 v) const { return halve<i64>{}((i64)v); }
};
template <>
struct halve<bf16> {
  __device__ __forceinline__ bf16 operator()(bf16 v) const { return v; }
};
template <typename D, typename S>
struct halved : halve<S> {};

// Of bf16, by way of float, which holds it.
template <typename D, typename S>
struct widen {
  __device__ __forceinline__ D operator()(bf16 v) const { return (D)to_float(v); }
};
template <typename D, typename S>
struct widen_truncate {
  __device__ __forceinline__ D operator()(bf16 v) const { return truncate<D, float>{}(to_float(v)); }
};

#define CAST(from, S, to, D, how) \
  extern "C" __global__ void __launch_bounds__(256) cast_##from##_##to(D* y, const S* x, i64 n) { map_one(y, x, n, how<D, S>{}); }

CAST(f32, float, f32, float, convert)
CAST(f32, float, f64, double, convert)
CAST(f32, float, i8, i8, truncate)
CAST(f32, float, u8, u8, truncate)
CAST(f32, float, i32, i32, truncate)
CAST(f32, float, i64, i64, truncate)
CAST(f64, double, f32, float, convert)
CAST(f64, double, f64, double, convert)
CAST(f64, double, i8, i8, truncate)
CAST(f64, double, u8, u8, truncate)
CAST(f64, double, i32, i32, truncate)
CAST(f64, double, i64, i64, truncate)
CAST(i8, i8, f32, float, convert)
CAST(i8, i8, f64, double, convert)
CAST(i8, i8, i8, i8, convert)
CAST(i8, i8, u8, u8, convert)
CAST(i8, i8, i32, i32, convert)
CAST(i8, i8, i64, i64, convert)
CAST(u8, u8, f32, float, convert)
CAST(u8, u8, f64, double, convert)
CAST(u8, u8, i8, i8, convert)
CAST(u8, u8, u8, u8, convert)
CAST(u8, u8, i32, i32, convert)
CAST(u8, u8, i64, i64, convert)
CAST(i32, i32, f32, float, convert)
CAST(i32, i32, f64, double, convert)
CAST(i32, i32, i8, i8, convert)
CAST(i32, i32, u8, u8, convert)
CAST(i32, i32, i32, i32, convert)
CAST(i32, i32, i64, i64, convert)
CAST(i64, i64, f32, float, convert)
CAST(i64, i64, f64, double, convert)
CAST(i64, i64, i8, i8, convert)
CAST(i64, i64, u8, u8, convert)
CAST(i64, i64, i32, i32, convert)
CAST(i64, i64, i64, i64, convert)
CAST(bf16, bf16, f32, float, widen)
CAST(bf16, bf16, f64, double, widen)
CAST(bf16, bf16, bf16, bf16, halved)
CAST(bf16, bf16, i8, i8, widen_truncate)
CAST(bf16, bf16, u8, u8, widen_truncate)
CAST(bf16, bf16, i32, i32, widen_truncate)
CAST(bf16, bf16, i64, i64, widen_truncate)
CAST(f32, float, bf16, bf16, halved)
CAST(f64, double, bf16, bf16, halved)
CAST(i8, i8, bf16, bf16, halved)
CAST(u8, u8, bf16, bf16, halved)
CAST(i32, i32, bf16, bf16, halved)
CAST(i64, i64, bf16, bf16, halved)
