package cpu

import (
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
	"github.com/goqat/goqat/tensor"
)

// lines plans the product on the lines of the padded image, whose pixels are
// then in memory once, and reports whether that can be. The taps of a line of
// the kernel lie side by side and are one run, unless they are dilated or of
// one of several groups.
func (p *codeConv[A]) lines() bool {
	if p.matrix() || p.k() == 0 || p.oh*p.ow < minImageRows {
		return false
	}
	stride, dilation := p.win.Stride, p.win.Dilation
	joined, run := p.groups == 1 && (dilation[1] == 1 || p.kw == 1), p.cg
	if joined {
		run = p.kw * p.c
	}
	// The last group of four of the last run must not reach beyond the tensor.
	p.inPlace = p.win.Pad == [4]int{} && run%4 == 0
	p.laidLine = p.w * p.c
	if !p.inPlace {
		p.laidLine = ((p.ow-1)*stride[1] + (p.kw-1)*dilation[1] + 1) * p.c
	}
	l := gemm.IntLines{Images: p.n, Lines: p.oh, Width: p.ow, Stride: stride[1] * p.c, Line: stride[0] * p.laidLine, Image: p.h * p.w * p.c,
		Run: run, Groups: p.groups, GroupStep: p.cg}
	for a := range p.kh {
		at := a * dilation[0] * p.laidLine
		if joined {
			l.Taps = append(l.Taps, at)
			continue
		}
		for b := range p.kw {
			l.Taps = append(l.Taps, at+b*dilation[1]*p.c)
		}
	}
	if !gemm.CanLines(&l) {
		p.inPlace = false
		return false
	}
	p.runs = len(l.Taps)
	lay := p.layLines
	if p.inPlace {
		lay = nil
	}
	p.stream = gemm.NewIntLines(parallel, l, p.og, lay, p.epilogue.finish)
	return true
}

// minImageRows is from how many outputs an image has lines of its own; rows of
// images with fewer are gathered.
const minImageRows = 4

// layLines writes the padded lines under the kernel for output lines [lo, hi)
// of one image to dst.
func (p *codeConv[A]) layLines(dst []A, lo, hi int) {
	n, y := lo/p.oh, lo%p.oh*p.win.Stride[0]-p.win.Pad[0]
	out, x := tensor.Raw(dst), tensor.Raw(p.x)
	size := p.w * p.c
	left := p.win.Pad[1] * p.c
	inside := min(size, p.laidLine-left) // The rest is under no kernel.
	for ; len(out) > 0; y++ {
		line := out[:p.laidLine]
		out = out[p.laidLine:]
		if y < 0 || y >= p.h {
			p.pads(line)
			continue
		}
		p.pads(line[:left])
		copy(line[left:], x[(n*p.h+y)*size:][:inside])
		p.pads(line[left+inside:])
	}
}

// pads fills dst with zero points.
func (p *codeConv[A]) pads(dst []byte) {
	for len(dst) > 0 {
		dst = dst[copy(dst, p.padLine):]
	}
}
