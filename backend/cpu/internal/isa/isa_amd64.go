package isa

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

var architecture = []Set{AVX2, AVXVNNI, AVX512, AVX512VNNI, AVX512BF16, AMXInt8, AMXBF16}

// inCPU reports whether the CPU has s and all that the kernels of that name
// use besides. For vector registers package cpu has asked the system too.
func inCPU(s Set) bool {
	x := &cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA
	avx512 := avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ
	switch s {
	case AVX2:
		return avx2
	case AVXVNNI:
		return avx2 && x.HasAVXVNNI
	case AVX512:
		return avx512
	case AVX512VNNI:
		return avx512 && x.HasAVX512VNNI
	case AVX512BF16:
		return avx512 && x.HasAVX512BF16
	case AMXInt8:
		return avx512 && x.HasAMXTile && x.HasAMXInt8
	case AMXBF16:
		return avx512 && x.HasAMXTile && x.HasAMXBF16
	}
	return false
}

func missing(s Set) error {
	if !inCPU(s) {
		return fmt.Errorf("isa: %s: %w", s, ErrAbsent)
	}
	if s == AMXInt8 || s == AMXBF16 {
		if err := tilePermission(); err != nil {
			return fmt.Errorf("isa: %s: %w", s, err)
		}
	}
	return nil
}
