//go:build amd64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/quant"
)

//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx512 -group blocks -out ../../backend/cpu/internal/codes/blocks_avx512_amd64.s -stubs ../../backend/cpu/internal/codes/blocks_avx512_amd64.go -pkg codes
//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx2 -group blocks -out ../../backend/cpu/internal/codes/blocks_avx2_amd64.s -stubs ../../backend/cpu/internal/codes/blocks_avx2_amd64.go -pkg codes

// requantizeBlock writes the codes of b to dst, which begins with them, and
// the mask bits, from bit from on, to mask. It reports whether vectors could.
func requantizeBlock(q *Requantizer, dst, mask []byte, from int, signed bool, b gemm.IntBlock) bool {
	w, rows, cols := width.Kernel(), b.Hi-b.Lo, b.To-b.From
	if w == 0 || w == 8 && len(b.Acc) < (rows-1)*b.Stride+(cols+15)&^15 {
		return false
	}
	p := q.p
	if signed { // Packed as unsigned codes.
		p[afterAt], p[noneAt] = p[afterAt]+128, 0x80808080
	} else {
		p[noneAt] = 0
	}
	if mask == nil && q.small { // The bounds are those of the bytes.
		p[lowAt], p[highAt] = uint32(q.lo), uint32(q.hi)
		if signed {
			p[lowAt], p[highAt] = p[lowAt]+128, p[highAt]+128
		}
	}
	_, _ = dst[(rows-1)*q.channels+cols-1], b.Acc[(rows-1)*b.Stride+cols-1]
	if mask != nil {
		_ = mask[(from+(rows-1)*q.channels+cols-1)/8]
		mask = mask[from/8:]
	}
	step := 2 * w
	for c := 0; c < cols; c += step {
		n := min(cols-c, step)
		var m []byte
		if mask != nil {
			m = mask[c/8:]
		}
		if n == step || w == 16 {
			q.rows(w, dst[c:], q.channels, m, b.Acc[c:], b.Stride, b.From+c, &p, rows, n)
		} else {
			q.side(dst[c:], m, b.Acc[c:], b.Stride, b.From+c, &p, rows, n)
		}
	}
	return true
}

// side is rows for n columns, fewer than the vectors write.
func (q *Requantizer) side(dst, mask []byte, acc []int32, stride, column int, p *params, rows, n int) {
	const size = 32
	for r := 0; r < rows; r += size {
		var wide [16 * size]byte
		var bits [2 * size]byte
		count := min(rows-r, size)
		var m []byte
		if mask != nil {
			m = bits[:]
		}
		q.rows(8, wide[:], 16, m, acc[r*stride:], stride, column, p, count, 16)
		for i := range count {
			at := (r + i) * q.channels
			copy(dst[at:at+n], wide[16*i:])
			if mask != nil {
				copy(mask[at/8:at/8+n/8], bits[2*i:])
			}
		}
	}
}

func (q *Requantizer) rows(w int, dst []byte, ldd int, mask []byte, acc []int32, stride, column int, p *params, rows, n int) {
	d, k, a, add := &dst[0], unsafe.SliceData(mask), &acc[0], &q.add[column]
	l, lm, la, r, c := uintptr(ldd), uintptr(ldd/8), uintptr(4*stride), uintptr(rows), uintptr(n)
	if q.factor != nil {
		m := &q.factor[column]
		switch {
		case q.small && mask == nil && w == 16:
			requantizeBlockSmallAVX512(d, l, a, la, add, m, p, r, c)
		case q.small && mask == nil:
			requantizeBlockSmallAVX2(d, l, a, la, add, m, p, r, c)
		case w == 16:
			requantizeBlockAVX512(d, l, k, lm, a, la, add, m, p, r, c)
		default:
			requantizeBlockAVX2(d, l, k, lm, a, la, add, m, p, r, c)
		}
		return
	}
	m, left, right := &q.fixed[column], &q.left[column], &q.right[column]
	switch double := q.rule.Requant == quant.RequantQ31Double; {
	case w == 16 && double:
		requantizeBlockDoubleAVX512(d, l, k, lm, a, la, add, m, left, right, p, r, c)
	case w == 16:
		requantizeBlockSingleAVX512(d, l, k, lm, a, la, add, m, left, right, p, r, c)
	case double:
		requantizeBlockDoubleAVX2(d, l, k, lm, a, la, add, m, left, right, p, r, c)
	default:
		requantizeBlockSingleAVX2(d, l, k, lm, a, la, add, m, left, right, p, r, c)
	}
}

// columnStep is how many columns, at most, the vectors of width w do of those
// left at a time, n, and whether one vector is enough for them.
func columnStep(w, left int) (n int, narrow bool) {
	n = min(left, 2*w)
	if n < 2*w && n > w && w < 16 { // Vectors that are not cut short.
		n = w
	}
	return n, n <= w
}

