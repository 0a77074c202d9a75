// Package depthwise computes the sums of depthwise convolutions of codes: each
// channel with weights of its own.
//
// The padded lines of an image are laid out once; a kernel multiplies a block
// of channels of a pixel after another with its taps, at their offsets. Sums
// are exact int32, the same on every instruction set. A plan is cut into
// tiles by shape alone and allocates nothing when it runs; it must not run
// twice at once.
package depthwise

import (
	"runtime"
	"slices"
	"unsafe"

	"github.com/goqat/goqat/backend/cpu/internal/gemm"
)

const (
	pixels    = 56       // of a block of sums
	tileBytes = 96 << 10 // of codes of a tile
	minTiles  = 8
	minWork   = 1 << 14 // products of a tile, where there is a choice
	overread  = 64      // bytes behind the codes that kernels may read
	alignment = 64
)

// Plan is a depthwise convolution,
//
//	sum[p, c] = sum over t of x[p + taps[t] + c] * w[t, c]
//
// on the lines of images. Signed codes are shifted: their sums are those of
// x + [Plan.Shift].
type Plan[A gemm.Code] struct {
	par      gemm.Parallel
	kernel   kernel
	lines    gemm.IntLines
	channels int
	taps     []int
	blocks   []columns
	signed   bool
	lay      func(dst []A, lo, hi int)
	epilogue func(gemm.IntBlock)
	tile     int // lines
	tiles    int // of an image
	piece    int // pixels of a line that are done at once
	codes    int // bytes of a slot before the sums
	slot     int // bytes
	free     chan int
	body     func(lo, hi int)

	makeCodes func() *gemm.IntCodes

	// The run in progress.
	made   *gemm.IntCodes
	add    []int32 // of made, as the kernels want them, block after block
	m      []float32
	packed []byte
	work   []byte
}

// columns is a block of channels.
type columns struct {
	from, n, width int
	weights        int // byte of the packed weights
	at             int // first of the columns of made
}

// New prepares the convolution of channels channels on lines, of which it uses
// all but Run and Groups. lay fills dst with the padded codes under the output
// lines [lo,hi), counted through all images, of one image. Epilogue and lay
// are called from several goroutines; blocks are those of [gemm.IntPlan].
func New[A gemm.Code](par gemm.Parallel, lines gemm.IntLines, channels int, lay func(dst []A, lo, hi int), epilogue func(gemm.IntBlock)) *Plan[A] {
	var lowest A
	lowest--
	p := &Plan[A]{par: par, kernel: kernels.Kernel(), lines: lines, channels: channels, signed: lowest < 0, lay: lay, epilogue: epilogue}
	p.body = p.run
	p.taps = slices.Clone(lines.Taps)
	for len(p.taps)%4 != 0 {
		p.taps = append(p.taps, p.taps[0])
	}
	at, wide := 0, 0
	for c := 0; c < channels; {
		width := p.kernel.widths[0]
		for _, w := range p.kernel.widths {
			if channels-c <= w {
				width = w
			}
		}
		n := min(channels-c, width)
		p.blocks = append(p.blocks, columns{c, n, width, at, wide})
		wide += width
		at += roundUp(p.kernel.packed(width, len(lines.Taps)))
		c += n
	}
	p.piece = min(lines.Width, pixels)
	if lines.Width > pixels { // Pieces of one size.
		count := (lines.Width + pixels - 1) / pixels
		p.piece = (lines.Width + count - 1) / count
	}
	p.add, p.m = make([]int32, wide), make([]float32, wide)
	p.cut()
	return p
}

// MakeCodes is [gemm.IntPlan.MakeCodes].
func (p *Plan[A]) MakeCodes(f func() *gemm.IntCodes) { p.makeCodes = f }

// sort lays out the columns of made for the kernels.
func (p *Plan[A]) sort() {
	for i := range p.blocks {
		b := &p.blocks[i]
		for c := range b.n {
			at := b.at + p.kernel.sorted(b.width, c)
			p.add[at], p.m[at] = p.made.Add[b.from+c], p.made.Factor[b.from+c]
		}
	}
}

func roundUp(n int) int { return (n + alignment - 1) &^ (alignment - 1) }

