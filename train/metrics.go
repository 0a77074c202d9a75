package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// MetricsFile is the name of the record in the folder of a training: one JSON
// object a line, {"step", "loss", "lr"} for steps and EpochInfo for epochs.
const MetricsFile = "metrics.jsonl"

// metrics appends to the record.
type metrics struct {
	f *os.File
	w *bufio.Writer
}

type stepLine struct {
	Step int64   `json:"step"`
	Loss float64 `json:"loss"`
	Rate float64 `json:"lr"`
}

// openMetrics opens the record and drops what it says about steps after the
// one that the run goes on from.
func openMetrics(dir string, step int64) (*metrics, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	path := filepath.Join(dir, MetricsFile)
	keep, err := linesUpTo(path, step)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if err = f.Truncate(keep); err == nil {
		_, err = f.Seek(keep, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("train: %w", err), f.Close())
	}
	return &metrics{f, bufio.NewWriter(f)}, nil
}

// linesUpTo returns the length of the part of the file with whole lines about
// steps up to step.
func linesUpTo(path string, step int64) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var n int64
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil { // The end, a torn line, or one that is not ours.
			return n, nil
		}
		var l stepLine
		if json.Unmarshal(line, &l) != nil || l.Step > step || step == 0 {
			return n, nil
		}
		n += int64(len(line))
	}
}

func (m *metrics) write(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = m.w.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("train: write %s: %w", m.f.Name(), err)
	}
	return nil
}

// Step records a step.
func (m *metrics) Step(s StepInfo) error { return m.write(stepLine{s.Step, s.Loss, s.Rate}) }

// Epoch records an epoch.
func (m *metrics) Epoch(e EpochInfo) error {
	if err := m.write(e); err != nil {
		return err
	}
	return m.flush()
}

// flush writes what is buffered; a checkpoint never knows of steps that the
// record does not have.
func (m *metrics) flush() error {
	if err := m.w.Flush(); err != nil {
		return fmt.Errorf("train: write %s: %w", m.f.Name(), err)
	}
	return nil
}

// Close writes what is left.
func (m *metrics) Close() error { return errors.Join(m.w.Flush(), m.f.Close()) }
