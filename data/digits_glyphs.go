package data

import "math"

// vec is a point: in glyph units (x from -50 to 50, y from -70 down to 70), or
// in 1/256 pixel.
type vec struct{ x, y int32 }

// polyline is one pen stroke.
type polyline []vec

// glyph is the skeleton of one way to write a digit.
type glyph []polyline

// sine is 16384 sin(2*pi*i/256), rounded.
var sine = func() (t [256]int32) {
	for i := range t {
		t[i] = int32(math.RoundToEven(float64(16384 * sinTurn(float64(i)/256))))
	}
	return t
}()

func sin256(a int32) int32 { return sine[uint8(a)] }
func cos256(a int32) int32 { return sine[uint8(a+64)] }

// arc returns points on an ellipse from angle a to angle b in 1/256 turn,
// clockwise on the screen when b > a: 0 is right, 64 down, 128 left, 192 up.
func arc(cx, cy, rx, ry, a, b int32) polyline {
	n := max((b-a)/12, (a-b)/12, 2)
	p := make(polyline, 0, n+1)
	for i := range n + 1 {
		t := a + (b-a)*i/n
		p = append(p, vec{cx + rx*cos256(t)/16384, cy + ry*sin256(t)/16384})
	}
	return p
}

// line returns the points at coordinates x0, y0, x1, y1, ... and one between
// each two, so that a long line can bend.
func line(xy ...int32) polyline {
	p := polyline{{xy[0], xy[1]}}
	for i := 2; i < len(xy); i += 2 {
		x0, y0 := xy[i-2], xy[i-1]
		x1, y1 := xy[i], xy[i+1]
		for k := int32(1); k <= 3; k++ {
			p = append(p, vec{x0 + (x1-x0)*k/3, y0 + (y1-y0)*k/3})
		}
	}
	return p
}

// join makes one stroke of several.
func join(parts ...polyline) polyline {
	var p polyline
	for _, q := range parts {
		p = append(p, q...)
	}
	return p
}

// glyphs has the ways to write each digit.
var glyphs = [10][]glyph{
	0: {
		{arc(0, 0, 40, 62, -64, 192)},
		{arc(0, 0, 32, 62, -50, 206)},
		{arc(0, 0, 38, 60, -64, 192), line(24, -40, -24, 40)},
	},
	1: {
		{line(0, -62, 0, 62)},
		{line(-24, -34, 2, -62, 2, 62)},
		{line(-22, -38, 0, -62, 0, 62), line(-26, 62, 26, 62)},
	},
	2: {
		{join(arc(0, -28, 36, 34, 120, 276), line(30, -8, -38, 62, 40, 62))},
		{join(arc(-2, -30, 34, 32, 136, 270), line(26, -14, -30, 50), arc(-28, 50, 14, 12, 20, 200), line(-38, 44, 2, 62, 40, 52))},
	},
	3: {
		{join(arc(-2, -31, 34, 31, 142, 320), arc(0, 31, 38, 32, -64, 108))},
		{join(line(-34, -62, 32, -62, -2, -12), arc(-2, 25, 38, 37, -64, 108))},
	},
	4: {
		{line(12, -62, -40, 22, 42, 22), line(14, -62, 14, 62)},
		{line(-30, -60, -34, 8, 38, 8), line(26, -62, 24, 62)},
		{line(20, -62, -38, 18, 40, 18), line(16, -14, 12, 62)},
	},
	5: {
		{join(line(34, -62, -28, -62, -32, -8), arc(-2, 24, 38, 38, -104, 104))},
		{line(-24, -60, 34, -62), join(line(-24, -60, -28, -14), arc(-4, 22, 36, 40, -90, 100))},
	},
	6: {
		{join(arc(24, 16, 60, 76, 190, 128), arc(0, 28, 38, 34, 128, 384))},
		{join(line(18, -62, -34, 16), arc(0, 28, 36, 34, 134, 390))},
	},
	7: {
		{line(-38, -62, 38, -62, -12, 62)},
		{line(-36, -60, 38, -62, -8, 62), line(-22, 2, 30, -2)},
		{join(line(-38, -48, -34, -62, 36, -62), arc(66, 62, 72, 108, 180, 132))},
	},
	8: {
		{arc(0, -32, 30, 30, 64, 320), arc(0, 30, 38, 32, -64, 192)},
		{join(arc(0, -31, 30, 31, -10, -200), arc(0, 31, 36, 31, -64, 128), line(-34, 22, 28, -42))},
	},
	9: {
		{join(arc(0, -28, 38, 34, 0, 256), arc(-24, -16, 62, 76, 0, 60))},
		{join(arc(0, -28, 36, 34, 0, 256), line(36, -28, 22, 62))},
	},
}
