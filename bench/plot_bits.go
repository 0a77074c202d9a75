package bench

import (
	"html/template"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// legendItem is an entry of a legend, which the page writes beside its plot.
type legendItem struct {
	Name  string
	Class string // Color.
	Dash  bool
}

// figurePlot is a plot with its legend, empty when there is nothing to show.
type figurePlot struct {
	SVG    template.HTML
	Legend []legendItem
}

const (
	plotWidth  = 560.0
	plotHeight = 330.0
)

// bitsPlot draws accuracy over bit widths: a line a method, the float model as
// a level across.
func bitsPlot(bits []BitsPoint) (figurePlot, error) {
	bits = slices.DeleteFunc(slices.Clone(bits), func(p BitsPoint) bool { return !drawable(p.Accuracy) })
	if len(bits) < 2 {
		return figurePlot{}, nil
	}
	widths, methods := bitAxes(bits)
	var f figurePlot
	lines := bitLines{}
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, m := range methods {
		l := bitLine{color: series(i), level: m == "float"}
		for _, p := range bits {
			if clean(p.Method) == m {
				l.points = append(l.points, bitPoint{slices.Index(widths, widthOf(p)), 100 * p.Accuracy})
				lo, hi = math.Min(lo, 100*p.Accuracy), math.Max(hi, 100*p.Accuracy)
			}
		}
		slices.SortStableFunc(l.points, func(a, b bitPoint) int { return a.column - b.column })
		lines = append(lines, l)
		f.Legend = append(f.Legend, legendItem{m, l.color.class(), l.level})
	}
	// Room above and below for the figures at the points.
	room := math.Max((hi-lo)*0.14, 0.05)
	p := newPlot("bits of weights (W) and activations (A)", "accuracy, %")
	linearAxis(lo-room, math.Min(hi+room, math.Max(100, hi)), 5).apply(&p.Y)
	var names plot.ConstantTicks
	for i, w := range widths {
		names = append(names, plot.Tick{Value: float64(i), Label: w.label()})
	}
	p.X.Min, p.X.Max, p.X.Tick.Marker = -0.5, float64(len(widths))-0.5, names
	p.Add(gridLines{}, lines)
	var err error
	f.SVG, err = render(p, plotWidth, plotHeight, "Accuracy against bit width")
	return f, err
}

type bitPoint struct {
	column   int
	accuracy float64
}

type bitLine struct {
	color  paint
	level  bool // Drawn across the plot at the value of its first point.
	points []bitPoint
}

type bitLines []bitLine

// Plot implements plot.Plotter.
func (ls bitLines) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, l := range ls {
		stroke := draw.LineStyle{Color: l.color, Width: 2}
		if l.level {
			at := y(l.points[0].accuracy)
			stroke.Width, stroke.Dashes = 1.5, []vg.Length{5, 4}
			c.StrokeLine2(stroke, c.Min.X, at, c.Max.X, at)
		} else {
			var path []vg.Point
			for _, q := range l.points {
				path = append(path, vg.Point{X: x(float64(q.column)), Y: y(q.accuracy)})
			}
			c.StrokeLines(stroke, path)
		}
		for _, q := range l.points {
			c.DrawGlyph(draw.GlyphStyle{Color: l.color, Radius: 4, Shape: draw.CircleGlyph{}}, vg.Point{X: x(float64(q.column)), Y: y(q.accuracy)})
		}
	}
	// The best of a column has its figure above, the worst below; others are
	// in between and in the table.
	for column := range len(p.X.Tick.Marker.Ticks(0, 0)) {
		best, worst := math.Inf(-1), math.Inf(1)
		for _, l := range ls {
			for _, q := range l.points {
				if q.column == column {
					best, worst = math.Max(best, q.accuracy), math.Min(worst, q.accuracy)
				}
			}
		}
		if math.IsInf(best, 0) {
			continue
		}
		at := x(float64(column))
		figure := func(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }
		c.FillText(textStyle(11, ink, text.XCenter, text.YBottom), vg.Point{X: at, Y: y(best) + 7}, figure(best))
		if worst < best {
			c.FillText(textStyle(11, ink, text.XCenter, text.YTop), vg.Point{X: at, Y: y(worst) - 7}, figure(worst))
		}
	}
}
