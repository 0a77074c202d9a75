package train

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train/checkpoint"
)

// CheckpointDir is the folder of checkpoints in the folder of a training.
func CheckpointDir(dir string) string { return filepath.Join(dir, "checkpoint") }

// progress is the part of a checkpoint that is not a tensor.
type progress struct {
	Config  Config      `json:"config"`
	Samples int         `json:"samples"`
	Step    int64       `json:"step"`
	LossSum float64     `json:"loss_sum"`
	History []EpochInfo `json:"history"`
	// Best is a bit pattern: JSON has no infinity.
	Best   uint64 `json:"best_bits"`
	BestAt int    `json:"best_at"`
	Phases string `json:"phases"`
	// MicroBatch is the number of samples computed at a time, 0 for the whole
	// batch: a run that goes on adds gradients in the same order.
	MicroBatch int `json:"micro_batch,omitempty"`
}

const keepPrefix = "keep."

// save writes a checkpoint if the training has a folder.
func (t *trainer) save(ctx context.Context) error {
	if t.o.Dir == "" {
		return nil
	}
	if err := t.record.flush(); err != nil {
		return err
	}
	p := progress{t.c, t.o.Train.Len(), t.step, t.lossSum, t.history, math.Float64bits(t.best), t.bestAt, t.phasesHash(), t.micro % (t.c.Batch / t.c.ranks())}
	meta, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("train: checkpoint: %w", err)
	}
	s := &checkpoint.State{Step: t.step, Meta: meta}
	for _, name := range t.state.Names() {
		if strings.HasPrefix(name, gradPrefix) {
			continue
		}
		x, err := t.state.Read(ctx, name)
		if err != nil {
			return fmt.Errorf("train: checkpoint: %w", err)
		}
		if err := t.checkRanks(ctx, name, x); err != nil {
			return err
		}
		s.Tensors = append(s.Tensors, checkpoint.Named{Name: name, Tensor: x})
		if k := t.keep[name]; k != nil {
			s.Tensors = append(s.Tensors, checkpoint.Named{Name: keepPrefix + name, Tensor: k})
		}
	}
	if err := checkpoint.Save(ctx, CheckpointDir(t.o.Dir), s); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

func (t *trainer) phasesHash() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%v", t.o.Phases))
	return hex.EncodeToString(h[:8])
}

// resume puts the trainer where the newest checkpoint was. A folder without
// one starts from the beginning.
func (t *trainer) resume(ctx context.Context) (warnings []string, err error) {
	if t.o.Dir == "" {
		return nil, fmt.Errorf("train: resume needs a folder")
	}
	s, err := checkpoint.Load(CheckpointDir(t.o.Dir))
	if errors.Is(err, checkpoint.ErrNotFound) {
		return []string{"no checkpoint to resume from: starting from the beginning"}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("train: resume: %w", err)
	}
	var p progress
	if err := json.Unmarshal(s.Meta, &p); err != nil {
		return nil, fmt.Errorf("train: resume: checkpoint of step %d: %w", s.Step, err)
	}
	if p.Phases != t.phasesHash() || p.Samples != t.o.Train.Len() || !sameConfig(p.Config, t.c) {
		return nil, fmt.Errorf("train: resume: the checkpoint in %s was made with other settings or data: repeat them, or train into another folder", CheckpointDir(t.o.Dir))
	}
	// Compile first, so that tensors of another model are found out by type.
	t.step = p.Step
	if m := p.MicroBatch; m > 0 && t.c.Batch/t.c.ranks()%m == 0 {
		t.micro = m
	}
	if t.step < t.total {
		if err := t.enterPhase(ctx); err != nil {
			return nil, err
		}
	}
	for _, n := range s.Tensors {
		if len(n.Name) > len(keepPrefix) && n.Name[:len(keepPrefix)] == keepPrefix {
			if t.keep == nil {
				t.keep = map[string]*tensor.Tensor{}
			}
			t.keep[n.Name[len(keepPrefix):]] = n.Tensor
			continue
		}
		if err := t.write(ctx, n.Name, n.Tensor); err != nil {
			return nil, fmt.Errorf("train: resume: the checkpoint is of another model: %w", err)
		}
	}
	t.lossSum, t.history, t.best, t.bestAt = p.LossSum, p.History, math.Float64frombits(p.Best), p.BestAt
	if err := t.loader.Seek(data.Position{Epoch: int(t.step / t.perEp), Step: int(t.step % t.perEp)}); err != nil {
		return nil, fmt.Errorf("train: resume: %w", err)
	}
	return s.Warnings, nil
}

// sameConfig compares all that decides the bits of the result.
func sameConfig(a, b Config) bool {
	a.SaveEvery, b.SaveEvery = 0, 0
	x, errA := json.Marshal(a)
	y, errB := json.Marshal(b)
	return errA == nil && errB == nil && string(x) == string(y)
}
