package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/goqat/goqat/internal/durable"
)

// ErrReport is the cause when a file is not a report.
var ErrReport = errors.New("bad report")

// maxReport bounds the JSON of a report.
const maxReport = 64 << 20

// WriteFiles writes the report as a page and as JSON; an empty path leaves
// one out. Each file is replaced at once or not at all.
func (r *Report) WriteFiles(htmlPath, jsonPath string) error {
	if htmlPath != "" {
		if err := durable.WriteOS(htmlPath, r.WriteHTML); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	if jsonPath != "" {
		if err := durable.WriteOS(jsonPath, r.WriteJSON); err != nil {
			return fmt.Errorf("bench: %w", err)
		}
	}
	return nil
}

// WriteJSON writes the report as indented JSON, which [ReadJSON] reads. A
// number that is not finite has no JSON and is an error.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("bench: write report: %w", err)
	}
	return nil
}

// ReadJSON reads a report of at most 64 MiB. It refuses what no measurement
// can be: the error, [ErrReport], lists every fault.
func ReadJSON(r io.Reader) (*Report, error) { return readJSON(r, maxReport) }

func readJSON(rd io.Reader, limit int) (*Report, error) {
	b, err := io.ReadAll(io.LimitReader(rd, int64(limit)+1))
	if err != nil {
		return nil, fmt.Errorf("bench: read report: %w", err)
	}
	if len(b) > limit {
		return nil, fmt.Errorf("bench: %w: over %d bytes", ErrReport, limit)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	r := &Report{}
	if err := d.Decode(r); err != nil {
		return nil, fmt.Errorf("bench: %w: %w", ErrReport, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("bench: %w: more after its end", ErrReport)
	}
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("bench: %w:\n%w", ErrReport, err)
	}
	return r, nil
}

// validate returns all faults of r, joined.
func (r *Report) validate() error {
	var errs []error
	bad := func(format string, a ...any) { errs = append(errs, fmt.Errorf(format, a...)) }
	fraction := func(v float64) bool { return v >= 0 && v <= 1 }
	for i, row := range r.Rows {
		l := row.Latency
		if row.Accuracy != nil && !fraction(*row.Accuracy) {
			bad("rows[%d]: accuracy %v is not between 0 and 1", i, *row.Accuracy)
		}
		if row.FileBytes < 0 || row.PeakBytes < 0 || l.Batch < 0 || l.Warmup < 0 || l.Runs < 0 {
			bad("rows[%d]: a count is negative", i)
		}
		if !(l.P50 >= 0 && l.P90 >= l.P50 && l.P99 >= l.P90 && l.Mean >= 0 && l.Throughput >= 0) {
			bad("rows[%d]: latencies %v, %v, %v ms do not rise from 0", i, l.P50, l.P90, l.P99)
		}
	}
	for i, p := range r.Bits {
		if p.Weights < 1 || p.Activations < 1 || !fraction(p.Accuracy) {
			bad("bits[%d]: W%dA%d with accuracy %v", i, p.Weights, p.Activations, p.Accuracy)
		}
	}
	for i, c := range r.Curves {
		for _, e := range c.Epochs {
			if e.Epoch < 0 || e.Step < 0 || !fraction(e.Accuracy) {
				bad("curves[%d]: epoch %d at step %d with accuracy %v", i, e.Epoch, e.Step, e.Accuracy)
				break
			}
		}
	}
	for i, t := range r.Tensors {
		if t.Min > t.Max || t.Lo > t.Hi {
			bad("tensors[%d]: ranges [%v, %v] and [%v, %v]", i, t.Min, t.Max, t.Lo, t.Hi)
		}
		for _, n := range t.Counts {
			if n < 0 || n > math.MaxInt32 {
				bad("tensors[%d]: a count of %d", i, n)
				break
			}
		}
	}
	const most = 20 // A message of a thousand lines helps nobody.
	if len(errs) > most {
		errs = append(errs[:most], fmt.Errorf("and %d more", len(errs)-most))
	}
	return errors.Join(errs...)
}
