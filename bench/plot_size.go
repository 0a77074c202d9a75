package bench

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// sizePlot draws the latency of each row over the size of its file.
func sizePlot(rows []Row) (figurePlot, error) {
	var f figurePlot
	var points labeledPoints
	var models []string
	xlo, xhi, ylo, yhi := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, r := range rows {
		if r.FileBytes <= 0 || r.Latency.Runs == 0 || !drawable(float64(r.FileBytes)) || !drawable(r.Latency.P50) || r.Latency.P50 < 1e-9 {
			continue
		}
		m := clean(r.Model)
		k := slices.Index(models, m)
		if k < 0 {
			k = len(models)
			models = append(models, m)
			f.Legend = append(f.Legend, legendItem{Name: m, Class: series(k).class()})
		}
		q := labeledPoint{x: float64(r.FileBytes), y: r.Latency.P50, label: shorten(clean(r.Target), 28), color: series(k)}
		points = append(points, q)
		xlo, xhi, ylo, yhi = math.Min(xlo, q.x), math.Max(xhi, q.x), math.Min(ylo, q.y), math.Max(yhi, q.y)
	}
	if len(points) < 2 {
		return figurePlot{}, nil
	}
	unit, scale := "KiB", float64(1<<10)
	if xhi >= 4<<20 {
		unit, scale = "MiB", 1<<20
	}
	for i := range points {
		points[i].x /= scale
	}
	p := newPlot("file size, "+unit, "median latency, ms")
	const ratio = 20
	spanAxis(xlo/scale, xhi/scale*1.05, ratio, 6).apply(&p.X)
	spanAxis(ylo, yhi*1.05, ratio, 5).apply(&p.Y)
	p.Add(gridLines{}, points)
	var err error
	f.SVG, err = render(p, plotWidth, plotHeight, "Median latency against file size")
	return f, err
}

type labeledPoint struct {
	x, y  float64
	label string
	color paint
}

type labeledPoints []labeledPoint

const pointRadius = 4.5

// widerFont is how much wider than the font that labels are measured by that
// of a viewer may be.
const widerFont = 1.2

// Plot implements plot.Plotter. Each label goes to the first place around its
// point where it covers no other label and no point, with a line back to the
// point when it is not beside it.
func (ps labeledPoints) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var taken []vg.Rectangle
	for _, q := range ps {
		at := vg.Point{X: x(q.x), Y: y(q.y)}
		const r = pointRadius + 1
		taken = append(taken, vg.Rectangle{Min: vg.Point{X: at.X - r, Y: at.Y - r}, Max: vg.Point{X: at.X + r, Y: at.Y + r}})
	}
	style := textStyle(11, ink, text.XLeft, text.YBottom)
	height := style.FontExtents().Height
	type placed struct {
		box  vg.Rectangle
		near bool
	}
	labels := make([]placed, len(ps))
	for i, q := range ps {
		at := vg.Point{X: x(q.x), Y: y(q.y)}
		w := style.Width(q.label) * widerFont
		box, near := place(at, w, height, c.Rectangle, taken)
		labels[i] = placed{box, near}
		taken = append(taken, box)
	}
	for i, q := range ps {
		if !labels[i].near {
			at, b := vg.Point{X: x(q.x), Y: y(q.y)}, labels[i].box
			end := vg.Point{X: min(max(at.X, b.Min.X), b.Max.X), Y: min(max(at.Y, b.Min.Y), b.Max.Y)}
			c.StrokeLine2(draw.LineStyle{Color: muted.faint(0.6), Width: 0.75}, at.X, at.Y, end.X, end.Y)
		}
	}
	for _, q := range ps {
		c.DrawGlyph(draw.GlyphStyle{Color: q.color.faint(0.9), Radius: pointRadius, Shape: draw.CircleGlyph{}}, vg.Point{X: x(q.x), Y: y(q.y)})
	}
	for i, q := range ps {
		c.FillText(style, labels[i].box.Min, q.label)
	}
}

// place finds room for a label of w by h near a point, inside a rectangle. It
// returns the last place tried when all are taken.
func place(at vg.Point, w, h vg.Length, inside vg.Rectangle, taken []vg.Rectangle) (box vg.Rectangle, near bool) {
	// Right, left, above and below, then the corners, further out each time.
	sides := [][2]float64{{1, 0}, {-1, 0}, {0, 1}, {0, -1}, {1, 1}, {1, -1}, {-1, 1}, {-1, -1}, {1, 2}, {1, -2}, {-1, 2}, {-1, -2}, {2, 1}, {2, -1}, {-2, 1}, {-2, -1}}
	best, fewest := vg.Rectangle{}, math.MaxInt
	for ring := range 16 {
		reach := vg.Length(pointRadius + 4 + 11*float64(ring))
		for _, s := range sides {
			dx, dy := s[0]/math.Max(math.Abs(s[0]), math.Abs(s[1])), s[1]/math.Max(math.Abs(s[0]), math.Abs(s[1]))
			center := vg.Point{X: at.X + vg.Length(dx)*(reach+w/2), Y: at.Y + vg.Length(dy)*(reach+h/2)}
			box := vg.Rectangle{Min: vg.Point{X: center.X - w/2, Y: center.Y - h/2}, Max: vg.Point{X: center.X + w/2, Y: center.Y + h/2}}
			if box.Min.X < inside.Min.X || box.Max.X > inside.Max.X+10 || box.Min.Y < inside.Min.Y || box.Max.Y > inside.Max.Y {
				continue
			}
			hits := 0
			for _, t := range taken {
				if box.Min.X < t.Max.X+2 && box.Max.X > t.Min.X-2 && box.Min.Y < t.Max.Y && box.Max.Y > t.Min.Y {
					hits++
				}
			}
			if hits == 0 {
				return box, ring == 0
			}
			if hits < fewest {
				best, fewest = box, hits
			}
		}
	}
	if fewest == math.MaxInt { // Wider than the plot.
		best = vg.Rectangle{Min: vg.Point{X: inside.Min.X, Y: at.Y + 6}, Max: vg.Point{X: inside.Min.X + w, Y: at.Y + 6 + h}}
	}
	return best, false
}
