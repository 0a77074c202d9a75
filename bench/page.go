package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/goqat/goqat/qat"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

var pageTemplate = template.Must(template.New("report").Parse(pageHTML))

// Limits of the page: a report of a very deep model stays readable, and a
// hostile one small.
const (
	maxPlottedRows   = 64
	maxPlottedCurves = 32
	maxPlottedBits   = 128
	maxBars          = 150
	maxHistograms    = 120
)

// WriteHTML writes the report as one HTML file that needs nothing else: no
// script, no font, no picture from anywhere. The same report gives the same
// bytes.
func (r *Report) WriteHTML(w io.Writer) error {
	p, err := r.page()
	if err != nil {
		return err
	}
	if err := pageTemplate.Execute(w, p); err != nil {
		return fmt.Errorf("bench: write page: %w", err)
	}
	return nil
}

// page is what the template shows.
type page struct {
	CSS      template.CSS
	Title    string
	Created  string
	Data     string
	Machine  string
	Command  string
	Notes    []string
	Figures  []headline
	Rows     []pageRow
	HasNotes bool
	Accuracy bool
	Batch    bool
	Method   string
	Compare  []section // Size against latency, accuracy against bits.
	Training []section
	SQNR     []section
	Tensors  []tensorPlot
	Left     []string // What was left out.
}

// headline is a figure to see first.
type headline struct{ Name, Value, Change, Class, From string }

// pageRow is a row of the table. Time and Size are the lengths of bars, in
// percent of the largest.
type pageRow struct {
	Model, Target, Accuracy, Delta          string
	Batch, P50, P90, P99, Throughput        string
	Size, Memory                            string
	TimeBar, SizeBar                        float64
	Note                                    []string
	Reference, DeltaWorse, Ran, BetterDelta bool
}

// section is a plot with its heading and its words.
type section struct {
	Heading string
	Plot    figurePlot
	Words   string
}

// tensorPlot is a histogram with its captions.
type tensorPlot struct {
	Name, Scheme, SQNR, Clipped string
	SVG                         template.HTML
}

