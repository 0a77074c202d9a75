package main

import (
	"context"
	"encoding/json"
	"os"
	"strings"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/qat"
	"github.com/goqat/goqat/train"
)

// curve is a training on integers from the first step on, under one
// precision of the backward pass.
type curve struct {
	Seed     uint64    `json:"seed"`
	Backward string    `json:"backward"`
	Loss     []float64 `json:"loss"` // Means of each eighth of an epoch.
	Accuracy float64   `json:"accuracy"`
}

// backwards trains the cnn anew under each precision: same weights at the
// start, same batches, so that what differs is the rounding of gradients.
func backwards(ctx context.Context, set *data.Splits, b backend.Backend, seed uint64, names string, epochs int) error {
	for _, name := range strings.Split(names, ",") {
		g, err := nn.Build("cnn", set.Train.Shape(), set.Train.Classes(), seed)
		if err != nil {
			return err
		}
		qc := qat.Default()
		qc.Backward = name
		if err := qc.Validate(); err != nil {
			return err
		}
		p, err := qat.Prepare(g, qc)
		if err != nil {
			return err
		}
		state, err := qat.Calibrate(ctx, p, set.Train, qat.DataOptions{Backend: b, Samples: 1024})
		if err != nil {
			return err
		}
		c := train.DefaultConfig()
		c.Seed, c.Epochs = seed, epochs
		steps := int64(c.Epochs * (set.Train.Len() / c.Batch))
		m := &means{every: steps / int64(8*epochs)}
		if _, err := train.Fit(ctx, p, c, train.Options{State: state, Train: set.Train, Phases: qc.Phases(steps), EvalMode: graph.Eval, Callbacks: []train.Callback{m}}); err != nil {
			return err
		}
		v, err := train.Evaluate(ctx, p, set.Val, train.EvalOptions{State: state, Mode: graph.Eval})
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(curve{seed, name, m.loss, v.Accuracy}); err != nil {
			return err
		}
	}
	return nil
}

// means averages the loss over equal numbers of steps.
type means struct {
	every, n int64
	sum      float64
	loss     []float64
}

// Step adds the loss of a step.
func (m *means) Step(s train.StepInfo) error {
	m.sum += s.Loss
	if m.n++; m.n == m.every {
		m.loss = append(m.loss, m.sum/float64(m.n))
		m.sum, m.n = 0, 0
	}
	return nil
}

// Epoch does nothing.
func (*means) Epoch(train.EpochInfo) error { return nil }
