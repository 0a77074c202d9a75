//go:build amd64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel amx -out ../../backend/cpu/internal/gemm/tiles_amx_amd64.s -stubs ../../backend/cpu/internal/gemm/tiles_amx_amd64.go -pkg gemm

// bytesAMXTile is an assembly kernel.
type bytesAMXTile func(sums, rowsFull, bytesFull, rowsRest, bytesRest uint64, passes uintptr, a *byte, rsA, jumpA, nextA uintptr, offsets *int, count uintptr,
	b *byte, rsB, jumpB, part, full, rest uintptr, c *int32, ldc, jumpC, nextC, add uintptr)

// Kernels by the tiles of rows and of columns, one less.
var (
	u8KernelsAMX = [2][2]bytesAMXTile{{gemmU8Tile16x16AMX, gemmU8Tile16x32AMX}, {gemmU8Tile32x16AMX, gemmU8Tile32x32AMX}}
	s8KernelsAMX = [2][2]bytesAMXTile{{gemmS8Tile16x16AMX, gemmS8Tile16x32AMX}, {gemmS8Tile32x16AMX, gemmS8Tile32x32AMX}}
)

func init() {
	intKernels.Add(isa.AMXInt8, intKernel{height: tilePairs, panels: 2, blockRows: 4 * tilePairs, unsigned: true, fromZero: true,
		bytes: unsignedAMX, signedBytes: signedAMX, shift: shiftCodes, turn: turnAVX2, sum: sumAVX2})
}

func unsignedAMX(r intRows, a, b []byte, panel int, init, c []int32, ldc, cols int) {
	bytesAMX(&u8KernelsAMX, r, a, b, panel, init, c, ldc, cols)
}

func signedAMX(r intRows, a, b []byte, panel int, init, c []int32, ldc, cols int) {
	bytesAMX(&s8KernelsAMX, r, a, b, panel, init, c, ldc, cols)
}

// bytesAMX covers the rows with the kernels; a nil init is zeros.
func bytesAMX(kernels *[2][2]bytesAMXTile, r intRows, a, b []byte, panel int, init, c []int32, ldc, cols int) {
	_ = c[(r.count()-1)*ldc+cols-1]
	wide := (cols - 1) / tileRows
	add := init != nil
	if add || r.groups == 0 {
		for i := range r.count() {
			row := c[i*ldc : i*ldc+cols]
			clear(row)
			copy(row, init)
		}
		if r.groups == 0 {
			return
		}
	}
	_ = a[r.end()-1]
	_ = b[wide*panel+len(r.taps)*r.groups*blockBytes-1]
	const most = tileDepth / 4
	parts := max(most/r.groups, 1)
	for t := 0; t < len(r.taps); t += parts {
		taps := r.taps[t:min(t+parts, len(r.taps))]
		for g := 0; g < r.groups; g += most {
			depthAMX(kernels, r, taps, min(r.groups-g, most), a[4*g:], b[(t*r.groups+g)*blockBytes:], panel, c, ldc, cols, add)
			add = true
		}
	}
}

// depthAMX does a part of the inner dimension: of each of taps, groups groups.
func depthAMX(kernels *[2][2]bytesAMXTile, r intRows, taps []int, groups int, a, b []byte, panel int, c []int32, ldc, cols int, add bool) {
	full, rest := 4*groups/tileBytes, 4*groups%tileBytes
	adds := uintptr(0)
	if add {
		adds = 1
	}
	tileGroups(r.lines, r.width, r.line, r.stride, func(g tileGroup) {
		whole, tail := newTileShape(g.top, g.bottom, cols, tileBytes), newTileShape(g.top, g.bottom, cols, rest)
		kernels[min(g.bottom, 1)][(cols-1)/tileRows](whole.sums, whole.rows, whole.bytes, tail.rows, tail.bytes, uintptr(g.passes),
			&a[g.at], uintptr(r.stride), uintptr(g.jump), uintptr(g.next), &taps[0], uintptr(len(taps)),
			&b[0], blockBytes, uintptr(panel), uintptr(r.groups*blockBytes), uintptr(full), uintptr(rest),
			&c[g.row*ldc], uintptr(4*ldc), uintptr(4*ldc*g.jumpC), uintptr(4*ldc*g.nextC), adds)
	})
}

// bf16AMXTile is an assembly kernel.
type bf16AMXTile func(sums, rowsFull, bytesFull, rowsRest, bytesRest uint64, passes uintptr, a *uint32, rsA, jumpA, nextA uintptr, offsets *int, count uintptr,
	b *uint32, rsB, jumpB, full, rest uintptr, c *float32, ldc, jumpC, nextC, add uintptr)

var bf16KernelsAMX = [2][2]bf16AMXTile{{gemmBF16Tile16x16AMX, gemmBF16Tile16x32AMX}, {gemmBF16Tile32x16AMX, gemmBF16Tile32x32AMX}}

func init() {
	kr := portableBF16()
	if isa.AVX512BF16.InCPU() {
		kr.pair, kr.join, kr.codes = pairAVX512BF16, joinAVX512BF16, codesAVX512
	}
	kr.wide, kr.narrow, kr.masked, kr.rowsA, kr.tile = tilePairs, tileRows, true, true, tileBF16AMX
	bf16Kernels.Add(isa.AMXBF16, kr)
}

func tileBF16AMX(blocks []Block, rows, k int, a []uint32, rsA, csA int, b []uint32, rsB int, c []float32, ldc, cols int, add bool) {
	if csA != 1 { // Tiles have rows of A side by side, and turning them costs more than they save.
		if isa.AVX512BF16.InCPU() {
			tileBF16AVX512(blocks, rows, k, a, rsA, csA, b, rsB, c, ldc, cols, add)
		} else {
			tileLoopBF16(blocks, rows, k, a, rsA, csA, b, rsB, c, ldc, cols, add)
		}
		return
	}
	checkTile(blocks, rows, k, a, rsA, csA, b, rsB, cols, c, ldc, cols)
	full, rest := k/tileRows, k%tileRows*4
	adds := uintptr(0)
	if add {
		adds = 1
	}
	tileGroups(1, rows, rows*rsA, rsA, func(g tileGroup) {
		whole, tail := newTileShape(g.top, g.bottom, cols, tileBytes), newTileShape(g.top, g.bottom, cols, rest)
		bf16KernelsAMX[min(g.bottom, 1)][(cols-1)/tileRows](whole.sums, whole.rows, whole.bytes, tail.rows, tail.bytes, uintptr(g.passes),
			&a[g.at], uintptr(4*rsA), uintptr(4*g.jump), uintptr(4*g.next), &blocks[0].A, uintptr(len(blocks)),
			&b[0], uintptr(4*rsB), 4*tileRows, uintptr(full), uintptr(rest),
			&c[g.row*ldc], uintptr(4*ldc), uintptr(4*ldc*g.jumpC), uintptr(4*ldc*g.nextC), adds)
	})
}

// tileLoopBF16 is tileBF16AVX512 for tests of AMX on machines without it.
func tileLoopBF16(blocks []Block, rows, k int, a []uint32, rsA, csA int, b []uint32, rsB int, c []float32, ldc, cols int, add bool) {
	for i := range rows {
		for j := range cols {
			var sum float32
			for _, t := range blocks {
				for p := range k {
					sum = dotPairBF16(sum, a[t.A+i*rsA+p*csA], b[t.B+p*rsB+j])
				}
			}
			if add {
				sum += c[i*ldc+j]
			}
			c[i*ldc+j] = sum
		}
	}
}
