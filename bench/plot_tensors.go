package bench

import (
	"html/template"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/goqat/goqat/qat"
)

// exactSQNR is from where on a tensor counts as represented exactly:
// qat.Analyze reports 200 dB when no value changed.
const exactSQNR = 199

// sqnrPlot draws one bar a tensor. lo and hi are what the axis covers.
func sqnrPlot(ts []qat.TensorReport, lo, hi float64, color paint, label string) (figurePlot, error) {
	if len(ts) == 0 {
		return figurePlot{}, nil
	}
	const row = 19.0
	bars := sqnrBars{color: color}
	var names plot.ConstantTicks
	for i, t := range ts {
		at := float64(len(ts) - 1 - i) // The first tensor is on top.
		names = append(names, plot.Tick{Value: at, Label: shorten(clean(t.Name), 30)})
		bars.bars = append(bars.bars, sqnrBar{at, t.SQNR})
	}
	p := newPlot("SQNR, dB", "")
	linearAxis(math.Min(lo, 0), hi*1.08, 6).apply(&p.X)
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = -0.6, float64(len(ts))-0.4, names
	p.Y.Tick.Label.Color = ink
	p.Y.Padding = 5
	p.Add(bars)
	svg, err := render(p, plotWidth, row*float64(len(ts))+58, label)
	return figurePlot{SVG: svg}, err
}

// sqnrRange returns what the axis of the bars must cover.
func sqnrRange(ts []qat.TensorReport) (lo, hi float64) {
	for _, t := range ts {
		if drawable(t.SQNR) && t.SQNR < exactSQNR {
			lo, hi = math.Min(lo, t.SQNR), math.Max(hi, t.SQNR)
		}
	}
	if hi == lo {
		hi = lo + 50
	}
	return lo, hi
}

type sqnrBar struct{ at, db float64 }

type sqnrBars struct {
	bars  []sqnrBar
	color paint
}

// Plot implements plot.Plotter.
func (s sqnrBars) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		c.StrokeLine2(draw.LineStyle{Color: grid, Width: 1}, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
	}
	for _, b := range s.bars {
		end, strength, figure := b.db, 0.85, minus(strconv.FormatFloat(b.db, 'f', 1, 64))
		switch {
		case b.db >= exactSQNR:
			end, strength, figure = p.X.Max, 0.3, "exact"
		case !drawable(b.db):
			end, figure = 0, "not a number"
		}
		from, to, mid := x(0), x(end), y(b.at)
		c.FillPolygon(s.color.faint(strength), []vg.Point{{X: from, Y: mid - 6}, {X: to, Y: mid - 6}, {X: to, Y: mid + 6}, {X: from, Y: mid + 6}})
		align, place := text.XLeft, max(from, to)+4
		if end == p.X.Max {
			align, place = text.XRight, to-4
		}
		c.FillText(textStyle(10.5, ink, align, text.YCenter), vg.Point{X: place, Y: mid}, figure)
	}
}

const (
	smallWidth  = 290.0
	smallHeight = 150.0
)

// histogramPlot draws the values of a tensor and marks what its codes cannot
// reach.
func histogramPlot(t *qat.TensorReport) (template.HTML, error) {
	h := histogram{t: t}
	for _, n := range t.Counts {
		h.top = max(h.top, n)
	}
	if h.top <= 0 || !(t.Max >= t.Min) || !drawable(t.Min) || !drawable(t.Max) || !drawable(t.Lo) || !drawable(t.Hi) {
		return "", nil
	}
	h.lo, h.hi = math.Min(t.Min, t.Lo), math.Max(t.Max, t.Hi)
	if flat(h.lo, h.hi) {
		h.lo, h.hi = h.lo-1, h.hi+1
	}
	p := newPlot("", "")
	margin := (h.hi - h.lo) * 0.04
	a := linearAxis(h.lo, h.hi, 4)
	a.min, a.max = h.lo-margin, h.hi+margin
	a.apply(&p.X)
	p.Y.Min, p.Y.Max = 0, logCount(h.top)*1.06
	counts := plot.ConstantTicks{{Value: 0, Label: "0"}}
	for _, e := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9} {
		n := int(math.Pow10(e))
		if n <= h.top {
			if sparse := h.top >= 10_000; !sparse || e%2 == 0 {
				counts = append(counts, plot.Tick{Value: logCount(n), Label: shortCount(n)})
			}
		}
	}
	p.Y.Tick.Marker = counts
	p.X.Tick.Label.Font, p.Y.Tick.Label.Font = sans(10), sans(10)
	p.Add(gridLines{}, h)
	return render(p, smallWidth, smallHeight, "Histogram of "+clean(t.Name))
}

