package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/goqat/goqat/train"
)

// progress shows a training: a bar on a terminal, a line an epoch elsewhere.
type progress struct {
	a    *app
	name string
	bar  *progressbar.ProgressBar
	// losses are the losses of the steps, for the report.
	losses []float64
	rate   []float64
}

func newProgress(a *app, name string) *progress { return &progress{a: a, name: name} }

// Step moves the bar.
func (p *progress) Step(s train.StepInfo) error {
	p.losses = append(p.losses, s.Loss)
	p.rate = append(p.rate, s.Rate)
	if !p.a.terminal() {
		return nil
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions64(s.Total, progressbar.OptionSetWriter(p.a.err), progressbar.OptionSetDescription(p.name),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("step"), progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	}
	p.bar.Describe(fmt.Sprintf("%s, loss %.4f", p.name, s.Loss))
	return p.bar.Set64(s.Step)
}

// Epoch prints a line.
func (p *progress) Epoch(e train.EpochInfo) error {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	line := fmt.Sprintf("%s: epoch %d, step %d, loss %.4f", p.name, e.Epoch, e.Step, e.Loss)
	if e.ValLoss != 0 || e.Accuracy != 0 {
		line += fmt.Sprintf(", validation loss %.4f, accuracy %.2f %%", e.ValLoss, 100*e.Accuracy)
	}
	p.a.note("%s [%s]", line, e.Phase)
	return nil
}
