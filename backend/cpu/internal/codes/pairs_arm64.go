//go:build arm64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/quant"
)

// addCodesDivideNEON writes the codes of sums of the numbers
// (code^flip-zero) * scale of a and b, of which sides has flip, zero and scale,
// by quotients.
//
//go:noescape
func addCodesDivideNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)

// addCodesMultiplyNEON is addCodesDivideNEON by products.
//
//go:noescape
func addCodesMultiplyNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)

// mulCodesDivideNEON is addCodesDivideNEON for products of the numbers.
//
//go:noescape
func mulCodesDivideNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)

// mulCodesMultiplyNEON is mulCodesDivideNEON by products.
//
//go:noescape
func mulCodesMultiplyNEON(dst, mask, a, b *byte, sides *[6]uint32, p *[12]uint32, n uintptr)

// pair does the first elements of a sum or a product of codes and returns
// their number.
func pair(product bool, r quant.Rule, dst, mask, a, b []byte, s *sides, p *params) int {
	n := count(len(dst))
	if n == 0 {
		return 0
	}
	if mask != nil {
		_ = mask[(n-1)/8]
	}
	d, m, x, y, u := &dst[0], unsafe.SliceData(mask), &a[0], &b[0], uintptr(n)
	switch {
	case product && r.Reciprocal:
		mulCodesMultiplyNEON(d, m, x, y, s, p, u)
	case product:
		mulCodesDivideNEON(d, m, x, y, s, p, u)
	case r.Reciprocal:
		addCodesMultiplyNEON(d, m, x, y, s, p, u)
	default:
		addCodesDivideNEON(d, m, x, y, s, p, u)
	}
	return n
}
