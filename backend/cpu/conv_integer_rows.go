package cpu

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
	// Taps that lie side by side in memory are copied at once.
	side := p.groups == 1 && p.win.Dilation[1] == 1
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
			if side {
				p.copySide(row, line, x0)
				continue
			}
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

// copySide copies the pixels from x on to row, those outside the line being
// padding.
func (p *codeConv[A]) copySide(row, line []A, x int) {
	left := min(max(-x, 0), p.kw)
	inside := max(min(p.w-x, p.kw), left) // the tap after the last one inside
	p.fill(row[:left*p.c])
	if inside > left {
		copy(row[left*p.c:inside*p.c], line[(x+left)*p.c:])
	}
	p.fill(row[inside*p.c:])
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
