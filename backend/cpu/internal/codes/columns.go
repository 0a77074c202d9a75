package codes

import (
	"math"
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

func floatBits(v float32) uint32 { return math.Float32bits(v) }

// bytesOf returns the codes as bytes.
func bytesOf[T quant.Code](codes []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(codes))), len(codes))
}

func signed[T quant.Code]() bool {
	var zero T
	return zero-1 < zero
}

// Requantizer turns the sums of a product of codes, [rows, channels], into
// codes. [Requantizer.Set] must not run while [Requantize] does.
type Requantizer struct {
	rule         quant.Rule
	channels     int
	add          []int32 // columns
	m            []quant.Multiplier
	factor       []float32 // M of m, columns
	fixed        []int32   // Q of m, columns, which the exponents follow:
	left, right  []int32   // those above 0, and those below, negated
	zero, lo, hi int32
	p            params
	exact        bool // the vectors compute the rule
	words        bool // exact, and codes and zero point are small
	small        bool // words, float, and no multiplier is above a half
	made         gemm.IntCodes
}

// NewRequantizer returns a requantizer of rows of channels, to be set before
// it is used.
func NewRequantizer(r quant.Rule, channels int) *Requantizer {
	n := channels + Wrap
	q := &Requantizer{rule: r, channels: channels, add: make([]int32, n)}
	if r.Requant == quant.RequantFloat {
		q.factor = make([]float32, n)
	} else {
		q.fixed, q.left, q.right = make([]int32, n), make([]int32, n), make([]int32, n)
	}
	return q
}

// Set sets what is added to the sums of each channel, and multiplier, one or
// one a channel, zero point and range of the codes. It copies add and keeps m.
func (q *Requantizer) Set(add []int32, m []quant.Multiplier, zero, lo, hi int32) {
	q.m, q.zero, q.lo, q.hi = m, zero, lo, hi
	q.exact = representable(zero, lo, hi)
	if q.channels == 0 {
		return
	}
	copy(q.add[:q.channels], add)
	Repeat(q.add, q.channels)
	if q.rule.Requant == quant.RequantFloat {
		q.setFactors()
	} else {
		q.setFixed()
	}
	if q.exact {
		q.p = clamping(zero, lo, hi)
	}
	q.words = q.exact && wordy(zero, lo, hi)
	q.small = q.words && q.rule.Requant == quant.RequantFloat
	for _, f := range q.factor[:min(q.channels, len(q.factor))] {
		q.small = q.small && f <= 0.5 && f >= -0.5
	}
}

func (q *Requantizer) setFactors() {
	q.exact = q.exact && q.rule.Rounding == quant.HalfEven
	for c := range q.factor[:q.channels] {
		f := q.m[min(c, len(q.m)-1)].M
		// A product that is not a number has a code of its own.
		q.exact = q.exact && f-f == 0
		q.factor[c] = f
	}
	Repeat(q.factor, q.channels)
}

func (q *Requantizer) setFixed() {
	for c := range q.fixed[:q.channels] {
		m := q.m[min(c, len(q.m)-1)]
		q.exact = q.exact && fixable(q.rule, m)
		q.fixed[c], q.left[c], q.right[c] = m.Q, int32(max(m.Shift, 0)), int32(max(-m.Shift, 0))
	}
	Repeat(q.fixed, q.channels)
	Repeat(q.left, q.channels)
	Repeat(q.right, q.channels)
}

// fixable reports whether the vectors multiply by m as the rule does. Their
// products, shifted right by 31 bits, have to fit an int32, which rules out
// -2^31 * -2^31; and exponents are those of [quant.QuantizeMultiplier]. With
// single rounding the vectors saturate sums that are shifted left, which the
// rule does not: then the result must be beyond all codes, 2*exact away from
// zero, both ways.
func fixable(r quant.Rule, m quant.Multiplier) bool {
	if m.Q == math.MinInt32 || m.Shift < -31 || m.Shift > 30 {
		return false
	}
	return r.Requant == quant.RequantQ31Double || m.Shift <= 0 || m.Q == 0 || m.Q >= 4*exact || m.Q <= -4*exact
}

