//go:build amd64 && !purego

package codes

import (
	"unsafe"

	"github.com/goqat/goqat/quant"
)

//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx512 -group pairs -out ../../backend/cpu/internal/codes/pairs_avx512_amd64.s -stubs ../../backend/cpu/internal/codes/pairs_avx512_amd64.go -pkg codes
//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx2 -group pairs -out ../../backend/cpu/internal/codes/pairs_avx2_amd64.s -stubs ../../backend/cpu/internal/codes/pairs_avx2_amd64.go -pkg codes

// pair does the first elements of a sum or a product of codes and returns
// their number.
func pair(product bool, r quant.Rule, dst, mask, a, b []byte, s *sides, p *params) int {
	w := width.Kernel()
	n := count(w, len(dst))
	if n == 0 {
		return 0
	}
	if mask != nil {
		_ = mask[(n-1)/8]
	}
	d, m, x, y, u := &dst[0], unsafe.SliceData(mask), &a[0], &b[0], uintptr(n)
	switch {
	case w == 16 && product && r.Reciprocal:
		mulCodesMultiplyAVX512(d, m, x, y, s, p, u)
	case w == 16 && product:
		mulCodesDivideAVX512(d, m, x, y, s, p, u)
	case w == 16 && r.Reciprocal:
		addCodesMultiplyAVX512(d, m, x, y, s, p, u)
	case w == 16:
		addCodesDivideAVX512(d, m, x, y, s, p, u)
	case product && r.Reciprocal:
		mulCodesMultiplyAVX2(d, m, x, y, s, p, u)
	case product:
		mulCodesDivideAVX2(d, m, x, y, s, p, u)
	case r.Reciprocal:
		addCodesMultiplyAVX2(d, m, x, y, s, p, u)
	default:
		addCodesDivideAVX2(d, m, x, y, s, p, u)
	}
	return n
}
