package data

// digitSide is the side of a digit image in pixels; q is 1/256 of a pixel.
const (
	digitSide = 28
	q         = 256
)

// canvas renders one digit image. All arithmetic is on integers, so that the
// bytes are the same on every machine. A canvas is used by one goroutine.
type canvas struct {
	level [digitSide * digitSide]int32 // gray value in 1/256
	dist  [digitSide * digitSide]int64 // squared distance to the stroke, in q^2
	spare [digitSide * digitSide]int32
	pts   polyline
}

// pen is how a glyph is put on the canvas.
type pen struct {
	xx, xy, yx, yy int64 // glyph units to q, in 1/65536
	dx, dy         int32 // q
	wave           [4]wave
	jitter         int32 // glyph units
	half           int32 // half the stroke's width, q
}

// wave is one smooth displacement of the plane.
type wave struct{ fx, fy, phase, ax, ay int32 }

// newPen draws the parameters of a writer: size, slant, turn, bend, thickness.
func newPen(r *splitmix) pen {
	var p pen
	// 140 units of height become 13 to 21 pixels.
	sy := int64(r.between(17*q, 20*q)) * 65536 / 140
	sx := sy * int64(r.between(82, 108)) / 100
	turn, slant := int32(r.between(-6, 6)), int64(r.between(-60, 40)) // 1/256 turn, 1/256
	c, s := int64(cos256(turn)), int64(sin256(turn))
	// rotation * shear * scale
	p.xx = c * sx >> 14
	p.xy = (c*slant>>8 - s) * sy >> 14
	p.yx = s * sx >> 14
	p.yy = (s*slant>>8 + c) * sy >> 14
	p.dx = int32(digitSide*q/2 + r.between(-3*q, 3*q))
	p.dy = int32(digitSide*q/2 + r.between(-3*q, 3*q))
	for i := range p.wave {
		amp := 4
		if i > 1 {
			amp = 2
		}
		f := 1 + i/2
		p.wave[i] = wave{
			int32(r.between(-f, f)), int32(r.between(-f, f)), int32(r.below(256)),
			int32(r.between(-amp, amp)), int32(r.between(-amp, amp)),
		}
	}
	p.jitter = int32(r.between(0, 3))
	p.half = int32(r.between(q*75/100, q*145/100))
	return p
}

// place maps a glyph point to the canvas.
func (p *pen) place(v vec, r *splitmix) vec {
	x, y := v.x*256, v.y*256 // 1/256 unit
	for _, w := range p.wave {
		s := sin256((v.x*w.fx+v.y*w.fy)*128/100 + w.phase)
		x += w.ax * s / 64
		y += w.ay * s / 64
	}
	if p.jitter > 0 {
		j := int(p.jitter) * 256
		x += int32(r.between(-j, j))
		y += int32(r.between(-j, j))
	}
	return vec{
		p.dx + int32((p.xx*int64(x)+p.xy*int64(y))>>24),
		p.dy + int32((p.yx*int64(x)+p.yy*int64(y))>>24),
	}
}

// write draws a glyph with gray value ink (in 1/256), strength of 256.
func (c *canvas) write(g glyph, p *pen, ink, strength int32, r *splitmix) {
	c.clear()
	for _, stroke := range g {
		c.pts = c.pts[:0]
		for _, v := range stroke {
			c.pts = append(c.pts, p.place(v, r))
		}
		c.stroke(c.pts, p.half)
	}
	c.blend(p.half, ink, strength)
}

const far = int64(1) << 40

func (c *canvas) clear() {
	for i := range c.dist {
		c.dist[i] = far
	}
}

// stroke lowers the distance of the pixels within half+1 pixel of the line.
func (c *canvas) stroke(pts polyline, half int32) {
	reach := half + q
	for i := 1; i < len(pts); i++ {
		a, b := pts[i-1], pts[i]
		x0, x1 := pixelRange(min(a.x, b.x)-reach, max(a.x, b.x)+reach)
		y0, y1 := pixelRange(min(a.y, b.y)-reach, max(a.y, b.y)+reach)
		ex, ey := int64(b.x-a.x), int64(b.y-a.y)
		length := ex*ex + ey*ey
		for y := y0; y < y1; y++ {
			py := int64(y*q+q/2) - int64(a.y)
			for x := x0; x < x1; x++ {
				px := int64(x*q+q/2) - int64(a.x)
				d := px*px + py*py
				if dot := px*ex + py*ey; dot > 0 {
					if dot >= length {
						d += length - 2*dot
					} else {
						d -= dot * dot / length
					}
				}
				k := y*digitSide + x
				c.dist[k] = min(c.dist[k], d)
			}
		}
	}
}

// pixelRange returns the pixels whose centres are in [lo, hi], cut to the image.
func pixelRange(lo, hi int32) (int32, int32) {
	return max((lo-q/2)/q, 0), min((hi+q/2)/q+1, digitSide)
}

// blend puts ink where the stroke is, with an edge one pixel wide.
func (c *canvas) blend(half, ink, strength int32) {
	edge := int64(half + q/2)
	for i, d := range c.dist {
		if d >= edge*edge {
			continue
		}
		cover := min(int32(edge-isqrt(d)), q)
		c.level[i] += (ink - c.level[i]) / 256 * (cover * strength / 256)
	}
}

