// Package codes has the loops between numbers and codes of quantized tensors.
// Package quant defines what they compute; they give the same bits with the
// vectors of the machine, and leave to package quant what those cannot do.
//
// Arrays of one value a channel, "columns" below, have [Wrap] more entries
// that [Repeat] fills, so that a vector may begin at any channel.
package codes

import "github.com/goqat/goqat/quant"

// Wrap is the number of entries that columns have after those of the channels.
const Wrap = 16

// Repeat fills the entries of columns after the first channels with the first
// ones again. There must be a channel.
func Repeat[T any](columns []T, channels int) {
	for i := channels; i < len(columns); i++ {
		columns[i] = columns[i-channels]
	}
}

// reach panics unless each length is that of the columns of a call: the
// bounds check that assembly lacks.
func reach(channels int, lengths ...int) {
	for _, n := range lengths {
		if channels <= 0 || n < channels+Wrap {
			panic("codes: columns shorter than their channels")
		}
	}
}

// params are the numbers that a loop holds in registers, by the indexes below;
// floats as their bits.
type params = [12]uint32

const (
	factorAt = iota // what x is divided or multiplied by
	insideAt        // float added before rounding
	lowAt           // float bounds before rounding, a step outside of lo and hi
	highAt
	loAt // code bounds before after is added
	hiAt
	afterAt    // integer added after rounding
	noneAt     // code of NaN before after is added
	originAt   // subtracted from a code, before after is added, and
	scaleAt    // multiplied: the real number
	clampLowAt // float bounds of an activation
	clampHighAt
)

// exact bounds the zero points and codes whose sums the vectors hold exactly
// both as integers and as floats.
const exact = 1 << 20

func representable(zero, lo, hi int32) bool {
	return -exact <= lo && lo <= hi && hi <= exact && -exact <= zero && zero <= exact
}

// Quantize is [quant.QuantizeCodes].
func Quantize[T quant.Code](r quant.Rule, dst []T, mask []byte, x, scale []float32, zero []int32, lo, hi int32, l quant.Layout, from, to int) (nan int) {
	if !vectors() || !longRuns(l, mask) || !representable(0, lo, hi) {
		return quant.QuantizeCodes(r, dst, mask, x, scale, zero, lo, hi, l, from, to)
	}
	for i := from; i < to; {
		c, end := run(l, i, to)
		if p, ok := quantizing(r, scale[c], zero[c], lo, hi); ok {
			n, bad := quantize(r, bytesOf(dst[i:end]), bitsFrom(mask, i, end), x[i:end], &p)
			i += n
			nan += bad
		}
		if i < end {
			nan += quant.QuantizeCodes(r, dst, mask, x, scale, zero, lo, hi, l, i, end)
		}
		i = end
	}
	return nan
}

// FakeQuantize is [quant.FakeQuantize].
func FakeQuantize(r quant.Rule, dst []float32, mask []byte, x, scale []float32, zero []int32, lo, hi int32, l quant.Layout, from, to int) (nan int) {
	if !vectors() || !longRuns(l, mask) || !representable(0, lo, hi) {
		return quant.FakeQuantize(r, dst, mask, x, scale, zero, lo, hi, l, from, to)
	}
	for i := from; i < to; {
		c, end := run(l, i, to)
		if p, ok := quantizing(r, scale[c], zero[c], lo, hi); ok {
			n, bad := fakeQuantize(r, streamed(len(dst)), dst[i:end], bitsFrom(mask, i, end), x[i:end], &p)
			i += n
			nan += bad
		}
		if i < end {
			nan += quant.FakeQuantize(r, dst, mask, x, scale, zero, lo, hi, l, i, end)
		}
		i = end
	}
	return nan
}

// DequantizeCodes is [quant.DequantizeCodes].
func DequantizeCodes[T quant.Code](dst []float32, codes []T, scale []float32, zero []int32, l quant.Layout, from, to int) {
	if !vectors() || !longRuns(l, nil) {
		quant.DequantizeCodes(dst, codes, scale, zero, l, from, to)
		return
	}
	for i := from; i < to; {
		c, end := run(l, i, to)
		p := params{originAt: uint32(zero[c]), scaleAt: floatBits(scale[c])}
		i += dequantizeCodes(dst[i:end], bytesOf(codes[i:end]), signed[T](), &p)
		if i < end {
			quant.DequantizeCodes(dst, codes, scale, zero, l, i, end)
		}
		i = end
	}
}

// streamed reports whether a tensor of n floats is written past the caches,
// which it would only empty.
func streamed(n int) bool { return n >= 4<<20 }

// STEGrad is [quant.STEGrad].
func STEGrad(dst, dy []float32, mask []byte, from, to int) {
	if from < to {
		from += steGrad(streamed(len(dst)), dst[from:to], dy[from:to], mask[from>>3:(to+7)>>3])
	}
	if from < to {
		quant.STEGrad(dst, dy, mask, from, to)
	}
}

// longRuns reports whether the elements that share a scale are worth a call
// and, with a mask, begin on a byte of it.
func longRuns(l quant.Layout, mask []byte) bool {
	return l.Channels == 1 || l.Inner >= 2*Wrap && (mask == nil || l.Inner%8 == 0 && l.Skip%8 == 0)
}

// run returns the channel of element i and the end of those that share it.
func run(l quant.Layout, i, to int) (c, end int) {
	if l.Channels == 1 {
		return 0, to
	}
	k := (i + l.Skip) / l.Inner
	return k % l.Channels, min((k+1)*l.Inner-l.Skip, to)
}

// bitsFrom returns the bytes of elements [from, to), nil of no mask.
func bitsFrom(mask []byte, from, to int) []byte {
	if mask == nil {
		return nil
	}
	return mask[from>>3 : (to+7)>>3]
}

// quantizing returns the parameters of a quantizer; false when the vectors
// cannot hold its numbers.
func quantizing(r quant.Rule, scale float32, zero, lo, hi int32) (p params, ok bool) {
	if !representable(zero, lo, hi) {
		return p, false
	}
	factor, inside, after := scale, float32(0), zero
	if r.Reciprocal {
		factor = 1 / scale
	}
	if r.ZeroInside {
		inside, after = float32(zero), 0
	}
	p = clamping(after, lo, hi)
	p[factorAt], p[insideAt] = floatBits(factor), floatBits(inside)
	p[noneAt] = uint32(min(max(zero, lo), hi) - after)
	p[originAt], p[scaleAt] = uint32(zero-after), floatBits(scale)
	return p, true
}

// clamping returns the parameters that clamp to [lo, hi] once after is added.
func clamping(after, lo, hi int32) params {
	return params{
		lowAt: floatBits(float32(lo - after - 1)), highAt: floatBits(float32(hi - after + 1)),
		loAt: uint32(lo - after), hiAt: uint32(hi - after), afterAt: uint32(after),
	}
}
