//go:build amd64 && !purego

package depthwise

import "github.com/goqat/goqat/backend/cpu/internal/isa"

//go:generate go -C ../../../../internal/asmgen run ./depthwise -isa avx512vnni -out ../../backend/cpu/internal/depthwise/taps_avx512vnni_amd64.s -stubs ../../backend/cpu/internal/depthwise/taps_avx512vnni_amd64.go -pkg depthwise
//go:generate go -C ../../../../internal/asmgen run ./depthwise -isa avx2 -out ../../backend/cpu/internal/depthwise/taps_avx2_amd64.s -stubs ../../backend/cpu/internal/depthwise/taps_avx2_amd64.go -pkg depthwise

func init() {
	kernels.Add(isa.AVX2, kernel{widths: []int{16}, packed: packedPairs, pack: packPairs, run: runAVX2})
	kernels.Add(isa.AVX512VNNI, kernel{widths: []int{64, 32, 16}, packed: packedFours, pack: packFours, run: runAVX512VNNI, codes: codesAVX512VNNI, sorted: sortedFours})
}

func packedPairs(_, taps int) int { return (taps + 1) / 2 * 64 }

// packPairs lays out, for each two taps, the 16-bit weights of a channel side
// by side.
func packPairs(dst []byte, w []int8, channels, c, n, _, taps int) {
	for t := range taps {
		pair := dst[t/2*64+t%2*2:]
		for i, v := range w[t*channels+c:][:n] {
			u := uint16(int16(v))
			pair[4*i], pair[4*i+1] = byte(u), byte(u>>8)
		}
	}
}

func packedFours(width, taps int) int { return (taps + 3) / 4 * 4 * width }

// packFours lays the weights out as the kernels say.
func packFours(dst []byte, w []int8, channels, c, n, width, taps int) {
	for t := range taps {
		four := dst[t/4*4*width+t%4:]
		for i, v := range w[t*channels+c:][:n] {
			four[i%16/4*width+i/16*16+i%4*4] = byte(v)
		}
	}
}

// check panics where a kernel would leave its memory.
func (b block) check(weights int) {
	_, _, _ = b.x[b.end()-1], b.w[weights-1], b.acc[b.pixels*b.width-1]
}

func runAVX2(b block) {
	b.check(packedPairs(b.width, b.real))
	tapsAVX2(uintptr(b.pixels), uintptr(b.real+1)/2, &b.x[0], uintptr(b.stride), &b.taps[0], &b.w[0], &b.acc[0])
}

func runAVX512VNNI(b block) {
	b.check(packedFours(b.width, b.real))
	pixels, x, stride, w, acc := uintptr(b.pixels), &b.x[0], uintptr(b.stride), &b.w[0], &b.acc[0]
	if step, line, ok := b.three(); ok {
		s, l := uintptr(step), uintptr(line)
		switch b.width {
		case 64:
			three64AVX512VNNI(pixels, x, stride, s, l, w, acc)
		case 32:
			three32AVX512VNNI(pixels, x, stride, s, l, w, acc)
		default:
			three16AVX512VNNI(pixels, x, stride, s, l, w, acc)
		}
		return
	}
	fours := uintptr(len(b.taps) / 4)
	switch b.width {
	case 64:
		taps64AVX512VNNI(pixels, fours, x, stride, &b.taps[0], w, acc)
	case 32:
		taps32AVX512VNNI(pixels, fours, x, stride, &b.taps[0], w, acc)
	default:
		taps16AVX512VNNI(pixels, fours, x, stride, &b.taps[0], w, acc)
	}
}

// sortedFours returns where channel c of a block has its lane.
func sortedFours(width, c int) int { return c%16/4*(width/4) + c/16*4 + c%4 }

func codesAVX512VNNI(b block, add []int32, m []float32, p *[4]uint32, dst []byte, ldd, n int) {
	_, _ = b.x[b.end()-1], b.w[packedFours(b.width, b.real)-1]
	_, _, _ = dst[(b.pixels-1)*ldd+n-1], add[b.width-1], m[b.width-1]
	pixels, x, stride, w, d, l := uintptr(b.pixels), &b.x[0], uintptr(b.stride), &b.w[0], &dst[0], uintptr(ldd)
	f, o, mask := &add[0], &m[0], ^uint64(0)>>(64-n)
	if step, line, ok := b.three(); ok {
		s, t := uintptr(step), uintptr(line)
		switch b.width {
		case 64:
			threeCodes64AVX512VNNI(pixels, x, stride, s, t, w, d, l, f, o, p, mask)
		case 32:
			threeCodes32AVX512VNNI(pixels, x, stride, s, t, w, d, l, f, o, p, mask)
		default:
			threeCodes16AVX512VNNI(pixels, x, stride, s, t, w, d, l, f, o, p, mask)
		}
		return
	}
	fours := uintptr(len(b.taps) / 4)
	switch b.width {
	case 64:
		tapsCodes64AVX512VNNI(pixels, fours, x, stride, &b.taps[0], w, d, l, f, o, p, mask)
	case 32:
		tapsCodes32AVX512VNNI(pixels, fours, x, stride, &b.taps[0], w, d, l, f, o, p, mask)
	default:
		tapsCodes16AVX512VNNI(pixels, fours, x, stride, &b.taps[0], w, d, l, f, o, p, mask)
	}
}
