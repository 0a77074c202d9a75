package main

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
)

// scripted is a series that writes down what is asked of it.
type scripted struct {
	name   string
	log    *[]string
	rounds [][]float64
	fails  map[string]error
	next   int
}

func (s *scripted) prepare(context.Context) (measured, error) {
	*s.log = append(*s.log, s.name+" prepare")
	return measured{Note: "note of " + s.name}, s.fails["prepare"]
}

func (s *scripted) times(context.Context, window) ([]float64, error) {
	*s.log = append(*s.log, s.name)
	if s.next++; s.fails["times"] != nil {
		return nil, s.fails["times"]
	}
	return s.rounds[s.next-1], nil
}

func (s *scripted) release() { *s.log = append(*s.log, s.name+" release") }

func TestRoundsAreInTurns(t *testing.T) {
	var log []string
	a := &scripted{name: "a", log: &log, rounds: [][]float64{{3, 1, 2}, {4, 4}, {9}}}
	b := &scripted{name: "b", log: &log, rounds: [][]float64{{1}, {2}, {1, 2, 3, 10}}}
	ms, err := measure(t.Context(), []series{a, b}, 3, window{})
	require.NoError(t, err)
	assert.Equal(t, []string{"a prepare", "b prepare", "a", "b", "b", "a", "a", "b", "a release", "b release"}, log)
	assert.Equal(t, []measured{{Note: "note of a", Rounds: []float64{2, 4, 9}}, {Note: "note of b", Rounds: []float64{1, 2, 2.5}}}, ms)
}

// TestWhatAPeerCannot leaves one series out and goes on with the others;
// another error ends it all.
func TestWhatAPeerCannot(t *testing.T) {
	cannot := errors.Join(errPeer, errors.New("no such kernel"))
	for _, when := range []string{"prepare", "times"} {
		var log []string
		a := &scripted{name: "a", log: &log, rounds: [][]float64{{1}, {2}}}
		b := &scripted{name: "b", log: &log, fails: map[string]error{when: cannot}}
		ms, err := measure(t.Context(), []series{b, a}, 2, window{})
		require.NoError(t, err)
		assert.Equal(t, []float64{1, 2}, ms[1].Rounds)
		assert.Contains(t, ms[0].Error, "no such kernel")
		assert.Empty(t, ms[0].Rounds)
		b.fails[when] = errors.New("broken")
		log = nil
		_, err = measure(t.Context(), []series{b, a}, 2, window{})
		require.EqualError(t, err, "broken")
		assert.Contains(t, log, "a release")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var log []string
	_, err := measure(ctx, []series{&scripted{name: "a", log: &log}}, 2, window{})
	require.ErrorIs(t, err, context.Canceled)
}

// TestOwnFigures restores threads and instruction set after each use.
func TestOwnFigures(t *testing.T) {
	b, err := backend.Open("cpu")
	require.NoError(t, err)
	defer b.Close()
	before, isa := runtime.GOMAXPROCS(0), cpu.ISA()
	o := &own{b: b, figure: "gemm/s8/1024", isa: "portable", threads: before + 1}
	m, err := o.prepare(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "portable", m.Note)
	assert.Equal(t, "GOP/s", m.Unit)
	assert.InDelta(t, 2*1.024*1.024*1.024*1000, m.Rate, 1e-6)
	run := &own{b: b, figure: "gemm/f32/512/nt", threads: 1}
	_, err = run.prepare(t.Context())
	require.NoError(t, err)
	ts, err := run.times(t.Context(), window{warmup: -1, time: 1, minRuns: 1, maxRuns: 1})
	require.NoError(t, err)
	assert.Len(t, ts, 1)
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
	assert.Equal(t, isa, cpu.ISA())
	o.isa = "none such"
	_, err = o.prepare(t.Context())
	require.Error(t, err)
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
}

func TestFigureOfARound(t *testing.T) {
	assert.Equal(t, 5.0, window{}.figure([]float64{9, 1, 5}))
	assert.Equal(t, 1.0, window{fastest: true}.figure([]float64{9, 1, 5}))
	assert.Zero(t, window{fastest: true}.figure(nil))
}

func TestMedian(t *testing.T) {
	v := []float64{9, 1, 5}
	assert.Equal(t, 5.0, median(v))
	assert.Equal(t, []float64{9, 1, 5}, v)
	assert.Equal(t, 3.0, median([]float64{5, 1, 9, 1}))
	assert.Zero(t, median(nil))
}