// logCount is the height of a bin: the logarithm shows the few values of the
// tails beside the many of the middle, and 0 for an empty bin.
func logCount(n int) float64 { return math.Log10(1 + float64(max(n, 0))) }

func shortCount(n int) string {
	switch {
	case n >= 1_000_000:
		return strconv.Itoa(n/1_000_000) + "M"
	case n >= 1000:
		return strconv.Itoa(n/1000) + "k"
	}
	return strconv.Itoa(n)
}

type histogram struct {
	t      *qat.TensorReport
	lo, hi float64
	top    int
}

// Plot implements plot.Plotter.
func (h histogram) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	rect := func(color paint, from, to vg.Length) {
		if to > from {
			c.FillPolygon(color, []vg.Point{{X: from, Y: c.Min.Y}, {X: to, Y: c.Min.Y}, {X: to, Y: c.Max.Y}, {X: from, Y: c.Max.Y}})
		}
	}
	t := h.t
	rect(bad.faint(0.13), c.Min.X, x(t.Lo))
	rect(bad.faint(0.13), x(t.Hi), c.Max.X)
	color := series(1)
	if t.Weight {
		color = series(0)
	}
	w := (t.Max - t.Min) / float64(len(t.Counts))
	if w == 0 {
		// All values are one: a bar of a visible width.
		at := x(t.Min)
		c.FillPolygon(color.faint(0.8), []vg.Point{{X: at - 2, Y: y(0)}, {X: at + 2, Y: y(0)}, {X: at + 2, Y: y(logCount(h.top))}, {X: at - 2, Y: y(logCount(h.top))}})
	} else {
		// One outline of all bins is a tenth of as many rectangles.
		outline := []vg.Point{{X: x(t.Min), Y: y(0)}}
		for i, n := range t.Counts {
			at := y(logCount(n))
			outline = append(outline, vg.Point{X: x(t.Min + w*float64(i)), Y: at}, vg.Point{X: x(t.Min + w*float64(i+1)), Y: at})
		}
		outline = append(outline, vg.Point{X: x(t.Max), Y: y(0)})
		c.FillPolygon(color.faint(0.75), outline)
	}
	for _, v := range []float64{t.Lo, t.Hi} {
		c.StrokeLine2(draw.LineStyle{Color: bad, Width: 1.25, Dashes: []vg.Length{4, 2}}, x(v), c.Min.Y, x(v), c.Max.Y)
	}
}

// clipped returns which part of the counted values is out of reach of the
// codes, that is more than half a step past the last. A bin across the end
// counts in part.
func clipped(t *qat.TensorReport) float64 {
	total, out := 0.0, 0.0
	first, last := t.Lo-t.Scale[1]/2, t.Hi+t.Scale[1]/2
	w := (t.Max - t.Min) / float64(max(len(t.Counts), 1))
	for i, n := range t.Counts {
		total += float64(n)
		lo := t.Min + w*float64(i)
		if w > 0 {
			in := math.Min(lo+w, last) - math.Max(lo, first)
			out += float64(n) * (1 - math.Min(math.Max(in/w, 0), 1))
		} else if lo < first || lo > last {
			out += float64(n)
		}
	}
	if total == 0 {
		return 0
	}
	return out / total
}
