package bench

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// curveLine is one line of a plot over steps or epochs.
type curveLine struct {
	points plotter.XYs
	color  paint
	dash   bool
	marks  bool
}

// Plot implements plot.Plotter.
func (l curveLine) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	path := make([]vg.Point, len(l.points))
	for i, q := range l.points {
		path[i] = vg.Point{X: x(q.X), Y: y(math.Min(math.Max(q.Y, p.Y.Min), p.Y.Max))}
	}
	s := draw.LineStyle{Color: l.color, Width: 1.75}
	if l.dash {
		s.Dashes = []vg.Length{6, 3}
	}
	c.StrokeLines(s, path)
	if l.marks || len(path) == 1 {
		for _, q := range path {
			c.DrawGlyph(draw.GlyphStyle{Color: l.color, Radius: 3, Shape: draw.CircleGlyph{}}, q)
		}
	}
}

// curveStyle gives the i-th curve its color, and a dash from the second round
// of the colors on.
func curveStyle(i int) (paint, bool) { return series(i), i/seriesColors%2 == 1 }

// lossPlot draws the smoothed loss of every training over its steps.
func lossPlot(curves []Curve) (figurePlot, error) {
	return curvesPlot(curves, "step", "training loss, smoothed", "Training loss over steps", false, func(c Curve) plotter.XYs {
		return thin(smooth(c.Losses), 400)
	})
}

// accuracyPlot draws the validation accuracy of every training over its
// epochs.
func accuracyPlot(curves []Curve) (figurePlot, error) {
	return curvesPlot(curves, "epoch", "validation accuracy, %", "Validation accuracy over epochs", true, func(c Curve) plotter.XYs {
		var ps plotter.XYs
		for _, e := range c.Epochs {
			if drawable(e.Accuracy) && drawable(float64(e.Epoch)) && (e.Accuracy > 0 || e.ValLoss > 0) {
				ps = append(ps, plotter.XY{X: float64(e.Epoch), Y: 100 * e.Accuracy})
			}
		}
		return ps
	})
}

func curvesPlot(curves []Curve, x, y, label string, epochs bool, points func(Curve) plotter.XYs) (figurePlot, error) {
	var f figurePlot
	p := newPlot(x, y)
	p.Add(gridLines{})
	xlo, xhi, ylo, yhi := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for i, c := range curves {
		ps := points(c)
		if len(ps) == 0 {
			continue
		}
		color, dash := curveStyle(i)
		p.Add(curveLine{ps, color, dash, epochs})
		f.Legend = append(f.Legend, legendItem{shorten(clean(c.Name), 40), color.class(), dash})
		for _, q := range ps {
			xlo, xhi, ylo, yhi = math.Min(xlo, q.X), math.Max(xhi, q.X), math.Min(ylo, q.Y), math.Max(yhi, q.Y)
		}
	}
	if len(f.Legend) == 0 {
		return figurePlot{}, nil
	}
	if epochs {
		integerAxis(xlo, xhi).apply(&p.X)
		linearAxis(ylo, yhi, 5).apply(&p.Y)
	} else {
		ax := linearAxis(0, xhi, 6)
		ax.max = math.Max(xhi, 1)
		ax.apply(&p.X)
		// A loss of almost nothing does not stretch the axis over more than
		// five powers of ten.
		ay := spanAxis(ylo, yhi, 12, 5)
		if ylo > 0 && ylo < yhi*1e-5 {
			ay = logAxis(yhi*1e-5, yhi)
		}
		ay.apply(&p.Y)
	}
	var err error
	f.SVG, err = render(p, plotWidth, plotHeight, label)
	return f, err
}

// integerAxis has ticks at whole numbers only.
func integerAxis(lo, hi float64) axis {
	if hi-lo < 1 {
		return axis{min: lo - 0.5, max: hi + 0.5, ticks: plot.ConstantTicks{{Value: lo, Label: whole(lo)}}}
	}
	step, _ := niceStep(math.Max((hi-lo)/8, 1))
	a := axis{min: lo - 0.15, max: hi + 0.15}
	for v := math.Ceil(lo/step) * step; v <= hi; v += step {
		a.ticks = append(a.ticks, plot.Tick{Value: v, Label: whole(v)})
	}
	return a
}

func whole(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }

// smooth returns the exponential moving average of losses over about a
// fiftieth of the steps, without the bias of its start (as Adam's moments),
// by step from 1.
func smooth(losses []float64) plotter.XYs {
	decay := 1 - 2/(math.Max(float64(len(losses))/50, 1)+1)
	sum, weight := 0.0, 0.0
	var ps plotter.XYs
	for i, v := range losses {
		if !drawable(v) {
			continue
		}
		sum = decay*sum + (1-decay)*v
		weight = decay*weight + (1 - decay)
		ps = append(ps, plotter.XY{X: float64(i + 1), Y: sum / weight})
	}
	return ps
}

// thin returns at most about n of the points, the first and the last among
// them.
func thin(ps plotter.XYs, n int) plotter.XYs {
	if len(ps) <= n {
		return ps
	}
	out := make(plotter.XYs, n)
	for i := range out {
		out[i] = ps[i*(len(ps)-1)/(n-1)]
	}
	return out
}