// isqrt returns the integer part of the square root of 0 <= v < 2^32.
func isqrt(v int64) int64 {
	var root int64
	for bit := int64(1) << 15; bit > 0; bit >>= 1 {
		if t := root + bit; t*t <= v {
			root = t
		}
	}
	return root
}

// blur runs the 3x3 filter [1 w 1] x [1 w 1]; the border repeats.
func (c *canvas) blur(w int32) {
	for y := range digitSide {
		row := c.level[y*digitSide : (y+1)*digitSide]
		for x := range row {
			c.spare[y*digitSide+x] = (row[max(x-1, 0)] + w*row[x] + row[min(x+1, digitSide-1)]) / (w + 2)
		}
	}
	for i := range c.level {
		y, x := i/digitSide, i%digitSide
		up, down := c.spare[max(y-1, 0)*digitSide+x], c.spare[min(y+1, digitSide-1)*digitSide+x]
		c.level[i] = (up + w*c.spare[i] + down) / (w + 2)
	}
}

// digit renders sample i of the set that seed names into pix and returns its
// class, i mod 10.
func (c *canvas) digit(seed, i uint64, pix []uint8) int32 {
	r := splitmix(derive(seed, i))
	class := int(i % 10)

	// Paper: a level, a slope over the image, and slow waves. Gray values are in
	// 1/256 here and stay within [0, 255].
	paper, ink := int32(r.between(8, 64)), int32(r.between(160, 250))
	if ink-paper < 120 {
		ink = paper + 120
	}
	if r.chance(5) {
		paper, ink = 255-paper, 255-ink
	}
	gx, gy := int32(r.between(-140, 140)), int32(r.between(-140, 140))
	fx, fy, ph, amp := int32(r.between(-9, 9)), int32(r.between(-9, 9)), int32(r.below(256)), int32(r.between(0, 16))
	for k := range c.level {
		x, y := int32(k%digitSide), int32(k/digitSide)
		c.level[k] = paper*256 + gx*(x-14) + gy*(y-14) + amp*sin256(fx*x+fy*y+ph)/64
	}

	c.clutter(&r, paper, ink)
	p := newPen(&r)
	ways := glyphs[class]
	c.write(ways[r.below(len(ways))], &p, ink*256, int32(r.between(200, 256)), &r)
	c.cover(&r, paper, ink)
	if r.chance(50) {
		c.blur(int32(r.between(1, 6)))
	}

	noise := int32(r.between(4, 20)) // peak of a triangular distribution
	for k, v := range c.level {
		n := r.next()
		v += (int32(n&0xffff) - int32(n>>16&0xffff)) * noise / 256
		if n>>32&0x3ff < 3 {
			v = int32(n >> 56 << 8)
		}
		pix[k] = uint8(min(max((v+128)>>8, 0), 255))
	}
	return int32(class)
}

// clutter draws what is not the digit: pieces of neighbours, and loose lines.
func (c *canvas) clutter(r *splitmix, paper, ink int32) {
	if r.chance(12) {
		p := newPen(r)
		side := int32(r.between(16*q, 20*q))
		if r.chance(50) {
			side = -side
		}
		p.dx = digitSide*q/2 + side
		ways := glyphs[r.below(10)]
		c.write(ways[r.below(len(ways))], &p, ink*256, int32(r.between(150, 256)), r)
	}
	for range r.below(2) {
		tone := paper + (ink-paper)*int32(r.between(20, 55))/100
		x, y := int32(r.below(digitSide*q)), int32(r.below(digitSide*q))
		a, n := int32(r.below(256)), int32(r.between(3, 9))
		bend := int32(r.between(-20, 20))
		c.clear()
		c.pts = append(c.pts[:0], vec{x, y})
		for range n {
			x, y = x+cos256(a)/64, y+sin256(a)/64
			a += bend
			c.pts = append(c.pts, vec{x, y})
		}
		half := int32(r.between(q*45/100, q*120/100))
		c.stroke(c.pts, half)
		c.blend(half, tone*256, 256)
	}
}

// cover hides a part of the digit behind a bar of paper or a gray patch.
func (c *canvas) cover(r *splitmix, paper, ink int32) {
	switch r.below(10) {
	case 0:
		x, y := int32(r.between(6*q, 22*q)), int32(r.between(6*q, 22*q))
		a := int32(r.below(256))
		dx, dy := cos256(a)*int32(digitSide)/64, sin256(a)*int32(digitSide)/64
		c.clear()
		half := int32(r.between(q*50/100, q*110/100))
		c.stroke(polyline{{x - dx, y - dy}, {x + dx, y + dy}}, half)
		c.blend(half, paper*256, 240)
	case 1:
		w, h := r.between(4, 8), r.between(4, 8)
		x0, y0 := r.between(2, digitSide-2-w), r.between(2, digitSide-2-h)
		tone := (paper + (ink-paper)*int32(r.between(0, 60))/100) * 256
		for y := y0; y < y0+h; y++ {
			for x := x0; x < x0+w; x++ {
				c.level[y*digitSide+x] = tone
			}
		}
	}
}
