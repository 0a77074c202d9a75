package codes

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/goqat/goqat/quant"
)

var fixedRules = []quant.Rule{quant.TFLite, quant.TFLiteSingle}

// ends are numbers next to which something saturates or changes its sign.
var ends = []int32{0, 1, -1, 2, -2, 3, -3, 1 << 20, 1<<22 - 1, 1 << 22, -1 << 22, 1 - 1<<22, 1 << 30, -1 << 30, 1<<30 - 1, 1<<30 + 1,
	math.MaxInt32, math.MaxInt32 - 1, math.MinInt32, math.MinInt32 + 1, math.MinInt32 + 2}

// sums returns n sums, many of them such that m leaves them next to a code.
func sums(r *rand.Rand, n int, m quant.Multiplier) []int32 {
	v := make([]int32, n)
	for i := range v {
		switch r.IntN(8) {
		case 0:
			v[i] = ends[r.IntN(len(ends))] + r.Int32N(3) - 1
		case 1:
			v[i] = int32(r.Uint32())
		case 2, 3:
			v[i] = int32(r.Uint32()) >> r.IntN(32)
		case 4:
			v[i] = (r.Int32N(601) - 300) << r.IntN(32)
		default:
			// The middle of two codes and the sums around it.
			if f := (float64(r.IntN(601)-300) + 0.5) / m.Real(); math.Abs(f) < 1<<31 {
				v[i] = int32(f) + r.Int32N(3) - 1
			}
		}
	}
	return v
}

// checkFixed compares a product of one column after another of add and m,
// rows of acc, with package quant.
func checkFixed[T quant.Code](t *testing.T, rule quant.Rule, acc, add []int32, m []quant.Multiplier, zero, lo, hi int32, masked bool) {
	t.Helper()
	n, channels := len(acc), len(add)
	want, got := mirror(n, T(77)), mirror(n, T(77))
	wm, gm := mirror(n/8+1, byte(0xa5)), mirror(n/8+1, byte(0xa5))
	var wb, gb []byte
	if masked {
		wb, gb = wm[32:32+(n+7)/8], gm[32:32+(n+7)/8]
	}
	total := slices.Clone(acc)
	for i := range total {
		total[i] += add[i%channels]
	}
	quant.RequantizeCodes(rule, want[32:32+n], wb, total, m, zero, lo, hi, channels, 0, n)
	// The definition, in case both loops are wrong.
	for i := 0; i < n; i += 1 + n/50 {
		code, in := rule.Requantize(total[i], m[(i%channels)%len(m)], zero, lo, hi)
		assert.Equal(t, T(code), want[32+i])
		if masked {
			assert.Equal(t, in, wb[i/8]>>(i%8)&1 == 1)
		}
	}
	q := NewRequantizer(rule, channels)
	q.Set(add, m, zero, lo, hi)
	Requantize(q, got[32:32+n], gb, slices.Clone(acc))
	for i := range want {
		if want[i] != got[i] && i >= 32 && i < 32+n {
			t.Logf("sum %d times %+v, zero %d", total[i-32], m[((i-32)%channels)%len(m)], zero)
		}
	}
	same(t, want, got, "codes of %s [%d, %d], channels %d", rule.Name, lo, hi, channels)
	same(t, wm, gm, "mask of %s [%d, %d], channels %d", rule.Name, lo, hi, channels)
}

// TestRequantizeFixedShifts has every exponent, and some that only package
// quant knows, with multipliers that are normalized and some that are not.
func TestRequantizeFixedShifts(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for shift := -35; shift <= 33; shift++ {
			factors := append([]int32{r.Int32N(1<<30) + 1<<30, -r.Int32N(1<<30) - 1<<30, int32(r.Uint32()), r.Int32N(1 << 23)}, ends...)
			for _, f := range factors {
				m := quant.Multiplier{Q: f, Shift: shift}
				acc := sums(r, 200+r.IntN(16), m)
				acc = append(acc, ends...)
				for _, rule := range fixedRules {
					b := ranges[r.IntN(len(ranges))]
					zero := b[0] + r.Int32N(b[1]-b[0]+1)
					if b[0] < 0 {
						checkFixed[int8](t, rule, acc, []int32{0}, []quant.Multiplier{m}, zero, b[0], b[1], r.IntN(2) == 0)
					} else {
						checkFixed[uint8](t, rule, acc, []int32{0}, []quant.Multiplier{m}, zero, b[0], b[1], r.IntN(2) == 0)
					}
				}
			}
		}
	})
}

