package quant

import "math"

// blockLen is the number of integers a slice function holds at a time between
// its passes: small enough for the first-level cache, a multiple of 8 so that
// blocks that start on a mask byte end on one.
const blockLen = 512

// roundMagic is 1.5 * 2^23. Adding it to a float32 of magnitude below 2^22
// rounds that number to an integer, half to even, and leaves the integer in
// the low bits of the sum.
const (
	roundMagic     = float32(12582912)
	roundMagicBits = 0x4b400000
)

// wideRange is the first magnitude of a code that roundMagic cannot hold with
// a step to spare on each side.
const wideRange = 1 << 21

// roundHalfEven rounds t, |t| < 2^22, to the nearest integer.
func roundHalfEven(t float32) int32 {
	return int32(math.Float32bits(t+roundMagic)) - roundMagicBits
}

// roundHalfAway rounds t, |t| < 2^22: it adds a half of t's sign, without a
// branch, and truncates. The sum is exact in float64, except for t so small
// that any rounding of it truncates to 0 all the same.
func roundHalfAway(t float32) int32 {
	half := math.Float32frombits(math.Float32bits(t)&(1<<31) | math.Float32bits(0.5))
	return int32(float64(t) + float64(half))
}

// notCode marks a NaN among integers that are yet to be clamped: it is outside
// of every range.
const notCode = math.MinInt32

// Quantize returns the code of x, and whether x is inside the range: whether
// the rounded integer, before clamping, lies in [lo, hi], both ends included.
// That is the straight-through mask.
//
//	code = clamp(round(x/s) + zero, lo, hi)      ZeroInside: clamp(round(x/s + zero), lo, hi)
//
// x/s is one float32 division, or with Reciprocal one float32 multiplication
// by float32(1/s). NaN gives clamp(zero) and false.
func (r Rule) Quantize(x, scale float32, zero, lo, hi int32) (code int32, inRange bool) {
	t := x / scale
	if r.Reciprocal {
		t = float32(x * (1 / scale))
	}
	if r.ZeroInside {
		t += float32(zero)
	}
	if t != t {
		return min(max(zero, lo), hi), false
	}
	q := float64(t)
	if r.Rounding == HalfAway {
		q = math.Round(q)
	} else {
		q = math.RoundToEven(q)
	}
	if !r.ZeroInside {
		q += float64(zero)
	}
	switch {
	case q < float64(lo):
		return lo, false
	case q > float64(hi):
		return hi, false
	}
	return int32(q), true
}

// Dequantize returns the real number a code stands for,
// float32(code-zero) * scale.
func Dequantize(code, zero int32, scale float32) float32 {
	return float32(code-zero) * scale
}

// QuantizeCodes writes the codes of x[from:to] to dst, and their mask bits to
// mask unless it is nil; see the package comment for what the slices must
// hold. It returns the number of NaNs. It computes what [Rule.Quantize] does
// on each element.
func QuantizeCodes[T Code](r Rule, dst []T, mask []byte, x, scale []float32, zero []int32, lo, hi int32, l Layout, from, to int) (nan int) {
	var buf [blockLen]int32
	clearMask(mask, from, to)
	for run := l.runs(from, to); run.next(); {
		p := r.rounder(scale[run.c], zero[run.c], lo, hi)
		for i := run.lo; i < run.hi; {
			n := run.block(i)
			q := buf[:n]
			nan += p.integers(q, x[i:i+n])
			storeCodes(dst[i:i+n], q, zero[run.c], lo, hi)
			storeMask(mask, i, q, lo, hi)
			i += n
		}
	}
	return nan
}

// DequantizeCodes writes the real numbers of codes[from:to] to dst.
func DequantizeCodes[T Code](dst []float32, codes []T, scale []float32, zero []int32, l Layout, from, to int) {
	for run := l.runs(from, to); run.next(); {
		s, z := scale[run.c], zero[run.c]
		src := codes[run.lo:run.hi]
		out := dst[run.lo:run.hi]
		for i, v := range src {
			out[i] = float32(int32(v)-z) * s
		}
	}
}

// FakeQuantize writes Dequantize(Quantize(x)) of x[from:to] to dst, which may
// be x itself, and the mask bits to mask unless it is nil. It returns the
// number of NaNs, which become 0. Unlike those of codes, lo and hi may be any
// int32 but the two extremes.
func FakeQuantize(r Rule, dst []float32, mask []byte, x, scale []float32, zero []int32, lo, hi int32, l Layout, from, to int) (nan int) {
	var buf [blockLen]int32
	clearMask(mask, from, to)
	for run := l.runs(from, to); run.next(); {
		s, z := scale[run.c], zero[run.c]
		p := r.rounder(s, z, lo, hi)
		for i := run.lo; i < run.hi; {
			n := run.block(i)
			q := buf[:n]
			nan += p.integers(q, x[i:i+n])
			out := dst[i : i+n]
			for k, v := range q {
				if v == notCode {
					v = z
				}
				out[k] = float32(min(max(v, lo), hi)-z) * s
			}
			storeMask(mask, i, q, lo, hi)
			i += n
		}
	}
	return nan
}

