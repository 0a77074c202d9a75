//go:build amd64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel f32_avx512 -out ../../backend/cpu/internal/gemm/f32_avx512_amd64.s -stubs ../../backend/cpu/internal/gemm/f32_avx512_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel f32_avx2 -out ../../backend/cpu/internal/gemm/f32_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/f32_avx2_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel pack_avx2 -out ../../backend/cpu/internal/gemm/pack_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/pack_avx2_amd64.go -pkg gemm

func init() {
	floatKernels.Add(isa.AVX512, floatKernel[float32]{height: 14, wide: 32, narrow: 16, masked: true, tile: tileF32AVX512, transpose: transposeAVX2})
	floatKernels.Add(isa.AVX2, floatKernel[float32]{height: 6, wide: 16, narrow: 8, tile: tileF32AVX2, transpose: transposeAVX2})
}

type f32AVX512 func(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, mask uint64, blocks *int, count uintptr)

// Kernels by height.
var f32KernelsAVX512 = [...]struct{ wide, narrow f32AVX512 }{
	1:  {gemmF32Tile1x32AVX512, gemmF32Tile1x16AVX512},
	2:  {gemmF32Tile2x32AVX512, gemmF32Tile2x16AVX512},
	3:  {gemmF32Tile3x32AVX512, gemmF32Tile3x16AVX512},
	4:  {gemmF32Tile4x32AVX512, gemmF32Tile4x16AVX512},
	5:  {gemmF32Tile5x32AVX512, gemmF32Tile5x16AVX512},
	6:  {gemmF32Tile6x32AVX512, gemmF32Tile6x16AVX512},
	7:  {gemmF32Tile7x32AVX512, gemmF32Tile7x16AVX512},
	8:  {gemmF32Tile8x32AVX512, gemmF32Tile8x16AVX512},
	14: {gemmF32Tile14x32AVX512, gemmF32Tile14x16AVX512},
}

type f32AVX2 func(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, mask *int32, blocks *int, count uintptr)

var f32KernelsAVX2 = [...]struct{ wide, narrow f32AVX2 }{
	1: {gemmF32Tile1x16AVX2, gemmF32Tile1x8AVX2},
	2: {gemmF32Tile2x16AVX2, gemmF32Tile2x8AVX2},
	3: {gemmF32Tile3x16AVX2, gemmF32Tile3x8AVX2},
	4: {gemmF32Tile4x16AVX2, gemmF32Tile4x8AVX2},
	5: {gemmF32Tile5x16AVX2, gemmF32Tile5x8AVX2},
	6: {gemmF32Tile6x16AVX2, gemmF32Tile6x8AVX2},
}

// checkTile makes the last element that a kernel touches an index in Go.
func checkTile[E Cell](blocks []Block, rows, k int, a []E, rsA, csA int, b []E, rsB, width int, c []float32, ldc, cols int) {
	lastA, lastB := (rows-1)*rsA+(k-1)*csA, (k-1)*rsB+width-1
	for _, t := range blocks {
		_, _, _ = a[t.A], a[t.A+lastA], b[t.B+lastB]
		_ = b[t.B]
	}
	_ = c[(rows-1)*ldc+cols-1]
}

// nextPasses returns the height of the next kernel for rows rows and how many
// times it runs. Rows that are left over after the tallest kernel share with
// its last run where a kernel of few rows would wait for its sums.
func nextPasses(rows, tallest, middle, waits int) (height, passes int) {
	switch passes = rows / tallest; {
	case passes > 0 && (rows%tallest == 0 || rows%tallest > waits):
		return tallest, passes
	case passes > 1:
		return tallest, passes - 1
	case rows <= middle:
		return rows, 1
	case rows <= 2*middle:
		return (rows + 1) / 2, 1
	}
	return middle, 1
}

func tileF32AVX512(blocks []Block, rows, k int, a []float32, rsA, csA int, b []float32, rsB int, c []float32, ldc, cols int, add bool) {
	checkTile(blocks, rows, k, a, rsA, csA, b, rsB, cols, c, ldc, cols)
	for i := 0; i < rows; {
		h, passes := nextPasses(rows-i, 14, 8, 2)
		tile := f32KernelsAVX512[h].narrow
		if cols > 16 {
			tile = f32KernelsAVX512[h].wide
		}
		tile(uintptr(passes), uintptr(k), &a[i*rsA], uintptr(rsA)*4, uintptr(csA)*4, &b[0], uintptr(rsB)*4,
			&c[i*ldc], uintptr(ldc)*4, add, maskZMM(cols), &blocks[0].A, uintptr(len(blocks)))
		i += passes * h
	}
}

func tileF32AVX2(blocks []Block, rows, k int, a []float32, rsA, csA int, b []float32, rsB int, c []float32, ldc, cols int, add bool) {
	width := 8
	if cols > 8 {
		width = 16
	}
	checkTile(blocks, rows, k, a, rsA, csA, b, rsB, width, c, ldc, cols)
	for i := 0; i < rows; {
		h, passes := nextPasses(rows-i, 6, 5, 3)
		tile := f32KernelsAVX2[h].narrow
		if cols > 8 {
			tile = f32KernelsAVX2[h].wide
		}
		tile(uintptr(passes), uintptr(k), &a[i*rsA], uintptr(rsA)*4, uintptr(csA)*4, &b[0], uintptr(rsB)*4,
			&c[i*ldc], uintptr(ldc)*4, add, maskYMM(cols), &blocks[0].A, uintptr(len(blocks)))
		i += passes * h
	}
}

func transposeAVX2(dst []float32, w int, src []float32, ld, cols, k int) {
	cols8, k8 := cols&^7, k&^7
	if cols8 > 0 && k8 > 0 {
		_ = dst[(k8-1)*w+cols8-1]
		_ = src[(cols8-1)*ld+k8-1]
		for j := 0; j < cols8; j += 8 {
			transposeF32x8AVX2(uintptr(k8/8), &dst[j], uintptr(w)*4, &src[j*ld], uintptr(ld)*4)
		}
		if k8 < k {
			transposeLoop(dst[k8*w:], w, src[k8:], ld, cols8, k-k8)
		}
	} else {
		cols8 = 0
	}
	if cols8 < cols {
		transposeLoop(dst[cols8:], w, src[cols8*ld:], ld, cols-cols8, k)
	}
}
