package data

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goqat/goqat/tensor"
)

const (
	maxCSV      = 1 << 30
	maxCSVField = 1 << 12
)

// CSVError says where a CSV file is wrong; it is wrapped together with [ErrData].
type CSVError struct {
	Line, Column int // from 1; Column counts fields
	Reason       string
}

func (e *CSVError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// csvFields cuts a CSV text (RFC 4180) in fields without keeping any.
type csvFields struct {
	rest   []byte
	line   int // of the next field
	column int // of the next field, from 1
	buf    []byte
}

// next returns the next field and whether it is the last of its row. The field
// is valid until the next call.
func (c *csvFields) next() (field []byte, last bool, err error) {
	if len(c.rest) > 0 && c.rest[0] == '"' {
		return c.quoted()
	}
	n := bytes.IndexAny(c.rest, ",\n")
	if n < 0 {
		n = len(c.rest)
	}
	field = c.rest[:n]
	if bytes.IndexByte(field, '"') >= 0 {
		return nil, false, c.fail("a quote inside a field; put the whole field in quotes")
	}
	return c.take(field, n)
}

func (c *csvFields) quoted() ([]byte, bool, error) {
	c.buf = c.buf[:0]
	i := 1
	for {
		n := bytes.IndexByte(c.rest[i:], '"')
		if n < 0 {
			return nil, false, c.fail("a quoted field without an end")
		}
		c.buf = append(c.buf, c.rest[i:i+n]...)
		if len(c.buf) > maxCSVField {
			return nil, false, c.fail("a field over " + strconv.Itoa(maxCSVField) + " bytes")
		}
		i += n + 1
		if i == len(c.rest) || c.rest[i] != '"' {
			break
		}
		c.buf = append(c.buf, '"')
		i++
	}
	if end := c.rest[i:]; len(end) > 0 && end[0] != ',' && end[0] != '\n' && !bytes.HasPrefix(end, []byte("\r\n")) {
		return nil, false, c.fail("text after a quoted field")
	}
	c.line += bytes.Count(c.rest[:i], []byte("\n"))
	n := i
	if bytes.HasPrefix(c.rest[i:], []byte("\r\n")) {
		n++
	}
	return c.take(c.buf, n)
}

// take steps over a field of n bytes and its separator.
func (c *csvFields) take(field []byte, n int) ([]byte, bool, error) {
	if len(field) > maxCSVField {
		return nil, false, c.fail("a field over " + strconv.Itoa(maxCSVField) + " bytes")
	}
	last := n == len(c.rest) || c.rest[n] == '\n'
	c.rest = c.rest[min(n+1, len(c.rest)):]
	c.column++
	if last {
		c.line++
		c.column = 1
	}
	return bytes.TrimSpace(field), last, nil
}

func (c *csvFields) fail(reason string) error { return &CSVError{c.line, c.column, reason} }

// skipBlank steps over empty lines and reports whether anything is left.
func (c *csvFields) skipBlank() bool {
	for len(c.rest) > 0 {
		n := 0
		if c.rest[0] == '\r' {
			n = 1
		}
		if n == len(c.rest) {
			c.rest = nil
		} else if c.rest[n] == '\n' {
			c.rest = c.rest[n+1:]
			c.line++
		} else {
			return true
		}
	}
	return false
}

// csvTable is what a CSV text holds: features [rows, columns-1], one label a
// row, and the different labels in the order they came.
type csvTable struct {
	columns int
	x       []float32
	labels  []int32 // index in names
	names   []string
}

// parseCSV reads a table of numbers with one column of labels: the one that the
// header calls "label", or else the last. A first row with a feature that is not
// a number is a header, and so is one whose last field is "label".
func parseCSV(text []byte) (*csvTable, error) {
	if len(text) > 0 && bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		text = text[3:]
	}
	c := &csvFields{rest: text, line: 1, column: 1}
	if !c.skipBlank() {
		return nil, errors.New("the file is empty")
	}
	start := *c
	start.buf = nil
	columns, labelColumn, header, err := csvHead(c)
	if err != nil {
		return nil, err
	}
	if columns < 2 {
		return nil, &CSVError{start.line, 1, "one column only; a row needs features and a label, separated by commas"}
	}
	if !header {
		*c = start
	}
	// Every value but the last has a separator after it.
	most := bytes.Count(c.rest, []byte(",")) + bytes.Count(c.rest, []byte("\n")) + 1
	t := &csvTable{columns: columns, x: make([]float32, 0, most)}
	known := map[string]int32{}
	for c.skipBlank() {
		if err := t.row(c, labelColumn, known); err != nil {
			return nil, err
		}
	}
	if len(t.labels) == 0 {
		return nil, errors.New("there is no row but the header")
	}
	return t, nil
}

