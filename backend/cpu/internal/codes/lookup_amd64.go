//go:build amd64 && !purego

package codes

import "golang.org/x/sys/cpu"

//go:generate go -C ../../../../internal/asmgen run ./codes -isa avx512 -group lookups -out ../../backend/cpu/internal/codes/lookup_avx512_amd64.s -stubs ../../backend/cpu/internal/codes/lookup_avx512_amd64.go -pkg codes

// lookup looks up the first elements and returns their number. Few machines
// with AVX-512 lack the permutations of bytes.
func lookup(dst, x []byte, table *[256]byte) int {
	if len(x) == 0 || width.Kernel() != 16 || !cpu.X86.HasAVX512VBMI {
		return 0
	}
	lookupAVX512(&dst[0], &x[0], table, uintptr(len(x)))
	return len(x)
}
