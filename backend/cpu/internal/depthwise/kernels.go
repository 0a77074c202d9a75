package depthwise

import "github.com/goqat/goqat/backend/cpu/internal/isa"

// kernel computes the sums of channels, a block of them at a time.
type kernel struct {
	widths []int // channels of the blocks there are, the widest first
	// packed returns the bytes of the weights of a block.
	packed func(width, taps int) int
	// pack writes channels [c, c+n), n <= width, of the weights [taps,
	// channels] to dst, which is zero.
	pack func(dst []byte, w []int8, channels, c, n, width, taps int)
	run  func(b block)
	// codes is run that writes the codes of the sums, nil where there is none:
	// n of each pixel, ldd bytes apart, with columns in the order that sorted
	// puts them in.
	codes  func(b block, add []int32, m []float32, p *[4]uint32, dst []byte, ldd, n int)
	sorted func(width, c int) int
}

// block is a call of a kernel: acc[p*width+c] becomes, for each of pixels and
// of width channels, the sum over t of x[p*stride+taps[t]+c] * w[t, c].
type block struct {
	width, pixels, stride int
	taps                  []int // padded to a multiple of four by taps of zero weight
	real                  int   // taps before the padding
	x                     []byte
	w                     []byte
	acc                   []int32
}

// end returns the bytes of x that are read.
func (b block) end() int {
	most := 0
	for _, t := range b.taps {
		most = max(most, t)
	}
	return (b.pixels-1)*b.stride + most + b.width
}

// three returns the distances of the taps of a 3x3 kernel.
func (b block) three() (step, line int, ok bool) {
	if b.real != 9 {
		return 0, 0, false
	}
	t := b.taps
	step, line = t[1], t[3]
	for i := range 9 {
		if t[i] != i/3*line+i%3*step {
			return 0, 0, false
		}
	}
	return step, line, true
}

// kernels are those of the machine. A file of assembly adds its own in init.
var kernels = isa.NewFamily("int8 depthwise", kernel{widths: []int{16}, packed: packedRows, pack: packRows, run: runPortable})

func packedRows(width, taps int) int { return width * taps }

// packRows lays the weights out as [taps, width].
func packRows(dst []byte, w []int8, channels, c, n, width, taps int) {
	for t := range taps {
		for i, v := range w[t*channels+c:][:n] {
			dst[t*width+i] = byte(v)
		}
	}
}

func runPortable(b block) {
	for p := range b.pixels {
		acc := b.acc[p*b.width:][:b.width]
		clear(acc)
		for t, at := range b.taps[:b.real] {
			x, w := b.x[p*b.stride+at:][:b.width], b.w[t*b.width:][:b.width]
			for i, v := range x {
				acc[i] += int32(v) * int32(int8(w[i]))
			}
		}
	}
}