// dequantizeBlock writes the first columns of b to dst, which begins with
// them, and returns their number.
func dequantizeBlock(dst []float32, channels int, b gemm.IntBlock, add []int32, scale, bias []float32) int {
	w, rows, cols := width.Kernel(), b.Hi-b.Lo, b.To-b.From
	if w == 0 {
		return 0
	}
	if w == 8 {
		cols &^= 7
	}
	if cols == 0 {
		return 0
	}
	_, _ = dst[(rows-1)*channels+cols-1], b.Acc[(rows-1)*b.Stride+cols-1]
	l, la, u := uintptr(4*channels), uintptr(4*b.Stride), uintptr(rows)
	for c := 0; c < cols; {
		n, narrow := columnStep(w, cols-c)
		d, a, f, s, o := &dst[c], &b.Acc[c], &add[b.From+c], &scale[b.From+c], &bias[b.From+c]
		switch k := uintptr(n); {
		case w == 16 && narrow:
			dequantizeBlockNarrowAVX512(d, l, a, la, f, s, o, u, k)
		case w == 16:
			dequantizeBlockAVX512(d, l, a, la, f, s, o, u, k)
		case narrow:
			dequantizeBlockNarrowAVX2(d, l, a, la, f, s, o, u, k)
		default:
			dequantizeBlockAVX2(d, l, a, la, f, s, o, u, k)
		}
		c += n
	}
	return cols
}

// dequantizeMoments is DequantizeMoments for the first columns of b, with which
// dst begins, at most step rows at a time. It returns their number.
func dequantizeMoments(dst []float32, channels, step int, b gemm.IntBlock, add []int32, scale, bias []float32, m *ColumnMoments) int {
	w, rows, cols := width.Kernel(), b.Hi-b.Lo, b.To-b.From
	if w == 8 {
		cols &^= 7
	}
	if w == 0 || cols == 0 {
		return 0
	}
	_, _ = dst[(rows-1)*channels+cols-1], b.Acc[(rows-1)*b.Stride+cols-1]
	l, la := uintptr(4*channels), uintptr(4*b.Stride)
	for c := 0; c < cols; {
		n, narrow := columnStep(w, cols-c)
		f, s, o := &add[b.From+c], &scale[b.From+c], &bias[b.From+c]
		sum, low, high, least, most := &m.Sum[c], &m.Low[c], &m.High[c], &m.Least[c], &m.Most[c]
		for r := 0; r < rows; r += step {
			d, a, u := &dst[r*channels+c], &b.Acc[r*b.Stride+c], uintptr(min(step, rows-r))
			switch k := uintptr(n); {
			case w == 16 && narrow:
				dequantizeMomentsNarrowAVX512(d, l, a, la, f, s, o, sum, low, high, least, most, u, k)
			case w == 16:
				dequantizeMomentsAVX512(d, l, a, la, f, s, o, sum, low, high, least, most, u, k)
			case narrow:
				dequantizeMomentsNarrowAVX2(d, l, a, la, f, s, o, sum, low, high, least, most, u, k)
			default:
				dequantizeMomentsAVX2(d, l, a, la, f, s, o, sum, low, high, least, most, u, k)
			}
		}
		c += n
	}
	return cols
}

// dequantizeEnds is DequantizeEnds for a dst that begins with the columns of
// b. It reports whether vectors could.
func dequantizeEnds(dst []float32, channels int, b gemm.IntBlock, add []int32, scale, bias, least, most []float32) bool {
	w, rows, cols := width.Kernel(), b.Hi-b.Lo, b.To-b.From
	if w == 0 || w == 8 && cols%8 != 0 {
		return false
	}
	_, _ = dst[(rows-1)*channels+cols-1], b.Acc[(rows-1)*b.Stride+cols-1]
	u := uintptr(rows)
	l, la := uintptr(4*channels), uintptr(4*b.Stride)
	for c := 0; c < cols; {
		n, narrow := columnStep(w, cols-c)
		d, a, f, s, o := &dst[c], &b.Acc[c], &add[b.From+c], &scale[b.From+c], &bias[b.From+c]
		switch k := uintptr(n); {
		case w == 16 && narrow:
			dequantizeEndsNarrowAVX512(d, l, a, la, f, s, o, &least[c], &most[c], u, k)
		case w == 16:
			dequantizeEndsAVX512(d, l, a, la, f, s, o, &least[c], &most[c], u, k)
		case narrow:
			dequantizeEndsNarrowAVX2(d, l, a, la, f, s, o, &least[c], &most[c], u, k)
		default:
			dequantizeEndsAVX2(d, l, a, la, f, s, o, &least[c], &most[c], u, k)
		}
		c += n
	}
	return true
}
