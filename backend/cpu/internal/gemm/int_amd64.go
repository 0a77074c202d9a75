//go:build amd64 && !purego

package gemm

import (
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel u8_avx512vnni -out ../../backend/cpu/internal/gemm/u8_avx512vnni_amd64.s -stubs ../../backend/cpu/internal/gemm/u8_avx512vnni_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel u8_avxvnni -out ../../backend/cpu/internal/gemm/u8_avxvnni_amd64.s -stubs ../../backend/cpu/internal/gemm/u8_avxvnni_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel s16_avx512 -out ../../backend/cpu/internal/gemm/s16_avx512_amd64.s -stubs ../../backend/cpu/internal/gemm/s16_avx512_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel s16_avx2 -out ../../backend/cpu/internal/gemm/s16_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/s16_avx2_amd64.go -pkg gemm

func init() {
	intKernels.Add(isa.AVX512VNNI, intKernel{height: 14, panels: 2, unsigned: true, shift: shiftAVX2, bytes: bytesAVX512VNNI, codes: codesAVX512VNNI, turn: turnAVX2, sum: sumAVX2})
	intKernels.Add(isa.AVX512, intKernel{height: 14, panels: 2, words: wordsAVX512, widen: widenAVX2, turn: turnAVX2, sum: sumAVX2})
	intKernels.Add(isa.AVXVNNI, intKernel{height: 6, panels: 1, unsigned: true, shift: shiftAVX2, bytes: bytesAVXVNNI, turn: turnAVX2, sum: sumAVX2})
	intKernels.Add(isa.AVX2, intKernel{height: 6, panels: 1, words: wordsAVX2, widen: widenAVX2, turn: turnAVX2, sum: sumAVX2})
}

func sumAVX2(w []int8, blocks int) int64 {
	_ = w[blocks*sumBlock-1]
	return sumCodesAVX2(uintptr(blocks), &w[0])
}

// turnAVX2 is turnCodes. Four codes move like a float32.
func turnAVX2(dst []byte, src []int8, ld, cols, groups int) {
	cols8, groups8 := cols&^7, groups&^7
	if cols8 > 0 && groups8 > 0 {
		_ = dst[(groups8-1)*blockBytes+4*cols8-1]
		_ = src[(cols8-1)*ld+4*groups8-1]
		for j := 0; j < cols8; j += 8 {
			transposeF32x8AVX2(uintptr(groups8/8), (*float32)(unsafe.Pointer(&dst[4*j])), blockBytes, (*float32)(unsafe.Pointer(&src[j*ld])), uintptr(ld))
		}
		if groups8 < groups {
			turnCodes(dst[groups8*blockBytes:], src[4*groups8:], ld, cols8, groups-groups8)
		}
	} else {
		cols8 = 0
	}
	if cols8 < cols {
		turnCodes(dst[4*cols8:], src[cols8*ld:], ld, cols-cols8, groups)
	}
}

// intTile is an assembly kernel: C is the element of A, M how columns are
// selected.
type intTile[C byte | int16, M uint64 | *int32] func(passes, groups uintptr, a *C, stride, jump, next, taps uintptr, offsets *int, b *byte, panel uintptr, init, c *int32, ldc uintptr, mask M)

// intTiles are kernels of one height; narrow has one panel of channels.
type intTiles[C byte | int16, M uint64 | *int32] struct {
	wide, narrow intTile[C, M]
}

var (
	cutsZMM = newRowCuts(14, 8, 7, 4, 2, 1)
	cutsYMM = newRowCuts(6, 4, 3, 2, 1)

	u8KernelsAVX512VNNI = []intTiles[byte, uint64]{
		{gemmU8Tile14x32AVX512VNNI, gemmU8Tile14x16AVX512VNNI},
		{gemmU8Tile8x32AVX512VNNI, gemmU8Tile8x16AVX512VNNI},
		{gemmU8Tile7x32AVX512VNNI, gemmU8Tile7x16AVX512VNNI},
		{gemmU8Tile4x32AVX512VNNI, gemmU8Tile4x16AVX512VNNI},
		{gemmU8Tile2x32AVX512VNNI, gemmU8Tile2x16AVX512VNNI},
		{gemmU8Tile1x32AVX512VNNI, gemmU8Tile1x16AVX512VNNI},
	}
	s16KernelsAVX512 = []intTiles[int16, uint64]{
		{gemmS16Tile14x32AVX512, gemmS16Tile14x16AVX512},
		{gemmS16Tile8x32AVX512, gemmS16Tile8x16AVX512},
		{gemmS16Tile7x32AVX512, gemmS16Tile7x16AVX512},
		{gemmS16Tile4x32AVX512, gemmS16Tile4x16AVX512},
		{gemmS16Tile2x32AVX512, gemmS16Tile2x16AVX512},
		{gemmS16Tile1x32AVX512, gemmS16Tile1x16AVX512},
	}
	u8KernelsAVXVNNI = []intTiles[byte, *int32]{
		{narrow: gemmU8Tile6x16AVXVNNI},
		{narrow: gemmU8Tile4x16AVXVNNI},
		{narrow: gemmU8Tile3x16AVXVNNI},
		{narrow: gemmU8Tile2x16AVXVNNI},
		{narrow: gemmU8Tile1x16AVXVNNI},
	}
	s16KernelsAVX2 = []intTiles[int16, *int32]{
		{narrow: gemmS16Tile6x16AVX2},
		{narrow: gemmS16Tile4x16AVX2},
		{narrow: gemmS16Tile3x16AVX2},
		{narrow: gemmS16Tile2x16AVX2},
		{narrow: gemmS16Tile1x16AVX2},
	}
)

// runInt covers the rows with the kernels.
func runInt[C byte | int16, M uint64 | *int32](kernels []intTiles[C, M], cuts *rowCuts, mask M, r intRows, a []C, b []byte, panel int, init, c []int32, ldc, cols int) {
	panels := ceilDiv(cols, PanelChannels)
	_ = init[panels*PanelChannels-1]
	_ = c[(r.count()-1)*ldc+cols-1]
	if r.groups == 0 { // Nothing is read; the kernels still want pointers.
		for i := range r.count() {
			copy(c[i*ldc:i*ldc+cols], init)
		}
		return
	}
	_ = a[r.end()-1]
	_ = b[panels*panel-1]
	size := int(unsafe.Sizeof(a[0]))
	run := func(i, passes, at, jump, next, row int) {
		tile := kernels[i].narrow
		if panels > 1 {
			tile = kernels[i].wide
		}
		tile(uintptr(passes), uintptr(r.groups), &a[at], uintptr(r.stride*size), uintptr(jump*size), uintptr(next*size),
			uintptr(len(r.taps)), &r.taps[0], &b[0], uintptr(panel), &init[0], &c[row*ldc], uintptr(ldc)*4, mask)
	}
	cuts.each(r, run)
}

// intCodes is intTile with codes for sums.
type intCodes func(passes, groups uintptr, a *byte, stride, jump, next, taps uintptr, offsets *int, b *byte, panel uintptr, init *int32, c *byte, ldc uintptr, m *float32, p *[20]uint32, mask uint64)

var codesKernelsAVX512VNNI = [][2]intCodes{
	{gemmU8Codes14x16AVX512VNNI, gemmU8Codes14x32AVX512VNNI},
	{gemmU8Codes8x16AVX512VNNI, gemmU8Codes8x32AVX512VNNI},
	{gemmU8Codes7x16AVX512VNNI, gemmU8Codes7x32AVX512VNNI},
	{gemmU8Codes4x16AVX512VNNI, gemmU8Codes4x32AVX512VNNI},
	{gemmU8Codes2x16AVX512VNNI, gemmU8Codes2x32AVX512VNNI},
	{gemmU8Codes1x16AVX512VNNI, gemmU8Codes1x32AVX512VNNI},
}

// codesAVX512VNNI wants at least one group of codes.
func codesAVX512VNNI(r intRows, a, b []byte, panel int, e *IntCodes, from int, dst []byte, cols int) {
	panels := ceilDiv(cols, PanelChannels)
	_, _, _ = e.Add[from+panels*PanelChannels-1], e.Factor[from+cols-1], dst[(r.count()-1)*e.Stride+cols-1]
	_, _ = a[r.end()-1], b[panels*panel-1]
	run := func(i, passes, at, jump, next, row int) {
		codesKernelsAVX512VNNI[i][panels-1](uintptr(passes), uintptr(r.groups), &a[at], uintptr(r.stride), uintptr(jump), uintptr(next),
			uintptr(len(r.taps)), &r.taps[0], &b[0], uintptr(panel), &e.Add[from], &dst[row*e.Stride], uintptr(e.Stride), &e.Factor[from], &e.params, maskZMM(cols))
	}
	cutsZMM.each(r, run)
}

func bytesAVX512VNNI(r intRows, a []byte, b []byte, panel int, init, c []int32, ldc, cols int) {
	runInt(u8KernelsAVX512VNNI, cutsZMM, maskZMM(cols), r, a, b, panel, init, c, ldc, cols)
}

func bytesAVXVNNI(r intRows, a []byte, b []byte, panel int, init, c []int32, ldc, cols int) {
	runInt(u8KernelsAVXVNNI, cutsYMM, maskYMM(cols), r, a, b, panel, init, c, ldc, cols)
}

func wordsAVX512(r intRows, a []int16, b []byte, panel int, init, c []int32, ldc, cols int) {
	runInt(s16KernelsAVX512, cutsZMM, maskZMM(cols), r, a, b, panel, init, c, ldc, cols)
}

func wordsAVX2(r intRows, a []int16, b []byte, panel int, init, c []int32, ldc, cols int) {
	runInt(s16KernelsAVX2, cutsYMM, maskYMM(cols), r, a, b, panel, init, c, ldc, cols)
}

// widenAVX2 widens whole blocks of 16 in assembly and the rest in Go.
func widenAVX2(dst []int16, src []byte, k int, signed bool) {
	k16 := k &^ 15
	if k16 > 0 {
		_, _ = dst[k16-1], src[k16-1]
		if signed {
			widenS8AVX2(uintptr(k16/16), &dst[0], &src[0])
		} else {
			widenU8AVX2(uintptr(k16/16), &dst[0], &src[0])
		}
	}
	clear(dst[k16:])
	for p := k16; p < k; p++ {
		v := int16(src[p])
		if signed {
			v = int16(int8(src[p]))
		}
		dst[p&^3|widenOrder[p&3]] = v
	}
}

// widenOrder is where the codes of a group of four go.
var widenOrder = [4]int{0, 2, 1, 3}

// shiftAVX2 shifts whole blocks of 128 in assembly and the rest in Go.
func shiftAVX2(dst, src []byte) {
	n := len(src) &^ 127
	if n > 0 {
		_ = dst[n-1]
		shiftCodesAVX2(uintptr(n/128), &dst[0], &src[0])
	}
	shiftCodes(dst[n:], src[n:])
}
