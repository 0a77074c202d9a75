package cpu

import (
	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/tensor"
)

// convGeometry is a convolution in numbers. A sequence is an image of
// height 1.
type convGeometry struct {
	n, h, w, c     int // input
	oh, ow, o      int // output
	kh, kw         int // kernel
	sh, sw, dh, dw int // stride, dilation
	top, left      int // padding before
	groups, cg, og int // groups; input and output channels of one
	k              int // taps of one output channel, kh * kw * cg
	line           int // elements of one input line, w * c
}

// newConvGeometry returns the geometry of x, w and y, which fit together.
func newConvGeometry(op backend.Conv, x, w, y tensor.Shape) *convGeometry {
	if len(x) == 3 {
		op.Window = op.Length()
		lift := func(s tensor.Shape) tensor.Shape { return tensor.Shape{s[0], 1, s[1], s[2]} }
		x, w, y = lift(x), lift(w), lift(y)
	}
	win := op.Normal()
	g := &convGeometry{
		n: x[0], h: x[1], w: x[2], c: x[3], oh: y[1], ow: y[2], o: y[3], kh: w[1], kw: w[2],
		sh: win.Stride[0], sw: win.Stride[1], dh: win.Dilation[0], dw: win.Dilation[1],
		top: win.Pad[0], left: win.Pad[1], groups: max(op.Groups, 1), cg: w[3],
	}
	g.og = g.o / g.groups
	g.k = g.kh * g.kw * g.cg
	g.line = g.w * g.c
	return g
}

// rows is the number of output positions.
func (g *convGeometry) rows() int { return g.n * g.oh * g.ow }

// pointwise reports whether the rows of the product are the pixels of the
// input as they lie.
func (g *convGeometry) pointwise() bool {
	return g.kh == 1 && g.kw == 1 && g.sh == 1 && g.sw == 1 && g.oh == g.h && g.ow == g.w && g.top == 0 && g.left == 0 && g.groups == 1
}

// depthwise reports whether every input channel has its own kernels.
func (g *convGeometry) depthwise() bool { return g.groups > 1 && g.cg == 1 && g.groups == g.c }

// taps returns the taps [lo,hi) of a kernel side of size k and dilation d
// that lie inside an input side of size n for a window that starts at i.
func taps(i, k, d, n int) (lo, hi int) {
	if i < 0 {
		lo = (d - 1 - i) / d
	}
	hi = k
	if last := n - 1 - i; last < (k-1)*d {
		hi = 0
		if last >= 0 {
			hi = last/d + 1
		}
	}
	return min(lo, k), max(hi, min(lo, k))
}

// lines gives the lines of an input as floats: in place when it is float,
// else dequantized into a ring of as many lines as a kernel spans.
type lines[T float] struct {
	op   *operand[T]
	ring []T
	held []int // line in each place of the ring, -1 for none
	size int   // elements of a line
}

// ringLines is the number of lines that a window spans.
func (g *convGeometry) ringLines() int { return min((g.kh-1)*g.dh+1, g.h) }

// at returns line l of the input, counted over all images.
func (s *lines[T]) at(l int) []T {
	if s.op.float != nil {
		return s.op.float[l*s.size : (l+1)*s.size]
	}
	p := l % len(s.held)
	r := s.ring[p*s.size : (p+1)*s.size]
	if s.held[p] != l {
		s.op.expand(r, l*s.size)
		s.held[p] = l
	}
	return r
}

// forget drops the lines of an earlier run.
func (s *lines[T]) forget() {
	for i := range s.held {
		s.held[i] = -1
	}
}

// columnsIn returns, for a line of the input from column -left on with so
// many columns, how many come before the first of the image and how many are
// of the image.
func (g *convGeometry) columnsIn(columns int) (before, n int) {
	before = min(g.left, columns)
	return before, min(g.w, columns-before)
}

// padLine copies input line l of all images, the channels of a group, from
// column -left on, with zeros outside of the image.
func padLine[T float](g *convGeometry, dst, x []T, l, group int) {
	before, n := g.columnsIn(len(dst) / g.cg)
	clear(dst[:before*g.cg])
	copyRows(dst[before*g.cg:], g.cg, x[l*g.line+group*g.cg:], g.c, n, g.cg)
	clear(dst[(before+n)*g.cg:])
}

// copyRows copies rows of n elements.
func copyRows[T any](dst []T, ldDst int, src []T, ld, rows, n int) {
	if n == ld && n == ldDst {
		copy(dst[:rows*n], src)
		return
	}
	for r := range rows {
		copy(dst[r*ldDst:r*ldDst+n], src[r*ld:])
	}
}
