//go:build amd64 && !purego

package gemm

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel u8_avx512vnni -out ../../backend/cpu/internal/gemm/u8_avx512vnni_amd64.s -stubs ../../backend/cpu/internal/gemm/u8_avx512vnni_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel u8_avxvnni -out ../../backend/cpu/internal/gemm/u8_avxvnni_amd64.s -stubs ../../backend/cpu/internal/gemm/u8_avxvnni_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel s16_avx512 -out ../../backend/cpu/internal/gemm/s16_avx512_amd64.s -stubs ../../backend/cpu/internal/gemm/s16_avx512_amd64.go -pkg gemm
//go:generate go -C ../../../../internal/asmgen run ./gemm -kernel s16_avx2 -out ../../backend/cpu/internal/gemm/s16_avx2_amd64.s -stubs ../../backend/cpu/internal/gemm/s16_avx2_amd64.go -pkg gemm

func init() {
	intKernels.Add(isa.AVX512VNNI, intKernel{height: 14, panels: 2, unsigned: true, shift: shiftAVX2, bytes: bytesAVX512VNNI})
	intKernels.Add(isa.AVX512, intKernel{height: 14, panels: 2, words: wordsAVX512, widen: widenAVX2})
	intKernels.Add(isa.AVXVNNI, intKernel{height: 6, panels: 1, unsigned: true, shift: shiftAVX2, bytes: bytesAVXVNNI})
	intKernels.Add(isa.AVX2, intKernel{height: 6, panels: 1, words: wordsAVX2, widen: widenAVX2})
}

// intTile is an assembly kernel: C is the element of A, M how columns are
// selected.
type intTile[C byte | int16, M uint64 | *int32] func(passes, k4 uintptr, a *C, rsA uintptr, b *byte, panel uintptr, init, c *int32, ldc uintptr, mask M)

// intTiles are kernels of one height; narrow has one panel of channels.
type intTiles[C byte | int16, M uint64 | *int32] struct {
	height       int
	wide, narrow intTile[C, M]
}

var (
	u8KernelsAVX512VNNI = []intTiles[byte, uint64]{
		{14, gemmU8Tile14x32AVX512VNNI, gemmU8Tile14x16AVX512VNNI},
		{8, gemmU8Tile8x32AVX512VNNI, gemmU8Tile8x16AVX512VNNI},
		{4, gemmU8Tile4x32AVX512VNNI, gemmU8Tile4x16AVX512VNNI},
		{2, gemmU8Tile2x32AVX512VNNI, gemmU8Tile2x16AVX512VNNI},
		{1, gemmU8Tile1x32AVX512VNNI, gemmU8Tile1x16AVX512VNNI},
	}
	s16KernelsAVX512 = []intTiles[int16, uint64]{
		{14, gemmS16Tile14x32AVX512, gemmS16Tile14x16AVX512},
		{8, gemmS16Tile8x32AVX512, gemmS16Tile8x16AVX512},
		{4, gemmS16Tile4x32AVX512, gemmS16Tile4x16AVX512},
		{2, gemmS16Tile2x32AVX512, gemmS16Tile2x16AVX512},
		{1, gemmS16Tile1x32AVX512, gemmS16Tile1x16AVX512},
	}
	u8KernelsAVXVNNI = []intTiles[byte, *int32]{
		{6, nil, gemmU8Tile6x16AVXVNNI},
		{4, nil, gemmU8Tile4x16AVXVNNI},
		{2, nil, gemmU8Tile2x16AVXVNNI},
		{1, nil, gemmU8Tile1x16AVXVNNI},
	}
	s16KernelsAVX2 = []intTiles[int16, *int32]{
		{6, nil, gemmS16Tile6x16AVX2},
		{4, nil, gemmS16Tile4x16AVX2},
		{2, nil, gemmS16Tile2x16AVX2},
		{1, nil, gemmS16Tile1x16AVX2},
	}
)

// runInt covers the rows with the kernels, tallest first. reach is how many
// elements from the start of the last row kernels read.
func runInt[C byte | int16, M uint64 | *int32](kernels []intTiles[C, M], mask M, rows, k4 int, a []C, rs, reach int, b []byte, panel int, init, c []int32, ldc, cols int) {
	panels := ceilDiv(cols, panelChannels)
	_ = init[panels*panelChannels-1]
	_ = c[(rows-1)*ldc+cols-1]
	if k4 == 0 { // Nothing is read; the kernels still want pointers.
		for i := range rows {
			copy(c[i*ldc:i*ldc+cols], init)
		}
		return
	}
	_ = a[(rows-1)*rs+reach-1]
	_ = b[panels*panel-1]
	size := uintptr(1)
	if _, ok := any(a).([]int16); ok {
		size = 2
	}
	i := 0
	for x := range kernels {
		kr := &kernels[x]
		passes := (rows - i) / kr.height
		if passes == 0 {
			continue
		}
		tile := kr.narrow
		if panels > 1 {
			tile = kr.wide
		}
		tile(uintptr(passes), uintptr(k4), &a[i*rs], uintptr(rs)*size, &b[0], uintptr(panel), &init[0],
			&c[i*ldc], uintptr(ldc)*4, mask)
		i += passes * kr.height
	}
}

func bytesAVX512VNNI(rows, k4 int, a []byte, rs int, b []byte, panel int, init []int32, c []int32, ldc, cols int) {
	runInt(u8KernelsAVX512VNNI, maskZMM(cols), rows, k4, a, rs, 4*k4, b, panel, init, c, ldc, cols)
}

func bytesAVXVNNI(rows, k4 int, a []byte, rs int, b []byte, panel int, init []int32, c []int32, ldc, cols int) {
	runInt(u8KernelsAVXVNNI, maskYMM(cols), rows, k4, a, rs, 4*k4, b, panel, init, c, ldc, cols)
}

func wordsAVX512(rows, k4 int, a []int16, rs int, b []byte, panel int, init []int32, c []int32, ldc, cols int) {
	runInt(s16KernelsAVX512, maskZMM(cols), rows, k4, a, rs, 4*k4, b, panel, init, c, ldc, cols)
}

func wordsAVX2(rows, k4 int, a []int16, rs int, b []byte, panel int, init []int32, c []int32, ldc, cols int) {
	runInt(s16KernelsAVX2, maskYMM(cols), rows, k4, a, rs, 4*k4, b, panel, init, c, ldc, cols)
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
