package train_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/data"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/train"
)

// stepLosses keeps the loss of every step.
type stepLosses []float64

func (l *stepLosses) Step(i train.StepInfo) error {
	*l = append(*l, i.Loss)
	return nil
}

func (*stepLosses) Epoch(train.EpochInfo) error { return nil }

// TestStepIsThatOfFit runs single steps on the batches of Fit and gets its
// losses, bit for bit.
func TestStepIsThatOfFit(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Epochs, c.Batch, c.LR, c.Schedule = 1, 16, 0.1, train.Schedule{Name: "constant"}
	d := newBlobs(100)
	var want stepLosses
	_, err = train.Fit(t.Context(), smallModel(t), c, train.Options{Backend: b, Train: d, Callbacks: []train.Callback{&want}})
	require.NoError(t, err)
	require.Len(t, want, 6)

	s, err := train.CompileStep(t.Context(), smallModel(t), c, graph.Mode{Train: true}, program.NewState(b))
	require.NoError(t, err)
	require.Positive(t, s.Program().Memory().Total())
	l, err := data.NewLoader(d, data.LoaderOptions{Batch: c.Batch, Shuffle: true, Seed: c.Seed, DropLast: true})
	require.NoError(t, err)
	defer l.Close()
	var got stepLosses
	for range want {
		batch, err := l.Next(t.Context())
		require.NoError(t, err)
		loss, err := s.Run(t.Context(), batch, c.LR)
		require.NoError(t, err)
		got = append(got, loss)
	}
	require.Equal(t, want, got)
}

func TestCompileStepRefuses(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Distill = 0.5
	_, err = train.CompileStep(t.Context(), smallModel(t), c, graph.Mode{Train: true}, program.NewState(b))
	require.ErrorIs(t, err, train.ErrConfig)
	c = train.DefaultConfig()
	c.Batch = 0
	_, err = train.CompileStep(t.Context(), smallModel(t), c, graph.Mode{Train: true}, program.NewState(b))
	require.ErrorIs(t, err, train.ErrConfig)
}
