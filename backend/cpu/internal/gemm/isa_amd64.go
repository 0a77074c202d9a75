//go:build amd64 && !purego

package gemm

import "golang.org/x/sys/cpu"

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel f32_avx512 -out ../../backend/cpu/internal/gemm/f32_avx512_amd64.s -stubs ../../backend/cpu/internal/gemm/f32_avx512_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel f32_avx2 -out ../../backend/cpu/internal/gemm/f32_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/f32_avx2_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel pack_avx2 -out ../../backend/cpu/internal/gemm/pack_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/pack_avx2_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel u8_avx512vnni -out ../../backend/cpu/internal/gemm/u8_avx512vnni_amd64.s -stubs ../../backend/cpu/internal/gemm/u8_avx512vnni_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel u8_avxvnni -out ../../backend/cpu/internal/gemm/u8_avxvnni_amd64.s -stubs ../../backend/cpu/internal/gemm/u8_avxvnni_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel s16_avx512 -out ../../backend/cpu/internal/gemm/s16_avx512_amd64.s -stubs ../../backend/cpu/internal/gemm/s16_avx512_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel s16_avx2 -out ../../backend/cpu/internal/gemm/s16_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/s16_avx2_amd64.go -pkg gemm

// machineHas reports whether the machine has instruction set i and all that
// the kernels of that name use.
func machineHas(i int) bool {
	avx2 := cpu.X86.HasAVX2 && cpu.X86.HasFMA
	avx512 := avx2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ
	switch i {
	case isaAVX2:
		return avx2
	case isaAVXVNNI:
		return avx2 && cpu.X86.HasAVXVNNI
	case isaAVX512:
		return avx512
	case isaAVX512VNNI:
		return avx512 && cpu.X86.HasAVX512VNNI
	}
	return false
}

func floatKernelFor[T Float]() floatKernel[T] {
	kr := portableFloat[T]()
	if f, ok := any(&kr).(*floatKernel[float32]); ok {
		switch i := isa.Load(); {
		case i >= isaAVX512:
			*f = floatKernel[float32]{height: 14, wide: 32, narrow: 16, masked: true, tile: tileF32AVX512, transpose: transposeAVX2}
		case i >= isaAVX2:
			*f = floatKernel[float32]{height: 6, wide: 16, narrow: 8, tile: tileF32AVX2, transpose: transposeAVX2}
		}
	}
	return kr
}

func intKernelFor() intKernel {
	switch isa.Load() {
	case isaAVX512VNNI:
		return intKernel{height: 14, panels: 2, unsigned: true, shift: shiftAVX2, bytes: bytesAVX512VNNI}
	case isaAVX512:
		return intKernel{height: 14, panels: 2, words: wordsAVX512, widen: widenAVX2}
	case isaAVXVNNI:
		return intKernel{height: 6, panels: 1, unsigned: true, shift: shiftAVX2, bytes: bytesAVXVNNI}
	case isaAVX2:
		return intKernel{height: 6, panels: 1, words: wordsAVX2, widen: widenAVX2}
	}
	return portableInt()
}

// columnMask has a window of n ones and then zeros for every n <= 16.
var columnMask = [32]int32{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}

// maskYMM returns the masks of the first cols of 16 columns.
func maskYMM(cols int) *int32 { return &columnMask[16-cols] }

// maskZMM is maskYMM as bits.
func maskZMM(cols int) uint64 { return 1<<cols - 1 }
