package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// absent stands for a figure that was not measured.
const absent = "-"

func ifRan(r Row, s string) string {
	if r.Latency.Runs == 0 {
		return absent
	}
	return s
}

// percent returns a fraction as "98.13 %".
func percent(v *float64) string {
	if v == nil {
		return absent
	}
	return strconv.FormatFloat(100**v, 'f', 2, 64) + " %"
}

// significant returns v with three digits that count, all of them when there
// are more before the point.
func significant(v float64) string {
	if v == 0 {
		return "0"
	}
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) >= 1e15 || math.Abs(v) < 1e-6 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	return strconv.FormatFloat(v, 'f', min(max(digits, 0), 8), 64)
}

// size returns bytes in binary units.
func size(n int64) string {
	switch {
	case n <= 0:
		return absent
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.2f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
}

// clean returns s as one line without control characters, which would break
// the table of a terminal, and without the characters that XML does not have.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == 0xFFFE || r == 0xFFFF || unicode.Is(unicode.C, r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	return strings.TrimSpace(s)
}

// shorten cuts the middle out of names longer than n characters.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	head := (n - 1) / 2
	return string(r[:head]) + "…" + string(r[len(r)-(n-1-head):])
}

// width is a pair of bit widths.
type width struct{ weights, activations int }

func widthOf(p BitsPoint) width { return width{p.Weights, p.Activations} }

// label returns the form "W8A8"; 32 bits are the float model.
func (w width) label() string {
	if w.weights >= 32 && w.activations >= 32 {
		return "float32"
	}
	return fmt.Sprintf("W%dA%d", w.weights, w.activations)
}

// bitAxes returns the widths, widest first, and the methods: float, ptq, qat,
// then others by name.
func bitAxes(bits []BitsPoint) ([]width, []string) {
	var widths []width
	var methods []string
	for _, p := range bits {
		widths, methods = append(widths, widthOf(p)), append(methods, clean(p.Method))
	}
	slices.SortFunc(widths, func(a, b width) int {
		return cmp.Or(cmp.Compare(b.weights, a.weights), cmp.Compare(b.activations, a.activations))
	})
	rank := func(m string) int {
		if i := slices.Index([]string{"float", "ptq", "qat"}, m); i >= 0 {
			return i
		}
		return 3
	}
	slices.SortFunc(methods, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })
	return slices.Compact(widths), slices.Compact(methods)
}
