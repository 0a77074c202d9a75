package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteTable writes the rows, and accuracies by bit width, as aligned text of
// a terminal. Columns that no row fills are left out. Write errors are not
// reported: a table goes to people.
func (r *Report) WriteTable(w io.Writer) {
	t := r.rowTable()
	t.write(w)
	for _, row := range r.Rows {
		if lines := strings.Split(strings.TrimSpace(row.Note), "\n"); len(lines) > 1 {
			fmt.Fprintf(w, "\n%s on %s:\n", clean(row.Model), clean(row.Target))
			for _, l := range lines {
				fmt.Fprintf(w, "  %s\n", clean(l))
			}
		}
	}
	if len(r.Bits) > 0 {
		fmt.Fprintln(w)
		t = r.bitsTable()
		t.write(w)
	}
}

// textTable is a table of text: cells, and which columns are numbers.
type textTable struct {
	head    []string
	numbers []bool
	cells   [][]string
}

// rowTable returns the rows with the columns that have something in them.
func (r *Report) rowTable() textTable {
	columns := []struct {
		head   string
		number bool
		cell   func(Row) string
	}{
		{"model", false, func(r Row) string { return clean(r.Model) }},
		{"target", false, func(r Row) string { return clean(r.Target) }},
		{"accuracy", true, func(r Row) string { return percent(r.Accuracy) }},
		{"batch", true, func(r Row) string {
			if r.Latency.Batch == 1 {
				return absent
			}
			return ifRan(r, strconv.Itoa(r.Latency.Batch))
		}},
		{"p50 ms", true, func(r Row) string { return ifRan(r, significant(r.Latency.P50)) }},
		{"p90 ms", true, func(r Row) string { return ifRan(r, significant(r.Latency.P90)) }},
		{"p99 ms", true, func(r Row) string { return ifRan(r, significant(r.Latency.P99)) }},
		{"samples/s", true, func(r Row) string { return ifRan(r, significant(r.Latency.Throughput)) }},
		{"size", true, func(r Row) string { return size(r.FileBytes) }},
		{"memory", true, func(r Row) string { return size(r.PeakBytes) }},
		{"note", false, func(r Row) string {
			if n := strings.TrimSpace(r.Note); !strings.Contains(n, "\n") {
				return clean(n)
			}
			return "see below"
		}},
	}
	t := textTable{cells: make([][]string, len(r.Rows))}
	for i, c := range columns {
		cells := make([]string, len(r.Rows))
		filled := i < 2
		for j, row := range r.Rows {
			cells[j] = c.cell(row)
			filled = filled || cells[j] != "" && cells[j] != absent
		}
		if !filled {
			continue
		}
		t.head, t.numbers = append(t.head, c.head), append(t.numbers, c.number)
		for j := range cells {
			t.cells[j] = append(t.cells[j], cells[j])
		}
	}
	return t
}

// bitsTable returns one line a width, one column a method.
func (r *Report) bitsTable() textTable {
	widths, methods := bitAxes(r.Bits)
	t := textTable{head: append([]string{"bits"}, methods...), numbers: append([]bool{false}, slices.Repeat([]bool{true}, len(methods))...)}
	for _, w := range widths {
		line := []string{w.label()}
		for _, m := range methods {
			cell := absent
			for _, p := range r.Bits {
				if widthOf(p) == w && clean(p.Method) == m {
					cell = percent(&p.Accuracy)
				}
			}
			line = append(line, cell)
		}
		t.cells = append(t.cells, line)
	}
	return t
}

func (t *textTable) write(w io.Writer) {
	wide := make([]int, len(t.head))
	for _, line := range append([][]string{t.head}, t.cells...) {
		for i, c := range line {
			wide[i] = max(wide[i], utf8.RuneCountInString(c))
		}
	}
	line := func(cells []string) {
		var b strings.Builder
		for i, c := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(c))
			if t.numbers[i] {
				b.WriteString(pad + c)
			} else {
				b.WriteString(c + pad)
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
	line(t.head)
	rule := make([]string, len(wide))
	for i, n := range wide {
		rule[i] = strings.Repeat("-", n)
	}
	line(rule)
	for _, c := range t.cells {
		line(c)
	}
}
