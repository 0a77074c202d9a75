package cpu

import (
	"encoding/binary"

	"github.com/goqat/goqat/tensor"
)

// pixel returns image, and first input row and column, of output row r.
func (g *convShape) pixel(r int) (n, y, x int) {
	x = r % g.ow
	r /= g.ow
	y, n = r%g.oh, r/g.oh
	return n, y*g.win.Stride[0] - g.win.Pad[0], x*g.win.Stride[1] - g.win.Pad[1]
}

// patches writes the codes under the kernel for rows [lo, hi) of the chunk,
// the channels of the current group, to dst [hi-lo, kh, kw, cg].
func (p *codeConv[A]) patches(dst []A, lo, hi int) {
	if p.groups == 1 && p.win.Dilation[1] == 1 && p.kh <= maxLines {
		k := p.k()
		for r := lo; r < hi; {
			// The outputs of one line at a time.
			n, y, x := p.pixel(p.base + r)
			count := min(hi-r, p.ow-(p.base+r)%p.ow)
			p.patchLine(tensor.Raw(dst[(r-lo)*k:(r-lo+count)*k]), n, y, x, count)
			r += count
		}
		return
	}
	for r := lo; r < hi; r++ {
		n, y0, x0 := p.pixel(p.base + r)
		for a := range p.kh {
			y := y0 + a*p.win.Dilation[0]
			row := dst[:p.kw*p.cg]
			dst = dst[len(row):]
			if y < 0 || y >= p.h {
				p.fill(row)
				continue
			}
			line := p.x[(n*p.h+y)*p.w*p.c:][:p.w*p.c]
			for b := range p.kw {
				tap := row[b*p.cg:][:p.cg]
				if x := x0 + b*p.win.Dilation[1]; x < 0 || x >= p.w {
					p.fill(tap)
				} else {
					copy(tap, line[x*p.c+p.group*p.cg:])
				}
			}
		}
	}
}

// maxLines is the tallest kernel of patchLine.
const maxLines = 16

// patchLine writes the codes under the kernel for count outputs of one line,
// the first at input row y and column x. The taps of a kernel row lie side by
// side in memory and are copied at once.
func (p *codeConv[A]) patchLine(dst []byte, n, y, x, count int) {
	var lines [maxLines][]byte
	raw, size, run := tensor.Raw(p.x), p.w*p.c, p.kw*p.c
	for a := range p.kh {
		lines[a] = p.padLine
		if in := y + a*p.win.Dilation[0]; in >= 0 && in < p.h {
			lines[a] = raw[(n*p.h+in)*size:][:size]
		}
	}
	step := p.win.Stride[1]
	for range count {
		if x < 0 || x+p.kw > p.w {
			for a := range p.kh {
				p.copySide(dst[:run], lines[a], x)
				dst = dst[run:]
			}
		} else {
			from := x * p.c
			for a := range p.kh {
				src := lines[a][from:]
				switch {
				case run <= 8 && len(dst) >= 8 && len(src) >= 8:
					// What is written too far is written again, rightly, next.
					binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
				case run <= 16 && run > 8 && len(dst) >= 16 && len(src) >= 16:
					binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src))
					binary.LittleEndian.PutUint64(dst[8:], binary.LittleEndian.Uint64(src[8:]))
				default:
					copy(dst[:run], src)
				}
				dst = dst[run:]
			}
		}
		x += step
	}
}

// copySide copies the pixels from x on to row, those outside the line being
// padding.
func (p *codeConv[A]) copySide(row, line []byte, x int) {
	left := min(max(-x, 0), p.kw)
	inside := max(min(p.w-x, p.kw), left) // the tap after the last one inside
	for edge := row[:left*p.c]; len(edge) > 0; {
		edge = edge[copy(edge, p.padLine):]
	}
	if inside > left {
		copy(row[left*p.c:inside*p.c], line[(x+left)*p.c:])
	}
	for rest := row[inside*p.c:]; len(rest) > 0; {
		rest = rest[copy(rest, p.padLine):]
	}
}

// fill writes zero points.
func (p *codeConv[A]) fill(dst []A) {
	for len(dst) > 0 {
		dst = dst[copy(dst, p.pad):]
	}
}

// directRows computes rows [lo, hi) of the chunk from the definition, for
// weights with zero points.
func (p *codeConv[A]) directRows(lo, hi int) {
	k := p.k()
	for r := lo; r < hi; r++ {
		n, y0, x0 := p.pixel(p.base + r)
		for o := range p.o {
			w := p.wt[o*k:]
			from := o / p.og * p.cg
			zw := p.zw[o]
			var sum int32
			for a := range p.kh {
				y := y0 + a*p.win.Dilation[0]
				for b := range p.kw {
					x := x0 + b*p.win.Dilation[1]
					if y < 0 || y >= p.h || x < 0 || x >= p.w {
						continue
					}
					px := p.x[((n*p.h+y)*p.w+x)*p.c+from:][:p.cg]
					for i, v := range w[(a*p.kw+b)*p.cg:][:len(px)] {
						sum += (int32(px[i]) - p.zx) * (int32(v) - zw)
					}
				}
			}
			p.acc[r*p.o+o] = sum
		}
	}
	p.finishRows(lo, hi)
}