// TestRequantizeFixedChannels has other multipliers in each channel, and
// tails of all lengths.
func TestRequantizeFixedChannels(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(23, 24))
		for channels := 1; channels < 70; channels++ {
			for _, b := range ranges {
				rule := fixedRules[r.IntN(2)]
				m, add := make([]quant.Multiplier, []int{1, channels}[r.IntN(2)]), make([]int32, channels)
				lowest, highest := -31, 30
				if r.IntN(2) == 0 {
					lowest, highest = -12, 1
				}
				for c := range m {
					m[c] = quant.Multiplier{Q: r.Int32N(1<<30) + 1<<30, Shift: lowest + r.IntN(highest-lowest+1)}
					if r.IntN(4) == 0 {
						m[c].Q = -m[c].Q
					}
				}
				for c := range add {
					add[c] = int32(r.Uint32()) >> r.IntN(32)
				}
				acc := sums(r, r.IntN(30)*channels, m[0])
				for i := range acc {
					if r.IntN(2) == 0 {
						acc[i] -= add[i%channels]
					}
				}
				zero := b[0] + r.Int32N(b[1]-b[0]+1)
				if b[0] < 0 {
					checkFixed[int8](t, rule, acc, add, m, zero, b[0], b[1], r.IntN(2) == 0)
				} else {
					checkFixed[uint8](t, rule, acc, add, m, zero, b[0], b[1], r.IntN(2) == 0)
				}
			}
		}
	})
}

// TestRequantizeFixedTies has all small sums times powers of two, half of
// which are ties.
func TestRequantizeFixedTies(t *testing.T) {
	var acc []int32
	for v := int32(-2100); v <= 2100; v++ {
		acc = append(acc, v)
	}
	eachISA(t, func(t *testing.T) {
		for shift := -12; shift <= 4; shift++ {
			for _, f := range []int32{1 << 30, -1 << 30, 1<<30 + 1, math.MaxInt32, -math.MaxInt32} {
				for _, rule := range fixedRules {
					m := []quant.Multiplier{{Q: f, Shift: shift}}
					checkFixed[int8](t, rule, acc, []int32{0}, m, -3, -128, 127, true)
					checkFixed[uint8](t, rule, acc, []int32{1}, m, 131, 0, 255, true)
				}
			}
		}
	})
}

// TestRequantizeFixedWide has zero points and ranges at the ends of what the
// vectors represent, and beyond.
func TestRequantizeFixedWide(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(25, 26))
		for _, end := range []int32{exact, exact + 1} {
			for _, zero := range []int32{-end, 0, end} {
				for shift := -31; shift <= 30; shift++ {
					for _, f := range []int32{1 << 30, math.MaxInt32, -math.MaxInt32, 1 << 22, -1 << 22, 1<<22 - 1, 1 << 21} {
						m := quant.Multiplier{Q: f, Shift: shift}
						acc := append(sums(r, 60, m), ends...)
						checkFixed[int8](t, fixedRules[r.IntN(2)], acc, []int32{0}, []quant.Multiplier{m}, zero, -end, end, true)
					}
				}
			}
		}
	})
}

// TestFixable keeps the usual multipliers on the vectors.
func TestFixable(t *testing.T) {
	for _, rule := range fixedRules {
		for _, real := range []float64{0, 1e-30, 1e-9, 0.0003, 0.5, 0.99999, 1, 1.5, 300, 1e9, 1e30, -0.1, -1e30} {
			q, shift := quant.QuantizeMultiplier(real)
			assert.True(t, fixable(rule, quant.Multiplier{Q: q, Shift: shift}), "%v", real)
		}
		assert.False(t, fixable(rule, quant.Multiplier{Q: math.MinInt32}))
		assert.False(t, fixable(rule, quant.Multiplier{Q: 1 << 30, Shift: -32}))
		assert.False(t, fixable(rule, quant.Multiplier{Q: 1 << 30, Shift: 31}))
	}
	assert.False(t, fixable(quant.TFLiteSingle, quant.Multiplier{Q: 1<<22 - 1, Shift: 1}))
	assert.True(t, fixable(quant.TFLite, quant.Multiplier{Q: 1<<22 - 1, Shift: 1}))
}

func FuzzRequantizeFixed(f *testing.F) {
	f.Add([]byte("0123456789abcdef0123456789abcdef0123456789"), int32(1<<30), int8(-7), int32(-5), int8(2), int32(7), int8(3))
	seed := make([]byte, 0, 4*len(ends))
	for _, v := range ends {
		seed = binary.LittleEndian.AppendUint32(seed, uint32(v))
	}
	f.Add(seed, int32(math.MaxInt32), int8(0), int32(math.MinInt32+1), int8(30), int32(0), int8(0))
	f.Fuzz(func(t *testing.T, data []byte, q0 int32, shift0 int8, q1 int32, shift1 int8, add int32, zero int8) {
		acc := make([]int32, len(data)/8*2)
		for i := range acc {
			acc[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
		}
		m := []quant.Multiplier{{Q: q0, Shift: int(shift0) % 33}, {Q: q1, Shift: int(shift1) % 33}}
		for _, rule := range fixedRules {
			checkFixed[int8](t, rule, acc, []int32{add, 0}, m, int32(zero), -128, 127, true)
			checkFixed[uint8](t, rule, acc, []int32{0, add}, m, int32(uint8(zero)), 0, 255, false)
		}
	})
}
