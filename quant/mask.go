package quant

import "math"

// STEGrad writes the straight-through gradient of a quantizer to dst[from:to]:
// dy where the mask bit is 1, else 0. dst may be dy. from must be a multiple
// of 8.
func STEGrad(dst, dy []float32, mask []byte, from, to int) {
	i := from
	for ; i+8 <= to; i += 8 {
		b := uint32(mask[i>>3])
		d, s := dst[i:i+8:i+8], dy[i:i+8:i+8]
		for k := range d {
			// All ones where the bit is set: no branch to mispredict.
			keep := -(b >> k & 1)
			d[k] = math.Float32frombits(math.Float32bits(s[k]) & keep)
		}
	}
	for ; i < to; i++ {
		keep := -(uint32(mask[i>>3]) >> (i & 7) & 1)
		dst[i] = math.Float32frombits(math.Float32bits(dy[i]) & keep)
	}
}

// clearMask zeroes the mask bytes of elements [from, to), from a multiple of 8.
func clearMask(mask []byte, from, to int) {
	if mask != nil && from < to {
		clear(mask[from>>3 : (to+7)>>3])
	}
}

// storeMask sets the bits of elements at, at+1, ... whose integers lie in
// [lo, hi]. The bytes were cleared before, since a run of one channel may end
// inside a byte.
func storeMask(mask []byte, at int, q []int32, lo, hi int32) {
	if mask == nil {
		return
	}
	span := uint32(hi - lo)
	k := 0
	for ; k < len(q) && (at+k)&7 != 0; k++ {
		mask[(at+k)>>3] |= inSpan(q[k], lo, span) << ((at + k) & 7)
	}
	for ; k+8 <= len(q); k += 8 {
		v := q[k : k+8 : k+8]
		mask[(at+k)>>3] = inSpan(v[0], lo, span) | inSpan(v[1], lo, span)<<1 |
			inSpan(v[2], lo, span)<<2 | inSpan(v[3], lo, span)<<3 |
			inSpan(v[4], lo, span)<<4 | inSpan(v[5], lo, span)<<5 |
			inSpan(v[6], lo, span)<<6 | inSpan(v[7], lo, span)<<7
	}
	for ; k < len(q); k++ {
		mask[(at+k)>>3] |= inSpan(q[k], lo, span) << ((at + k) & 7)
	}
}

// inSpan returns 1 when lo <= q <= lo+span, with one comparison.
func inSpan(q, lo int32, span uint32) byte {
	var b byte
	if uint32(q-lo) <= span {
		b = 1
	}
	return b
}
