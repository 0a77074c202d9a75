package train_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/train"
)

// workers plays workers that end as told, after training to a step.
type workers struct {
	t     *testing.T
	dir   string
	ends  []error
	steps []int64 // At which a worker stops with its end.
	got   []bool  // resume of each.
}

func (w *workers) run(ctx context.Context, resume bool) error {
	i := len(w.got)
	w.got = append(w.got, resume)
	require.Less(w.t, i, len(w.ends), "one worker too many")
	b, err := backend.Open("cpu")
	require.NoError(w.t, err)
	c := config(4)
	c.SaveEvery = 1
	_, err = train.Fit(ctx, smallModel(w.t), c, train.Options{Backend: b, Train: newBlobs(64), Dir: w.dir, Resume: resume, Callbacks: []train.Callback{&endAt{w.steps[i]}}})
	if errors.Is(err, errEnd) {
		return w.ends[i]
	}
	return err
}

var errEnd = errors.New("end")

// endAt ends a training after a step that is saved already.
type endAt struct{ step int64 }

func (e *endAt) Step(s train.StepInfo) error {
	if s.Step == e.step+1 {
		return errEnd
	}
	return nil
}
func (e *endAt) Epoch(train.EpochInfo) error { return nil }

func TestSupervisorStartsFreshWorkers(t *testing.T) {
	lost := fmt.Errorf("worker: %w", backend.ErrLost)
	w := &workers{t: t, dir: t.TempDir(), ends: []error{lost, lost, lost, lost, lost, nil}, steps: []int64{0, 3, 3, 5, 9, 100}}
	var notes []string
	s := train.Supervisor{Dir: w.dir, Worker: w.run, Note: func(n string) { notes = append(notes, n) }}
	require.NoError(t, s.Run(context.Background()))
	require.Equal(t, []bool{false, true, true, true, true, true}, w.got)
	require.Len(t, notes, 5)
	require.Contains(t, notes[0], "before the first checkpoint")
	require.Contains(t, notes[4], "from the checkpoint of step 9")
}

func TestSupervisorGivesUp(t *testing.T) {
	lost := fmt.Errorf("worker: %w", backend.ErrLost)
	w := &workers{t: t, dir: t.TempDir(), ends: []error{lost, lost, lost, lost, lost}, steps: []int64{2, 2, 2, 2, 2}}
	s := train.Supervisor{Dir: w.dir, Worker: w.run}
	err := s.Run(context.Background())
	require.ErrorIs(t, err, backend.ErrLost)
	require.ErrorContains(t, err, "lost 4 times without a new checkpoint; the work up to step 2")
	require.Len(t, w.got, 4)
}

func TestSupervisorPassesOtherErrorsOn(t *testing.T) {
	other := errors.New("disk full")
	w := &workers{t: t, dir: t.TempDir(), ends: []error{other}, steps: []int64{1}}
	s := train.Supervisor{Dir: w.dir, Worker: w.run}
	require.Same(t, other, s.Run(context.Background()))

	ctx, cancel := context.WithCancel(context.Background())
	s.Worker = func(context.Context, bool) error { cancel(); return backend.ErrLost }
	require.ErrorIs(t, s.Run(ctx), train.ErrInterrupted)
}
