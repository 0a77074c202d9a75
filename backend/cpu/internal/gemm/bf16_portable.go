package gemm

import "math"

// RoundBF16 returns the high half of the bfloat16 nearest to v, ties to even:
// the bits of the float32 with the low half cut off. Subnormal numbers become
// zeros and what is not a number stays so, as with VCVTNEPS2BF16.
func RoundBF16(v float32) uint16 {
	b := math.Float32bits(v)
	switch {
	case b&0x7F800000 == 0:
		return uint16(b >> 16 & 0x8000)
	case v != v:
		return uint16(b>>16 | 0x40)
	}
	return uint16((b + 0x7FFF + b>>16&1) >> 16)
}

// wideBF16 returns the value of a bfloat16, 0 for subnormal ones.
func wideBF16(v uint16) float32 { return flush(math.Float32frombits(uint32(v) << 16)) }

// PairBF16 returns two bfloat16 as a cell, the first in the low half.
func PairBF16(first, second uint16) uint32 { return uint32(first) | uint32(second)<<16 }

// roundLow returns what [RoundBF16] leaves of v, rounded in turn.
func roundLow(v float32) uint16 { return RoundBF16(v - wideBF16(RoundBF16(v))) }

// portableBF16 is the product of bfloat16 in plain Go. A pair is added as
// VDPBF16PS does it: the product of the second elements, then that of the
// first, each sum rounded to float32 once and subnormal sums to zero.
func portableBF16() bf16Kernel {
	return bf16Kernel{wide: 4, narrow: 4, tile: tilePortableBF16, pair: pairPortable, join: joinPortable, codes: codesPortable}
}

func tilePortableBF16(blocks []Block, rows, k int, a []uint32, rsA, csA int, b []uint32, rsB int, c []float32, ldc, cols int, add bool) {
	for i := range rows {
		var v [4]float32
		for _, t := range blocks {
			oa, ob := t.A+i*rsA, t.B
			for range k {
				x, r := a[oa], b[ob:ob+4:ob+4]
				for j := range v {
					v[j] = dotPairBF16(v[j], x, r[j])
				}
				oa += csA
				ob += rsB
			}
		}
		store4(&v, c[i*ldc:i*ldc+cols], add)
	}
}

// dotPairBF16 returns s plus the products of the elements of x and y.
// Products are exact in float64, and so is their sum unless one term is no
// more than a sign to the rounding.
func dotPairBF16(s float32, x, y uint32) float32 {
	odd := float64(wideBF16(uint16(x>>16))) * float64(wideBF16(uint16(y>>16)))
	s = flush(float32(float64(s) + odd))
	even := float64(wideBF16(uint16(x))) * float64(wideBF16(uint16(y)))
	return flush(float32(float64(s) + even))
}

// flush turns subnormal numbers into zeros of their sign.
func flush(v float32) float32 {
	if b := math.Float32bits(v); b&0x7F800000 == 0 {
		return math.Float32frombits(b & 0x80000000)
	}
	return v
}

func rounding(low bool) func(float32) uint16 {
	if low {
		return roundLow
	}
	return RoundBF16
}

func pairPortable(rows, n int, dst []uint32, ldDst int, src []float32, ld, second int, scale float32, low bool) {
	round := rounding(low)
	for r := range rows {
		d, x, y := dst[r*ldDst:r*ldDst+n], src[r*ld:r*ld+n], src[r*ld+second:r*ld+second+n]
		for i := range d {
			d[i] = PairBF16(round(x[i]*scale), round(y[i]*scale))
		}
	}
}

func joinPortable(rows, n int, dst []uint32, ldDst int, src []float32, ld int, scale []float32, low bool) {
	round := rounding(low)
	for r := range rows {
		d, x := dst[r*ldDst:r*ldDst+(n+1)/2], src[r*ld:r*ld+n]
		for i := range n / 2 {
			d[i] = PairBF16(round(x[2*i]*scale[2*i]), round(x[2*i+1]*scale[2*i+1]))
		}
		if n&1 != 0 {
			d[n/2] = PairBF16(round(x[n-1]*scale[n-1]), 0)
		}
	}
}

func codesPortable(rows, n int, dst []uint32, ldDst int, src []byte, ld, second int, zero int32, signed bool) {
	for r := range rows {
		d, x, y := dst[r*ldDst:r*ldDst+n], src[r*ld:r*ld+n], src[r*ld+second:r*ld+second+n]
		for i := range d {
			d[i] = PairBF16(codeBF16(x[i], zero, signed), codeBF16(y[i], zero, signed))
		}
	}
}

// codeBF16 returns code - zero, exact as long as it has eight digits.
func codeBF16(c byte, zero int32, signed bool) uint16 {
	v := int32(c)
	if signed {
		v = int32(int8(c))
	}
	return uint16(math.Float32bits(float32(v-zero)) >> 16)
}