// Requantize adds to the sums acc what Set says, which may change them, and
// writes their codes to dst and their mask bits, unless mask is nil, to mask:
// [quant.RequantizeCodes]. acc begins with channel 0.
func Requantize[T quant.Code](q *Requantizer, dst []T, mask []byte, acc []int32) {
	from := 0
	switch {
	case !q.exact || len(acc) == 0:
	case q.rule.Requant == quant.RequantFloat:
		reach(q.channels, len(q.add), len(q.factor))
		from = requantize(bytesOf(dst[:len(acc)]), bitsFrom(mask, 0, len(acc)), acc, q.add, q.factor, &q.p, q.channels)
	default:
		reach(q.channels, len(q.add), len(q.fixed), len(q.left), len(q.right))
		from = requantizeFixed(q.rule.Requant == quant.RequantQ31Double, bytesOf(dst[:len(acc)]), bitsFrom(mask, 0, len(acc)),
			acc, q.add, q.fixed, q.left, q.right, &q.p, q.channels)
	}
	if from == len(acc) {
		return
	}
	for i := from; i < len(acc); {
		add := q.add[i%q.channels : q.channels]
		n := min(len(add), len(acc)-i)
		sums := acc[i : i+n]
		for k, v := range add[:n] {
			sums[k] += v
		}
		i += n
	}
	quant.RequantizeCodes(q.rule, dst, mask, acc, q.m, q.zero, q.lo, q.hi, q.channels, from, len(acc))
}

// DequantizeSums writes float32(acc+add) * scale + bias, every step rounded,
// to dst. acc is [rows, channels]; add, scale and bias are columns.
func DequantizeSums(dst []float32, acc, add []int32, scale, bias []float32, channels int) {
	if len(acc) == 0 {
		return
	}
	reach(channels, len(add), len(scale), len(bias))
	dst = dst[:len(acc)]
	for i := dequantizeSums(dst, acc, add, scale, bias, channels); i < len(acc); {
		c := i % channels
		n := min(channels-c, len(acc)-i)
		y, a, f, s, b := dst[i:i+n], acc[i:i+n], add[c:c+n], scale[c:c+n], bias[c:c+n]
		for k, v := range a {
			y[k] = float32(float32(v+f[k])*s[k]) + b[k]
		}
		i += n
	}
}

// Affine writes x * scale + shift, the product rounded, to dst, which may be
// x. x is [rows, channels]; scale and shift are columns.
func Affine(dst, x, scale, shift []float32, channels int) {
	if len(x) == 0 {
		return
	}
	reach(channels, len(scale), len(shift))
	dst = dst[:len(x)]
	for i := affine(dst, x, scale, shift, channels); i < len(x); {
		c := i % channels
		n := min(channels-c, len(x)-i)
		y, v, s, b := dst[i:i+n], x[i:i+n], scale[c:c+n], shift[c:c+n]
		for k, a := range v {
			y[k] = float32(a*s[k]) + b[k]
		}
		i += n
	}
}

// NormGrad writes dy * ofDy + (x-mean) * ofX + plus, every step rounded, to
// dst, which may be dy or x. x is [rows, channels]; the others are columns.
func NormGrad(dst, dy, x, ofDy, mean, ofX, plus []float32, channels int) {
	if len(x) == 0 {
		return
	}
	reach(channels, len(ofDy), len(mean), len(ofX), len(plus))
	dst, dy = dst[:len(x)], dy[:len(x)]
	for i := normGrad(dst, dy, x, ofDy, mean, ofX, plus, channels); i < len(x); {
		c := i % channels
		n := min(channels-c, len(x)-i)
		r, d, v := dst[i:i+n], dy[i:i+n], x[i:i+n]
		a, m, b, p := ofDy[c:c+n], mean[c:c+n], ofX[c:c+n], plus[c:c+n]
		for k, g := range d {
			r[k] = float32(g*a[k]) + float32((v[k]-m[k])*b[k]) + p[k]
		}
		i += n
	}
}

// Extremes widens [lo, hi], neither of them NaN, to hold the numbers of x, and
// reports whether x has a NaN. An end that is zero is +0.
func Extremes(x []float32, lo, hi float32) (least, most float32, nan bool) {
	n := 0
	if len(x) > 0 {
		n, lo, hi, nan = extremes(x, lo, hi)
	}
	for _, v := range x[n:] {
		// A NaN fails the comparison, so looking for one costs nothing.
		if !(v >= lo) {
			if v != v {
				nan = true
				continue
			}
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	return lo + 0, hi + 0, nan
}