// rounder is a rule made ready for one scale and zero point.
type rounder struct {
	rule   Rule
	scale  float32
	factor float32 // what x is divided or, with Reciprocal, multiplied by
	inside float32 // added before rounding
	after  int32   // added after rounding
	flo    float32 // clamp before rounding: one step outside of the range,
	fhi    float32 // so that clamping changes neither the code nor the mask
	lo, hi int32
	zero   int32
	wide   bool
}

func (r Rule) rounder(scale float32, zero, lo, hi int32) rounder {
	p := rounder{rule: r, scale: scale, factor: scale, lo: lo, hi: hi, zero: zero}
	if r.Reciprocal {
		p.factor = 1 / scale
	}
	if r.ZeroInside {
		p.inside = float32(zero)
	} else {
		p.after = zero
	}
	first, last := int64(lo)-int64(p.after)-1, int64(hi)-int64(p.after)+1
	p.wide = min(first, int64(lo), int64(zero)) < -wideRange || max(last, int64(hi), int64(zero)) > wideRange
	p.flo, p.fhi = float32(first), float32(last)
	return p
}

// integers writes to q, for each x, the rounded integer with the zero point
// added, clamped to [lo-1, hi+1], or notCode for a NaN. It returns the number
// of NaNs. The rule is switched on once, outside of the loops.
func (p *rounder) integers(q []int32, x []float32) (nan int) {
	x = x[:len(q)]
	f, in, flo, fhi, after := p.factor, p.inside, p.flo, p.fhi, p.after
	switch {
	case p.wide:
		for i, v := range x {
			c, ok := p.rule.Quantize(v, p.scale, p.zero, p.lo, p.hi)
			switch {
			case v != v:
				c = notCode
				nan++
			case !ok && c == p.lo:
				c = max(c, notCode+2) - 1
			case !ok:
				c = min(c, math.MaxInt32-1) + 1
			}
			q[i] = c
		}
	case p.rule.Reciprocal && p.rule.Rounding == HalfEven:
		for i, v := range x {
			t := float32(v*f) + in
			if t != t {
				q[i] = notCode
				nan++
				continue
			}
			q[i] = roundHalfEven(min(max(t, flo), fhi)) + after
		}
	case p.rule.Reciprocal:
		for i, v := range x {
			t := float32(v*f) + in
			if t != t {
				q[i] = notCode
				nan++
				continue
			}
			q[i] = roundHalfAway(min(max(t, flo), fhi)) + after
		}
	case p.rule.Rounding == HalfEven:
		for i, v := range x {
			t := v/f + in
			if t != t {
				q[i] = notCode
				nan++
				continue
			}
			q[i] = roundHalfEven(min(max(t, flo), fhi)) + after
		}
	default:
		for i, v := range x {
			t := v/f + in
			if t != t {
				q[i] = notCode
				nan++
				continue
			}
			q[i] = roundHalfAway(min(max(t, flo), fhi)) + after
		}
	}
	return nan
}

// quotients writes x/s as the rule computes it.
func (p *rounder) quotients(t, x []float32) {
	x = x[:len(t)]
	f := p.factor
	if p.rule.Reciprocal {
		for i, v := range x {
			t[i] = v * f
		}
		return
	}
	for i, v := range x {
		t[i] = v / f
	}
}

// storeCodes clamps integers to codes; notCode becomes the zero point.
func storeCodes[T Code](dst []T, q []int32, zero, lo, hi int32) {
	dst = dst[:len(q)]
	for i, v := range q {
		if v == notCode {
			v = zero
		}
		dst[i] = T(min(max(v, lo), hi))
	}
}

// runs walks the elements [lo, hi) of one parameter c after another.
type runs struct {
	l       Layout
	at, end int // the next element and the one after the last
	next0   int // the end of the run that starts at at
	nextC   int
	lo, hi  int
	c       int
}

func (l Layout) runs(from, to int) runs {
	w := runs{l: l, at: from, end: to}
	if from < to {
		k := (from + l.Skip) / l.Inner
		w.next0 = (k+1)*l.Inner - l.Skip
		w.nextC = k % l.Channels
	}
	return w
}

// next moves to the next run; false when there is none.
func (w *runs) next() bool {
	if w.at >= w.end {
		return false
	}
	w.lo, w.hi, w.c = w.at, min(w.next0, w.end), w.nextC
	w.at = w.hi
	w.next0 += w.l.Inner
	if w.nextC++; w.nextC == w.l.Channels {
		w.nextC = 0
	}
	return true
}

// block returns how many elements to handle from i: to the end of the run, at
// most blockLen, and such that the next block starts on a mask byte.
func (w *runs) block(i int) int { return min(w.hi-i, blockLen-i&7) }
