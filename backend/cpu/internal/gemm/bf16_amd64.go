//go:build amd64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel bf16_avx512bf16 -out ../../backend/cpu/internal/gemm/bf16_avx512bf16_amd64.s -stubs ../../backend/cpu/internal/gemm/bf16_avx512bf16_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel pack_avx512bf16 -out ../../backend/cpu/internal/gemm/pack_avx512bf16_amd64.s -stubs ../../backend/cpu/internal/gemm/pack_avx512bf16_amd64.go -pkg gemm

func init() {
	bf16Kernels.Add(isa.AVX512BF16, bf16Kernel{wide: 32, narrow: 16, masked: true,
		tile: tileBF16AVX512, pair: pairAVX512BF16, join: joinAVX512BF16, codes: codesAVX512})
}

type bf16AVX512 func(passes, k uintptr, a *uint32, rsA, csA uintptr, b *uint32, rsB uintptr, c *float32, ldc uintptr, add bool, mask uint64, blocks *int, count uintptr)

// Kernels by height.
var bf16KernelsAVX512 = [...]struct{ wide, narrow bf16AVX512 }{
	1:  {gemmBF16Tile1x32AVX512BF16, gemmBF16Tile1x16AVX512BF16},
	2:  {gemmBF16Tile2x32AVX512BF16, gemmBF16Tile2x16AVX512BF16},
	3:  {gemmBF16Tile3x32AVX512BF16, gemmBF16Tile3x16AVX512BF16},
	4:  {gemmBF16Tile4x32AVX512BF16, gemmBF16Tile4x16AVX512BF16},
	5:  {gemmBF16Tile5x32AVX512BF16, gemmBF16Tile5x16AVX512BF16},
	6:  {gemmBF16Tile6x32AVX512BF16, gemmBF16Tile6x16AVX512BF16},
	7:  {gemmBF16Tile7x32AVX512BF16, gemmBF16Tile7x16AVX512BF16},
	8:  {gemmBF16Tile8x32AVX512BF16, gemmBF16Tile8x16AVX512BF16},
	14: {gemmBF16Tile14x32AVX512BF16, gemmBF16Tile14x16AVX512BF16},
}

func tileBF16AVX512(blocks []Block, rows, k int, a []uint32, rsA, csA int, b []uint32, rsB int, c []float32, ldc, cols int, add bool) {
	checkTile(blocks, rows, k, a, rsA, csA, b, rsB, cols, c, ldc, cols)
	for i := 0; i < rows; {
		h, passes := nextPasses(rows-i, 14, 8, 3)
		tile := bf16KernelsAVX512[h].narrow
		if cols > 16 {
			tile = bf16KernelsAVX512[h].wide
		}
		tile(uintptr(passes), uintptr(k), &a[i*rsA], uintptr(rsA)*4, uintptr(csA)*4, &b[0], uintptr(rsB)*4,
			&c[i*ldc], uintptr(ldc)*4, add, maskZMM(cols), &blocks[0].A, uintptr(len(blocks)))
		i += passes * h
	}
}

func pairAVX512BF16(rows, n int, dst []uint32, ldDst int, src []float32, ld, second int, scale float32, low bool) {
	if rows == 0 || n == 0 {
		return
	}
	_, _, _ = dst[(rows-1)*ldDst+n-1], src[(rows-1)*ld+n-1], src[(rows-1)*ld+second+n-1]
	f := pairF32AVX512BF16
	if low {
		f = pairLowF32AVX512BF16
	}
	f(uintptr(rows), uintptr(n), &dst[0], uintptr(ldDst)*4, &src[0], uintptr(ld)*4, uintptr(second)*4, scale)
}

func joinAVX512BF16(rows, n int, dst []uint32, ldDst int, src []float32, ld int, scale []float32, low bool) {
	if rows == 0 || n == 0 {
		return
	}
	_, _, _ = dst[(rows-1)*ldDst+(n-1)/2], src[(rows-1)*ld+n-1], scale[n-1]
	f := joinF32AVX512BF16
	if low {
		f = joinLowF32AVX512BF16
	}
	f(uintptr(rows), uintptr(n), &dst[0], uintptr(ldDst)*4, &src[0], uintptr(ld)*4, &scale[0])
}

func codesAVX512(rows, n int, dst []uint32, ldDst int, src []byte, ld, second int, zero int32, signed bool) {
	if rows == 0 || n == 0 {
		return
	}
	_, _, _ = dst[(rows-1)*ldDst+n-1], src[(rows-1)*ld+n-1], src[(rows-1)*ld+second+n-1]
	f := pairU8AVX512
	if signed {
		f = pairI8AVX512
	}
	f(uintptr(rows), uintptr(n), &dst[0], uintptr(ldDst)*4, &src[0], uintptr(ld), uintptr(second), zero)
}
