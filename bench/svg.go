package bench

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// paint is a color of the page's style sheet, so that plots follow the light
// and the dark scheme. gonum draws it as a color that nothing else uses, and
// [render] puts the variable of the style sheet in its place.
type paint struct {
	variable uint8
	opacity  float64 // 0 means opaque.
}

// paintNames are the variables of the style sheet.
var paintNames = []string{"ink", "muted", "grid", "card", "bad", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8"}

var (
	ink   = paint{variable: 0}
	muted = paint{variable: 1}
	grid  = paint{variable: 2}
	bad   = paint{variable: 4}
)

// seriesColors is the number of colors of series.
const seriesColors = 8

// series returns the color of the i-th series.
func series(i int) paint { return paint{variable: 5 + uint8(i%seriesColors)} }

// class is the name of the variable, which legends use.
func (p paint) class() string { return paintNames[p.variable] }

func (p paint) faint(opacity float64) paint {
	p.opacity = opacity
	return p
}

// RGBA returns (1, 2, variable). vgsvg divides by alpha and cuts off, so what
// is multiplied by it here is rounded up.
func (p paint) RGBA() (r, g, b, a uint32) {
	a = 0xffff
	if p.opacity > 0 {
		a = max(uint32(p.opacity*0xffff), 0x1000)
	}
	up := func(v uint32) uint32 { return (v*a + 254) / 255 }
	return up(1), up(2), up(uint32(p.variable)), a
}

var (
	styleAttr = regexp.MustCompile(`style="[^"]*"`)
	paintCode = regexp.MustCompile(`#0102([0-9A-F]{2})`)
	fontAttrs = regexp.MustCompile(`font-family:[^;"]*;font-variant:[^;"]*;font-weight:normal;font-style:normal;`)
)

// sans is metric-compatible with Arial and Helvetica, which the style sheet
// falls back to where it is not installed, so the plots need no font of their
// own.
func sans(points float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Length(points)}
}

func textStyle(points float64, color paint, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{Color: color, Font: sans(points), XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler}
}

// newPlot returns a plot without data in the style of the report.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Padding = 0
		a.LineStyle = draw.LineStyle{Color: grid, Width: 1}
		a.Tick.LineStyle = draw.LineStyle{Color: grid, Width: 1}
		a.Tick.Length = 4
		a.Tick.Label.Font, a.Tick.Label.Color = sans(11), muted
		a.Label.TextStyle.Font, a.Label.TextStyle.Color = sans(11.5), ink
		a.Label.Padding = 5
	}
	p.Y.LineStyle.Width = 0
	p.Y.Tick.Length = 0
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// gridLines draws a line at each horizontal tick.
type gridLines struct{}

// Plot implements plot.Plotter.
func (gridLines) Plot(c draw.Canvas, p *plot.Plot) {
	_, y := p.Transforms(&c)
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if at := y(t.Value); c.ContainsY(at) {
			c.StrokeLine2(draw.LineStyle{Color: grid, Width: 1}, c.Min.X, at, c.Max.X, at)
		}
	}
}

// render draws p as an SVG element that scales with its place. label is what
// a screen reader says.
func render(p *plot.Plot, width, height float64, label string) (svg template.HTML, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("bench: plot %q: %v", label, v)
		}
	}()
	c := vgsvg.New(vg.Length(width), vg.Length(height))
	// A margin keeps the ends of lines and the last tick label inside.
	p.Draw(draw.Crop(draw.New(c), 2, -14, 3, -8))
	var buf bytes.Buffer
	if _, err := c.WriteTo(&buf); err != nil {
		return "", fmt.Errorf("bench: plot %q: %w", label, err)
	}
	// The body follows the root element, which stands alone after the prolog.
	s := buf.String()
	at := strings.Index(s, "<svg")
	end := strings.Index(s[at:], ">") + at + 1
	body := styleAttr.ReplaceAllStringFunc(s[end:], func(a string) string {
		a = fontAttrs.ReplaceAllString(a, "")
		return paintCode.ReplaceAllStringFunc(a, func(code string) string {
			n, _ := strconv.ParseUint(code[5:], 16, 8)
			return "var(--" + paintNames[min(int(n), len(paintNames)-1)] + ")"
		})
	})
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, html.EscapeString(label))
	return template.HTML(head + body), nil //nolint:gosec // vgsvg escapes all text, and label is escaped above.
}

