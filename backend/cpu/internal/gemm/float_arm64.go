//go:build arm64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

func init() {
	floatKernels.Add(isa.NEON, floatKernel[float32]{height: 6, wide: 16, narrow: 8, tile: tileF32NEON, transpose: transposeNEON})
}

// gemmF32Tile6x16NEON computes tiles of 6 x 16 elements, passes of them below
// each other, and adds them to c or not. This and those below take passes, k
// and a count of blocks of at least 1 and strides in bytes.
//
//go:noescape
func gemmF32Tile6x16NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)

// gemmF32Tile2x16NEON computes tiles of 2 x 16 elements.
//
//go:noescape
func gemmF32Tile2x16NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)

// gemmF32Tile1x16NEON computes rows of 16 elements.
//
//go:noescape
func gemmF32Tile1x16NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)

// gemmF32Tile6x8NEON computes tiles of 6 x 8 elements.
//
//go:noescape
func gemmF32Tile6x8NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)

// gemmF32Tile2x8NEON computes tiles of 2 x 8 elements.
//
//go:noescape
func gemmF32Tile2x8NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)

// gemmF32Tile1x8NEON computes rows of 8 elements.
//
//go:noescape
func gemmF32Tile1x8NEON(passes, k uintptr, a *float32, rsA, csA uintptr, b *float32, rsB uintptr, c *float32, ldc uintptr, add bool, blocks *int, count uintptr)

// transposeF32x4NEON copies 4 rows of src, 4 x blocks elements each, to the
// first 4 columns of dst. Strides are in bytes.
//
//go:noescape
func transposeF32x4NEON(blocks uintptr, dst *float32, dstStride uintptr, src *float32, srcStride uintptr)

// f32Tile names a kernel. It is no function, as the compiler would move the
// buffer of a call of one that it does not know to the heap.
type f32Tile struct{ height, width int }

func (t f32Tile) run(blocks []Block, passes, k int, a *float32, rsA, csA int, b *float32, rsB int, c *float32, ldc int, add bool) {
	n, d := uintptr(passes), uintptr(k)
	rs, cs, rb, lc := uintptr(rsA)*4, uintptr(csA)*4, uintptr(rsB)*4, uintptr(ldc)*4
	first, count := &blocks[0].A, uintptr(len(blocks))
	switch t {
	case f32Tile{6, 16}:
		gemmF32Tile6x16NEON(n, d, a, rs, cs, b, rb, c, lc, add, first, count)
	case f32Tile{2, 16}:
		gemmF32Tile2x16NEON(n, d, a, rs, cs, b, rb, c, lc, add, first, count)
	case f32Tile{1, 16}:
		gemmF32Tile1x16NEON(n, d, a, rs, cs, b, rb, c, lc, add, first, count)
	case f32Tile{6, 8}:
		gemmF32Tile6x8NEON(n, d, a, rs, cs, b, rb, c, lc, add, first, count)
	case f32Tile{2, 8}:
		gemmF32Tile2x8NEON(n, d, a, rs, cs, b, rb, c, lc, add, first, count)
	case f32Tile{1, 8}:
		gemmF32Tile1x8NEON(n, d, a, rs, cs, b, rb, c, lc, add, first, count)
	default:
		panic("gemm: no such kernel")
	}
}

// tileF32NEON covers the rows with the kernels, tallest first. Those store
// whole panels: of fewer columns they store the tile in a buffer.
func tileF32NEON(blocks []Block, rows, k int, a []float32, rsA, csA int, b []float32, rsB int, c []float32, ldc, cols int, add bool) {
	width := 8
	if cols > 8 {
		width = 16
	}
	for _, t := range blocks {
		_, _, _, _ = a[t.A], a[t.A+(rows-1)*rsA+(k-1)*csA], b[t.B], b[t.B+(k-1)*rsB+width-1]
	}
	_ = c[(rows-1)*ldc+cols-1]
	i := 0
	for _, height := range [...]int{6, 2, 1} {
		t := f32Tile{height, width}
		passes := (rows - i) / height
		if passes == 0 {
			continue
		}
		if cols == width {
			t.run(blocks, passes, k, &a[i*rsA], rsA, csA, &b[0], rsB, &c[i*ldc], ldc, add)
			i += passes * height
			continue
		}
		var sums [6][16]float32
		for range passes {
			t.run(blocks, 1, k, &a[i*rsA], rsA, csA, &b[0], rsB, &sums[0][0], 16, false)
			for y := range height {
				row := c[(i+y)*ldc:][:cols]
				if !add {
					copy(row, sums[y][:])
					continue
				}
				for j, v := range sums[y][:cols] {
					row[j] += v
				}
			}
			i += height
		}
	}
}

func transposeNEON(dst []float32, w int, src []float32, ld, cols, k int) {
	cols4, k4 := cols&^3, k&^3
	if cols4 > 0 && k4 > 0 {
		_ = dst[(k4-1)*w+cols4-1]
		_ = src[(cols4-1)*ld+k4-1]
		for j := 0; j < cols4; j += 4 {
			transposeF32x4NEON(uintptr(k4/4), &dst[j], uintptr(w)*4, &src[j*ld], uintptr(ld)*4)
		}
		if k4 < k {
			transposeLoop(dst[k4*w:], w, src[k4:], ld, cols4, k-k4)
		}
	} else {
		cols4 = 0
	}
	if cols4 < cols {
		transposeLoop(dst[cols4:], w, src[cols4*ld:], ld, cols-cols4, k)
	}
}