// csvHead reads the first row.
func csvHead(c *csvFields) (columns, labelColumn int, header bool, err error) {
	labelColumn = -1
	for last := false; !last; {
		var f []byte
		at := *c
		if f, last, err = c.next(); err != nil {
			return 0, 0, false, err
		}
		named := strings.EqualFold(string(f), "label")
		if named {
			if labelColumn >= 0 {
				return 0, 0, false, at.fail("two columns are called label")
			}
			labelColumn, header = columns, true
		} else if _, e := strconv.ParseFloat(string(f), 32); !last && errors.Is(e, strconv.ErrSyntax) && len(f) > 0 {
			header = true
		}
		columns++
	}
	if labelColumn < 0 {
		labelColumn = columns - 1
	}
	return columns, labelColumn, header, nil
}

// row appends one row.
func (t *csvTable) row(c *csvFields, labelColumn int, known map[string]int32) error {
	line := c.line
	for k := 0; ; k++ {
		if k == t.columns {
			return &CSVError{line, k + 1, fmt.Sprintf("more than the %d columns of the first row", t.columns)}
		}
		at := *c
		f, last, err := c.next()
		if err != nil {
			return err
		}
		if k == labelColumn {
			label, ok := known[string(f)]
			if !ok {
				if len(f) == 0 || !utf8.Valid(f) {
					return at.fail("the label is empty or not UTF-8")
				}
				if len(known) == MaxClasses {
					return at.fail(fmt.Sprintf("over %d different labels; are they classes?", MaxClasses))
				}
				label = int32(len(t.names))
				t.names = append(t.names, string(f))
				known[string(f)] = label
			}
			t.labels = append(t.labels, label)
		} else {
			v, err := strconv.ParseFloat(string(f), 32)
			switch {
			case err != nil:
				return at.fail(fmt.Sprintf("%.40q is not a number that float32 can hold", f))
			case v-v != 0:
				return at.fail(fmt.Sprintf("%s; remove the row or replace the value", f))
			}
			t.x = append(t.x, float32(v))
		}
		if last {
			if k+1 != t.columns {
				return &CSVError{line, k + 1, fmt.Sprintf("the row ends here; the first one has %d columns", t.columns)}
			}
			return nil
		}
	}
}

// classesOf orders the different labels, by value when all are whole numbers and
// by their bytes otherwise, and returns the new number of each.
func classesOf(labels []string) (number []int32, names []string, err error) {
	value := make([]float64, len(labels))
	numeric, whole := true, ""
	for i, l := range labels {
		v, err := strconv.ParseFloat(l, 64)
		numeric = numeric && err == nil
		if v != math.Trunc(v) {
			whole = l
		}
		value[i] = v
	}
	if numeric && whole != "" {
		return nil, nil, fmt.Errorf("label %s is not a class; labels are whole numbers or names", whole)
	}
	order := make([]int, len(labels))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if numeric && value[a] != value[b] {
			return cmp.Compare(value[a], value[b])
		}
		return strings.Compare(labels[a], labels[b])
	})
	number = make([]int32, len(labels))
	for k, i := range order {
		if k > 0 && numeric && value[i] == value[order[k-1]] {
			return nil, nil, fmt.Errorf("labels %s and %s are one number written in two ways", labels[order[k-1]], labels[i])
		}
		number[i] = int32(k)
		names = append(names, labels[i])
	}
	return number, names, nil
}

func openCSV(_ context.Context, path string, opt *Options) (*Splits, error) {
	text, err := readFile(path, maxCSV)
	if err != nil {
		return nil, err
	}
	t, err := parseCSV(text)
	if err != nil {
		return nil, badData(path, "%w", err)
	}
	number, names, err := classesOf(t.names)
	if err != nil {
		return nil, badData(path, "%w", err)
	}
	y := t.labels
	for i, l := range y {
		y[i] = number[l]
	}
	m := meta{tensor.Shape{t.columns - 1}, len(names), names}
	return splitOne(&table{meta: m, x: t.x, labels: y}, y, path, opt)
}