// drawable reports whether a value can be put on an axis.
func drawable(v float64) bool { return !math.IsNaN(v) && math.Abs(v) <= 1e12 }

// axis is a range with round ends and its ticks.
type axis struct {
	min, max float64
	ticks    plot.ConstantTicks
	log      bool
}

// linearAxis covers lo to hi in about n steps of 1, 2 or 5 times a power of
// ten.
func linearAxis(lo, hi float64, n int) axis {
	if flat(lo, hi) {
		d := math.Max(math.Abs(hi)/10, 1e-3)
		lo, hi = lo-d, hi+d
	}
	step, digits := niceStep((hi - lo) / float64(n))
	first, last := math.Floor(lo/step+1e-9), math.Ceil(hi/step-1e-9)
	a := axis{min: first * step, max: last * step}
	for i := first; i <= last; i++ {
		a.ticks = append(a.ticks, plot.Tick{Value: i * step, Label: minus(tickLabel(i*step, digits))})
	}
	return a
}

// flat reports whether a range has too little in it to put ticks on.
func flat(lo, hi float64) bool {
	return hi-lo < math.Max(1e-9*math.Max(math.Abs(lo), math.Abs(hi)), 1e-30)
}

func tickLabel(v float64, digits int) string {
	if digits > 6 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// niceStep returns a round step of at least about v, and how many digits after
// the point its multiples need.
func niceStep(v float64) (step float64, digits int) {
	power := math.Floor(math.Log10(v))
	base := math.Pow(10, power)
	for _, f := range []float64{1, 2, 5, 10} {
		if step = f * base; step >= v*0.999 {
			if f == 10 {
				power++
			}
			break
		}
	}
	return step, max(int(-power), 0)
}

// logAxis covers lo to hi, both positive, with ticks at 1, 2 and 5 times the
// powers of ten, fewer when there are many.
func logAxis(lo, hi float64) axis {
	if hi < lo*1.05 {
		lo, hi = lo/1.5, hi*1.5
	}
	first, last := math.Floor(math.Log10(lo)), math.Ceil(math.Log10(hi))
	factors := []float64{1, 2, 5}
	if last-first > 4 {
		factors = factors[:1]
	}
	var all []float64
	step := math.Max(math.Ceil((last-first)/8), 1)
	for e := first; e < last+step; e += step {
		for _, f := range factors {
			all = append(all, f*math.Pow(10, e))
		}
	}
	// The ends are the ticks around the data.
	a := axis{min: all[0], max: all[len(all)-1], log: true}
	for _, v := range all {
		if v <= lo*1.0001 {
			a.min = v
		}
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] >= hi*0.9999 {
			a.max = all[i]
		}
	}
	for _, v := range all {
		if v >= a.min && v <= a.max {
			a.ticks = append(a.ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 3, 64)})
		}
	}
	return a
}

// spanAxis is linear from 0 unless the values, all positive, span more than
// ratio.
func spanAxis(lo, hi, ratio float64, n int) axis {
	if lo > 0 && hi > lo*ratio {
		return logAxis(lo, hi)
	}
	return linearAxis(math.Min(lo, 0), math.Max(hi, 0), n)
}

func (a axis) apply(to *plot.Axis) {
	to.Min, to.Max, to.Tick.Marker = a.min, a.max, a.ticks
	if a.log {
		to.Scale = plot.LogScale{}
	}
}

// minus writes the sign of a number as typography has it.
func minus(s string) string { return strings.Replace(s, "-", "−", 1) }