// cut chooses the lines of a tile.
func (p *Plan[A]) cut() {
	l := &p.lines
	p.tile = l.Lines
	work := func() int { return p.tile * l.Width * p.channels * len(l.Taps) }
	for p.tile > 1 && (p.laid(p.tile) > tileBytes && p.tile*l.Line > p.laid(1) ||
		l.Images*((l.Lines+p.tile-1)/p.tile) < minTiles && work() > 2*minWork) {
		p.tile = (p.tile + 1) / 2
	}
	p.tiles = (l.Lines + p.tile - 1) / p.tile
	p.codes = roundUp(p.laid(p.tile) + overread)
	p.slot = p.codes + roundUp(4*p.piece*p.kernel.widths[0])
	n := min(l.Images*p.tiles, runtime.GOMAXPROCS(0))
	p.free = make(chan int, n)
	for i := range n {
		p.free <- i
	}
}

// laid returns the codes under lines of output next to each other.
func (p *Plan[A]) laid(lines int) int {
	l := &p.lines
	return (lines-1)*l.Line + (l.Width-1)*l.Stride + slices.Max(l.Taps) + p.channels
}

// Shift returns what the codes are increased by.
func (p *Plan[A]) Shift() int32 {
	if p.signed {
		return 128
	}
	return 0
}

// RowTiles returns how many tiles of rows there are ([gemm.IntBlock.Tile]).
func (p *Plan[A]) RowTiles() int { return p.lines.Images * p.tiles }

// Slots returns how many numbers [gemm.IntBlock.Slot] has.
func (p *Plan[A]) Slots() int { return cap(p.free) }

// Workspace returns the bytes of 64-byte aligned scratch that Run needs.
func (p *Plan[A]) Workspace() int { return cap(p.free) * p.slot }

// PackedSize returns the bytes of packed weights, 64-byte aligned.
func (p *Plan[A]) PackedSize() int {
	last := p.blocks[len(p.blocks)-1]
	return last.weights + roundUp(p.kernel.packed(last.width, len(p.lines.Taps)))
}

// Pack lays out the weights w, [taps, channels], for Run.
func (p *Plan[A]) Pack(dst []byte, w []int8) {
	dst = dst[:p.PackedSize()]
	clear(dst)
	for _, b := range p.blocks {
		p.kernel.pack(dst[b.weights:], w, p.channels, b.from, b.n, b.width, len(p.lines.Taps))
	}
}

// Run computes the convolution.
func (p *Plan[A]) Run(packed, work []byte) {
	p.packed, p.work = packed[:p.PackedSize()], work[:p.Workspace()]
	p.made = nil
	if p.makeCodes != nil && p.kernel.codes != nil {
		if p.made = p.makeCodes(); p.made != nil {
			p.sort()
		}
	}
	each := p.tile * p.lines.Width * p.channels * len(p.lines.Taps)
	p.par(p.lines.Images*p.tiles, max(minWork/max(each, 1), 1), p.body)
	p.packed, p.work = nil, nil
}

func (p *Plan[A]) run(lo, hi int) {
	s := <-p.free
	defer func() { p.free <- s }() // Also when the epilogue panics.
	mem := p.work[s*p.slot : (s+1)*p.slot]
	acc := unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(mem[p.codes:]))), p.piece*p.kernel.widths[0])
	for t := lo; t < hi; t++ {
		first := t % p.tiles * p.tile
		n := min(p.tile, p.lines.Lines-first)
		p.compute(t, s, t/p.tiles*p.lines.Lines+first, n, mem[:p.codes], acc)
	}
}

// compute does lines [first, first+n).
func (p *Plan[A]) compute(tile, slot, first, n int, codes []byte, acc []int32) {
	l := &p.lines
	laid := codes[:p.laid(n):p.laid(n)]
	p.lay(unsafe.Slice((*A)(unsafe.Pointer(unsafe.SliceData(laid))), len(laid)), first, first+n)
	if p.signed {
		gemm.ShiftCodes(laid, laid)
	}
	for i := range p.blocks {
		c := &p.blocks[i]
		b := block{width: c.width, stride: l.Stride, taps: p.taps, real: len(l.Taps), w: p.packed[c.weights:], acc: acc}
		for line := range n {
			for x := 0; x < l.Width; x += p.piece {
				b.pixels, b.x = min(p.piece, l.Width-x), codes[line*l.Line+x*l.Stride+c.from:]
				row := (first+line)*l.Width + x
				if e := p.made; e != nil {
					p.kernel.codes(b, p.add[c.at:], p.m[c.at:], e.Params(), e.Dst[row*e.Stride+c.from:], e.Stride, c.n)
					continue
				}
				p.kernel.run(b)
				p.epilogue(gemm.IntBlock{Lo: row, Hi: row + b.pixels, From: c.from, To: c.from + c.n, Acc: acc, Stride: c.width, Tile: tile, Slot: slot})
			}
		}
	}
}
