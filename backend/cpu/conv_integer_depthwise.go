package cpu

import (
	"github.com/goqat/goqat/backend/cpu/internal/depthwise"
	"github.com/goqat/goqat/backend/cpu/internal/gemm"
)

// planDepthwise plans a depthwise convolution of one output a channel on the
// padded lines.
func (p *codeConv[A]) planDepthwise() {
	p.laidLine = ((p.ow-1)*p.win.Stride[1] + (p.kw-1)*p.win.Dilation[1] + 1) * p.c
	l := gemm.IntLines{Images: p.n, Lines: p.oh, Width: p.ow, Stride: p.win.Stride[1] * p.c, Line: p.win.Stride[0] * p.laidLine}
	for a := range p.kh {
		for b := range p.kw {
			l.Taps = append(l.Taps, a*p.win.Dilation[0]*p.laidLine+b*p.win.Dilation[1]*p.c)
		}
	}
	p.depth = depthwise.New(parallel, l, p.c, p.layLines, p.epilogue.finish)
	if p.epilogue.codes != nil {
		p.depth.MakeCodes(p.epilogue.codes)
	}
}

// packDepthwise returns the packed weights, in memory of the scratch, or kept
// from an earlier run.
func (p *codeConv[A]) packDepthwise(s *scratch) []byte {
	if p.kept.packed == nil {
		p.transpose(scratchOf[int8](s, p.size.weights+roundUp64(p.o*p.k()), p.o*p.k()))
		packed := p.kept.memory(s, p.size.packed, p.depth.PackedSize())
		p.depth.Pack(packed, p.wt)
		return packed
	}
	return p.kept.packed
}

// transpose makes p.wt the depthwise weights tap by tap, [kh*kw, o], in dst.
func (p *codeConv[A]) transpose(dst []int8) {
	k := p.k()
	for o := range p.o {
		for t, v := range p.wt[o*k : (o+1)*k] {
			dst[t*p.o+o] = v
		}
	}
	p.wt = dst
}

// depthRows computes rows [lo, hi) of the chunk of a depthwise convolution:
// for each tap the products of a pixel and its weights, channel by channel.
// Taps outside the image see a pixel of zero points.
func (p *codeConv[A]) depthRows(lo, hi int) {
	taps := p.kh * p.kw
	for r := lo; r < hi; r++ {
		n, y0, x0 := p.pixel(p.base + r)
		acc := p.acc[r*p.o:][:p.o]
		clear(acc)
		t := 0
		for p.og == 1 && t+3 <= taps {
			addThree(acc, p.tap(n, y0, x0, t), p.tap(n, y0, x0, t+1), p.tap(n, y0, x0, t+2), p.wt[t*p.o:])
			t += 3
		}
		for ; t < taps; t++ {
			if p.og == 1 {
				addOne(acc, p.tap(n, y0, x0, t), p.wt[t*p.o:])
			} else {
				addWide(acc, p.tap(n, y0, x0, t), p.wt[t*p.o:], p.og)
			}
		}
	}
	p.finishRows(lo, hi)
}

// tap returns the pixel under tap t of the kernel.
func (p *codeConv[A]) tap(n, y0, x0, t int) []A {
	y, x := y0+t/p.kw*p.win.Dilation[0], x0+t%p.kw*p.win.Dilation[1]
	if y < 0 || y >= p.h || x < 0 || x >= p.w {
		return p.pad
	}
	return p.x[((n*p.h+y)*p.w+x)*p.c:][:p.c]
}

// addThree adds the products of three taps.
func addThree[A int8 | uint8](acc []int32, x0, x1, x2 []A, w []int8) {
	n := len(acc)
	w0, w1, w2 := w[:n], w[n:2*n], w[2*n:3*n]
	x0, x1, x2 = x0[:n], x1[:n], x2[:n]
	for i, a := range acc {
		acc[i] = a + int32(x0[i])*int32(w0[i]) + int32(x1[i])*int32(w1[i]) + int32(x2[i])*int32(w2[i])
	}
}

func addOne[A int8 | uint8](acc []int32, x []A, w []int8) {
	x, w = x[:len(acc)], w[:len(acc)]
	for i, a := range acc {
		acc[i] = a + int32(x[i])*int32(w[i])
	}
}

// addWide is addOne for mult output channels an input channel.
func addWide[A int8 | uint8](acc []int32, x []A, w []int8, mult int) {
	for c, v := range x {
		w := w[c*mult:][:mult]
		acc := acc[c*mult:][:mult]
		for i, a := range acc {
			acc[i] = a + int32(v)*int32(w[i])
		}
	}
}
