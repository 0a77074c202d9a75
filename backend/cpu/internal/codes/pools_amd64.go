//go:build amd64 && !purego

package codes

//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx512 -group pools -out ../../backend/cpu/internal/codes/pools_avx512_amd64.s -stubs ../../backend/cpu/internal/codes/pools_avx512_amd64.go -pkg codes
//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx2 -group pools -out ../../backend/cpu/internal/codes/pools_avx2_amd64.s -stubs ../../backend/cpu/internal/codes/pools_avx2_amd64.go -pkg codes

func largest(signed bool, dst, x []byte, pixels, channels, stride int, taps []int) bool {
	w := width.Kernel()
	if w == 0 || w == 8 && channels < 32 {
		return false
	}
	p, c, a, s, n, o, d := uintptr(pixels), uintptr(channels), &x[0], uintptr(stride), uintptr(len(taps)), &taps[0], &dst[0]
	switch {
	case w == 16 && signed:
		largestInt8AVX512(p, c, a, s, n, o, d)
	case w == 16:
		largestUint8AVX512(p, c, a, s, n, o, d)
	case signed:
		largestInt8AVX2(p, c, a, s, n, o, d)
	default:
		largestUint8AVX2(p, c, a, s, n, o, d)
	}
	return true
}
