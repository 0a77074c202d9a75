package qat

import (
	"slices"

	"github.com/goqat/goqat/graph"
)

// Phases returns the modes of a training of the given number of steps, the
// first from step 0.
func (c *Config) Phases(steps int64) []graph.Phase {
	run := graph.QuantizeInteger
	if c.FloatPath {
		run = graph.QuantizeFloat
	}
	backward := c.backward()
	at := func(f float64) int64 { return int64(f * float64(steps)) }
	mode := func(step int64) graph.Mode {
		m := graph.Mode{Train: true, Quantize: run, Ranges: graph.RangesObserve, Backward: backward}
		s := c.Schedule
		if step < at(s.Start) {
			m.Quantize = graph.QuantizeOff
		}
		if s.FreezeRanges > 0 && step >= at(s.FreezeRanges) {
			m.Ranges = graph.RangesFrozen
		}
		m.FreezeBN = s.FreezeBN > 0 && step >= at(s.FreezeBN)
		return m
	}
	changes := []int64{at(c.Schedule.Start), at(c.Schedule.FreezeRanges), at(c.Schedule.FreezeBN)}
	slices.Sort(changes)
	ps := []graph.Phase{{From: 0, Mode: mode(0)}}
	for _, step := range changes {
		if m := mode(step); step > 0 && m != ps[len(ps)-1].Mode {
			ps = append(ps, graph.Phase{From: step, Mode: m})
		}
	}
	return ps
}

// EvalMode returns the mode of the prepared model in use: the deployed
// integers, or their float reference.
func (c *Config) EvalMode() graph.Mode {
	if c.FloatPath {
		return graph.Mode{Quantize: graph.QuantizeFloat}
	}
	return graph.Eval
}
