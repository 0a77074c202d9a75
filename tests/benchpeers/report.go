package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// report is everything one run found out; it is kept as JSON.
type report struct {
	// Name of the machine in the document.
	Name    string   `json:"name"`
	Date    string   `json:"date"`
	Command string   `json:"command"`
	Machine []string `json:"machine"`
	// Versions are what the peers say of themselves.
	Versions []string `json:"versions"`
	Rounds   int      `json:"rounds"`
	Window   string   `json:"window"`
	// Fastest: the figure of a round is its fastest run, not the median.
	Fastest bool     `json:"fastest,omitempty"`
	Results []result `json:"results"`
	// Raw are the medians of all rounds by group and series.
	Raw map[string]map[string]measured `json:"raw,omitempty"`
}

// result is one line of the table.
type result struct {
	Work string `json:"work"`
	// Goqat and Peer are the figures, as text.
	Goqat string `json:"goqat"`
	Peer  string `json:"peer"`
	// Ratios are those of the rounds; What they are.
	Ratios  []float64 `json:"ratios,omitempty"`
	What    string    `json:"what,omitempty"`
	Percent bool      `json:"percent,omitempty"`
	Higher  bool      `json:"higher,omitempty"`
	// Must and Aim are bars, nil for none.
	Must *float64 `json:"must,omitempty"`
	Aim  *float64 `json:"aim,omitempty"`
	// Missing says why there are no ratios.
	Missing string `json:"missing,omitempty"`
}

// verdict says whether the median reaches the bars.
func (r *result) verdict() string {
	if len(r.Ratios) == 0 {
		return "**not measured**: " + r.Missing
	}
	m := median(r.Ratios)
	reached := func(bar float64) bool {
		if r.Higher {
			return m >= bar
		}
		return m <= bar
	}
	switch {
	case r.Must != nil && !reached(*r.Must):
		return "**not met**"
	case r.Must != nil && r.Aim == nil:
		return "met"
	case r.Aim == nil:
		return "no bar"
	case reached(*r.Aim):
		return "aim met"
	case r.Must == nil:
		return "aim not met"
	}
	return "met, aim not"
}

// ratio formats one ratio.
func (r *result) ratio(v float64) string {
	if r.Percent {
		return fmt.Sprintf("%.0f %%", 100*v)
	}
	if r.What == "" {
		return digits(v)
	}
	return digits(v) + "×"
}

func (r *result) bar(v *float64) string {
	if v == nil {
		return ""
	}
	text := strconv.FormatFloat(*v, 'f', -1, 64)
	switch {
	case r.Percent:
		text = r.ratio(*v)
	case r.What != "":
		text += "×"
	}
	switch {
	case r.Higher:
		return "≥ " + text
	case *v == 0:
		return text
	}
	return "≤ " + text
}

// spread formats the median ratio with its least and greatest.
func (r *result) spread() string {
	if len(r.Ratios) == 0 {
		return ""
	}
	s := strings.TrimSpace(r.ratio(median(r.Ratios)) + " " + r.What)
	lo, hi := slices.Min(r.Ratios), slices.Max(r.Ratios)
	if len(r.Ratios) == 1 || lo == hi {
		return s
	}
	return fmt.Sprintf("%s (%s to %s)", s, r.ratio(lo), r.ratio(hi))
}

// digits formats v with three significant digits, without an exponent.
func digits(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	places := max(2-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	return strconv.FormatFloat(v, 'f', places, 64)
}

// text formats the median of a series.
func (m *measured) text() string {
	v := median(m.Rounds)
	s := digits(v) + " ms"
	if m.Unit != "" {
		s += fmt.Sprintf(", %s %s", digits(m.Rate/v), m.Unit)
	}
	return s
}

// compare makes the result of a line. ms are the rounds of its group by
// series.
func compare(l line, ms map[string]measured) result {
	r := result{Work: l.work, What: l.what, Percent: l.percent, Higher: l.higher}
	if l.must != 0 {
		r.Must = &l.must
	}
	if l.aim != 0 {
		r.Aim = &l.aim
	}
	ours := ms[l.ours]
	if ours.Error != "" {
		r.Missing = ours.Error
		return r
	}
	r.Goqat = ours.text()
	best, why := "", ""
	for _, id := range l.against {
		m := ms[id]
		if m.Error != "" {
			why = m.Error
		} else if best == "" || median(m.Rounds) < median(ms[best].Rounds) {
			best = id
		}
	}
	if best == "" {
		r.Missing = why
		return r
	}
	m := ms[best]
	r.Peer = m.text() + ", " + best
	if m.Note != "" && !strings.HasPrefix(best, "step/") {
		r.Peer += " (" + m.Note + ")"
	}
	for i := range min(len(ours.Rounds), len(m.Rounds)) {
		v := ours.Rounds[i] / m.Rounds[i]
		if l.higher {
			v = l.factor / v
		}
		r.Ratios = append(r.Ratios, v)
	}
	return r
}