func (r *Report) page() (*page, error) {
	p := &page{
		CSS: template.CSS(pageCSS), Title: clean(r.Title), Data: clean(r.Data), Command: clean(r.Command), //nolint:gosec // The style sheet is embedded.
		Machine: r.Machine.line(), Figures: r.headlines(), Method: r.method(),
	}
	if p.Title == "" {
		p.Title = "goqat report"
	}
	if !r.Created.IsZero() {
		p.Created = r.Created.UTC().Format(time.DateTime) + " UTC"
	}
	for _, n := range r.Notes {
		p.Notes = append(p.Notes, clean(n))
	}
	p.rows(r.Rows)
	for _, f := range []func(*Report) error{p.compare, p.training, p.sqnr, p.histograms} {
		if err := f(r); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// line describes a machine.
func (m Machine) line() string {
	var parts []string
	if m.CPU != "" {
		parts = append(parts, clean(m.CPU))
	}
	if m.Cores > 0 {
		parts = append(parts, fmt.Sprintf("%d cores", m.Cores))
	}
	for _, s := range []string{strings.Trim(m.OS+"/"+m.Arch, "/"), m.ISA, m.Go} {
		if s != "" {
			parts = append(parts, clean(s))
		}
	}
	return strings.Join(parts, " · ")
}

// headlines compares the best of the other rows with the first.
func (r *Report) headlines() []headline {
	if len(r.Rows) == 0 {
		return nil
	}
	ref, rest := r.Rows[0], r.Rows[1:]
	name := func(r Row) string {
		return shorten(strings.Trim(clean(r.Model)+" · "+clean(r.Target), " ·"), 40)
	}
	if len(rest) == 0 {
		rest = r.Rows
	}
	var hs []headline
	// add takes the row with the least value, of those that have one.
	add := func(title string, value func(Row) (float64, bool), show func(Row) string, change func(best, ref float64) (string, string)) {
		at, least := -1, math.Inf(1)
		for i, row := range rest {
			if v, ok := value(row); ok && v < least {
				at, least = i, v
			}
		}
		if at < 0 {
			return
		}
		h := headline{Name: title, Value: show(rest[at]), From: name(rest[at])}
		if v, ok := value(ref); ok && len(r.Rows) > 1 {
			h.Change, h.Class = change(least, v)
		}
		hs = append(hs, h)
	}
	times := func(word, opposite string) func(best, ref float64) (string, string) {
		return func(best, ref float64) (string, string) {
			switch {
			case ref/best >= 1.005:
				return fmt.Sprintf("%.*f× %s", digits(ref/best), ref/best, word), "better"
			case best/ref >= 1.005:
				return fmt.Sprintf("%.*f× %s", digits(best/ref), best/ref, opposite), "worse"
			}
			return "the same", ""
		}
	}
	add("Accuracy", func(r Row) (float64, bool) {
		if r.Accuracy == nil {
			return 0, false
		}
		return -*r.Accuracy, true
	}, func(r Row) string { return percent(r.Accuracy) }, func(best, ref float64) (string, string) {
		d := 100 * (ref - best)
		return points(d) + " points", direction(d)
	})
	add("File size", func(r Row) (float64, bool) { return float64(r.FileBytes), r.FileBytes > 0 },
		func(r Row) string { return size(r.FileBytes) }, times("smaller", "larger"))
	add("Median latency", func(r Row) (float64, bool) { return r.Latency.P50, r.Latency.P50 > 0 },
		func(r Row) string { return duration(r.Latency.P50) }, times("faster", "slower"))
	add("Memory", func(r Row) (float64, bool) { return float64(r.PeakBytes), r.PeakBytes > 0 },
		func(r Row) string { return size(r.PeakBytes) }, times("less", "more"))
	return hs
}

// duration returns milliseconds with their unit, or microseconds.
func duration(ms float64) string {
	if ms < 1 {
		return significant(ms*1000) + " µs"
	}
	return significant(ms) + " ms"
}

func digits(v float64) int {
	if v < 10 {
		return 2
	}
	return 1
}

// points returns a difference with its sign.
func points(d float64) string {
	if math.Abs(d) < 0.005 {
		return "±0.00"
	}
	return minus(fmt.Sprintf("%+.2f", d))
}

// direction is the class of a difference of accuracy in points.
func direction(d float64) string {
	switch {
	case d >= 0.005:
		return "better"
	case d <= -0.005:
		return "worse"
	}
	return ""
}

func (p *page) rows(rows []Row) {
	slowest, largest := 0.0, int64(0)
	for _, r := range rows {
		slowest, largest = math.Max(slowest, r.Latency.P50), max(largest, r.FileBytes)
	}
	for i, r := range rows {
		q := pageRow{Model: clean(r.Model), Target: clean(r.Target), Accuracy: percent(r.Accuracy),
			P50: ifRan(r, significant(r.Latency.P50)), P90: ifRan(r, significant(r.Latency.P90)), P99: ifRan(r, significant(r.Latency.P99)),
			Throughput: ifRan(r, grouped(r.Latency.Throughput)), Batch: ifRan(r, fmt.Sprint(r.Latency.Batch)),
			Size: size(r.FileBytes), Memory: size(r.PeakBytes), Reference: i == 0 && len(rows) > 1, Ran: r.Latency.Runs > 0}
		if slowest > 0 && !math.IsInf(slowest, 0) {
			q.TimeBar = math.Round(1000*r.Latency.P50/slowest) / 10
		}
		if largest > 0 {
			q.SizeBar = math.Round(1000*float64(r.FileBytes)/float64(largest)) / 10
		}
		if a := rows[0].Accuracy; a != nil && r.Accuracy != nil && i > 0 {
			d := 100 * (*r.Accuracy - *a)
			q.Delta, q.DeltaWorse, q.BetterDelta = points(d), direction(d) == "worse", direction(d) == "better"
		}
		for _, l := range strings.Split(r.Note, "\n") {
			if l = clean(l); l != "" {
				q.Note = append(q.Note, l)
			}
		}
		p.HasNotes = p.HasNotes || len(q.Note) > 0
		p.Accuracy = p.Accuracy || r.Accuracy != nil
		p.Batch = p.Batch || q.Batch != absent && q.Batch != "1"
		p.Rows = append(p.Rows, q)
	}
}

// grouped returns a number as "12,345" when it is that large.
func grouped(v float64) string {
	s := significant(v)
	if v < 10_000 || strings.ContainsAny(s, "e.I") {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// method says how the latencies were taken.
func (r *Report) method() string {
	i := slices.IndexFunc(r.Rows, func(r Row) bool { return r.Latency.Runs > 0 })
	if i < 0 {
		return ""
	}
	fewest, most, warm := math.MaxInt, 0, r.Rows[i].Latency.Warmup
	for _, row := range r.Rows {
		if n := row.Latency.Runs; n > 0 {
			fewest, most = min(fewest, n), max(most, n)
			warm = min(warm, row.Latency.Warmup)
		}
	}
	runs := fmt.Sprint(fewest)
	if most > fewest {
		runs = fmt.Sprintf("%d to %d", fewest, most)
	}
	return fmt.Sprintf("Latency is the time of one run of the session, inputs and results in host memory: %s timed runs after %d to warm up, "+
		"on inputs that take turns. Percentiles are times that did occur; samples/s is at the median. "+
		"Memory is that of the program: parameters, constants, inputs and the arena of intermediate values.", runs, warm)
}

func (p *page) compare(r *Report) error {
	s, err := sizePlot(cut(r.Rows, maxPlottedRows, "rows in the plot", p))
	if err != nil {
		return err
	}
	p.Compare = appendPlot(p.Compare, section{"Size and latency", s, "Lower left is better."})
	b, err := bitsPlot(cut(r.Bits, maxPlottedBits, "bit widths in the plot", p))
	if err != nil {
		return err
	}
	p.Compare = appendPlot(p.Compare, section{"Accuracy by bit width", b, "ptq: quantized after training. qat: trained on integers."})
	return nil
}

func (p *page) training(r *Report) error {
	curves := cut(r.Curves, maxPlottedCurves, "trainings in the plots", p)
	l, err := lossPlot(curves)
	if err != nil {
		return err
	}
	p.Training = appendPlot(p.Training, section{"Loss", l, "Moving average over a fiftieth of the steps."})
	a, err := accuracyPlot(curves)
	if err != nil {
		return err
	}
	p.Training = appendPlot(p.Training, section{"Accuracy", a, "Top-1 on the validation data after each epoch."})
	return nil
}

func (p *page) sqnr(r *Report) error {
	lo, hi := sqnrRange(r.Tensors)
	for _, k := range []struct {
		weight         bool
		heading, words string
	}{
		{true, "Weights", "Rounding alone."},
		{false, "Activations", "Everything up to there: rounding of inputs, weights and all layers before."},
	} {
		ts := slices.DeleteFunc(slices.Clone(r.Tensors), func(t qat.TensorReport) bool { return t.Weight != k.weight })
		color := series(1)
		if k.weight {
			color = series(0)
		}
		f, err := sqnrPlot(cut(ts, maxBars, "bars of "+strings.ToLower(k.heading), p), lo, hi, color, k.heading+": signal to quantization noise by tensor")
		if err != nil {
			return err
		}
		p.SQNR = appendPlot(p.SQNR, section{k.heading, f, k.words})
	}
	return nil
}

func (p *page) histograms(r *Report) error {
	for _, t := range cut(r.Tensors, maxHistograms, "histograms", p) {
		svg, err := histogramPlot(&t)
		if err != nil {
			return err
		}
		if svg == "" {
			continue
		}
		q := tensorPlot{Name: clean(t.Name), Scheme: clean(t.Scheme), SVG: svg, SQNR: minus(fmt.Sprintf("%.1f dB", t.SQNR))}
		if t.SQNR >= exactSQNR {
			q.SQNR = "exact"
		}
		if c := 100 * clipped(&t); c >= 0.005 {
			q.Clipped = fmt.Sprintf("%.2g %% out of range", c)
		}
		p.Tensors = append(p.Tensors, q)
	}
	return nil
}

// cut returns the first n of a list and tells the page what it left out.
func cut[T any](list []T, n int, what string, p *page) []T {
	if len(list) <= n {
		return list
	}
	p.Left = append(p.Left, fmt.Sprintf("%d of %d %s", n, len(list), what))
	return list[:n]
}

func appendPlot(list []section, s section) []section {
	if s.Plot.SVG == "" {
		return list
	}
	return append(list, s)
}
