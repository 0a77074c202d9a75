//go:build arm64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

func init() {
	intKernels.Add(isa.NEON, intKernel{height: 2, panels: 1, unsigned: true, shift: shiftCodes, signedBytes: bytesNEON})
	intKernels.Add(isa.SDOT, intKernel{height: 4, panels: 1, unsigned: true, shift: shiftCodes, signedBytes: bytesSDOT})
	intKernels.Add(isa.I8MM, intKernel{height: 6, panels: 1, unsigned: true, bytes: bytesI8MM, signedBytes: signedBytesI8MM})
}

// gemmS8Tile2x16NEON computes tiles of 2 x 16 sums, passes of them below each
// other, of signed codes. This and those below take passes, groups and taps
// of at least 1 and distances in bytes.
//
//go:noescape
func gemmS8Tile2x16NEON(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmS8Tile1x16NEON computes rows of 16 sums.
//
//go:noescape
func gemmS8Tile1x16NEON(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmS8Tile4x16SDOT computes tiles of 4 x 16 sums.
//
//go:noescape
func gemmS8Tile4x16SDOT(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmS8Tile1x16SDOT computes rows of 16 sums.
//
//go:noescape
func gemmS8Tile1x16SDOT(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmS8Tile6x16I8MM computes tiles of 6 x 16 sums.
//
//go:noescape
func gemmS8Tile6x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmS8Tile2x16I8MM computes tiles of 2 x 16 sums.
//
//go:noescape
func gemmS8Tile2x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmU8Tile6x16I8MM computes tiles of 6 x 16 sums of unsigned codes.
//
//go:noescape
func gemmU8Tile6x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmU8Tile2x16I8MM computes tiles of 2 x 16 sums of unsigned codes.
//
//go:noescape
func gemmU8Tile2x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// gemmU8Tile1x16I8MM computes rows of 16 sums of unsigned codes.
//
//go:noescape
func gemmU8Tile1x16I8MM(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// intTile is a kernel.
type intTile func(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, init, c *int32, ldc uintptr)

// Kernels by height, tallest first, and how they share rows. A machine with
// I8MM has SDOT, too, which does no more work than there is for a single row.
var (
	cutsNEON = newRowCuts(2, 1)
	cutsSDOT = newRowCuts(4, 1)
	cutsI8MM = newRowCuts(6, 2, 1)

	s8KernelsNEON = []intTile{gemmS8Tile2x16NEON, gemmS8Tile1x16NEON}
	s8KernelsSDOT = []intTile{gemmS8Tile4x16SDOT, gemmS8Tile1x16SDOT}
	s8KernelsI8MM = []intTile{gemmS8Tile6x16I8MM, gemmS8Tile2x16I8MM, gemmS8Tile1x16SDOT}
	u8KernelsI8MM = []intTile{gemmU8Tile6x16I8MM, gemmU8Tile2x16I8MM, gemmU8Tile1x16I8MM}
)

// runInt covers the rows with the kernels, which store 16 columns.
func runInt(kernels []intTile, cuts *rowCuts, r intRows, a []byte, b []byte, init, c []int32, ldc, cols int) {
	_ = init[PanelChannels-1]
	_ = c[(r.count()-1)*ldc+PanelChannels-1]
	if r.groups == 0 { // Nothing is read; the kernels still want pointers.
		for i := range r.count() {
			copy(c[i*ldc:i*ldc+cols], init)
		}
		return
	}
	_ = a[r.end()-1]
	_ = b[len(r.taps)*r.groups*blockBytes-1]
	run := func(i, passes, at, jump, next, row int) {
		kernels[i](uintptr(passes), uintptr(r.groups), &a[at], uintptr(r.stride), uintptr(jump), uintptr(next),
			uintptr(len(r.taps)), &r.taps[0], &b[0], &init[0], &c[row*ldc], uintptr(ldc)*4)
	}
	line := 0
	if i := cuts.pair(r.width); i >= 0 && r.lines > 1 {
		run(i, r.lines/2, 0, r.line, 2*r.line, 0)
		line = r.lines &^ 1
	}
	for ; line < r.lines; line++ {
		x := 0
		for i := range kernels {
			passes, h := cuts.passes(r.width, i), cuts.heights[i]
			if passes == 0 {
				continue
			}
			run(i, passes, line*r.line+x*r.stride, h/2*r.stride, h*r.stride, line*r.width+x)
			x += passes * h
		}
	}
}

func bytesNEON(r intRows, a []byte, b []byte, _ int, init, c []int32, ldc, cols int) {
	runInt(s8KernelsNEON, cutsNEON, r, a, b, init, c, ldc, cols)
}

func bytesSDOT(r intRows, a []byte, b []byte, _ int, init, c []int32, ldc, cols int) {
	runInt(s8KernelsSDOT, cutsSDOT, r, a, b, init, c, ldc, cols)
}

func signedBytesI8MM(r intRows, a []byte, b []byte, _ int, init, c []int32, ldc, cols int) {
	runInt(s8KernelsI8MM, cutsI8MM, r, a, b, init, c, ldc, cols)
}

func bytesI8MM(r intRows, a []byte, b []byte, _ int, init, c []int32, ldc, cols int) {
	runInt(u8KernelsI8MM, cutsI8MM, r, a, b, init, c, ldc, cols)
}
