//go:build cuda && !race

// The race detector allocates in steps that otherwise do not.

package gpu

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/internal/cudasim"
	"github.com/goqat/goqat/train"
)

// mallocs notes how many allocations the process has made before every step.
type mallocs struct{ at []uint64 }

func (m *mallocs) Step(train.StepInfo) error {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	m.at = append(m.at, s.Mallocs)
	return nil
}
func (*mallocs) Epoch(train.EpochInfo) error { return nil }

// dots are samples that are made without allocations.
type dots struct{ blobs }

func (dots) Sample(i int, x []float32) (int32, error) {
	clear(x)
	x[i%len(x)] = 1
	return int32(i % 4), nil
}

// TestRanksAllocateNothing: the steps of two devices, of which the first are
// run by operations and the others recorded.
func TestRanksAllocateNothing(t *testing.T) {
	const steps, first = 24, 6
	phases := []graph.Phase{{Mode: graph.Mode{Train: true, Quantize: graph.QuantizeInteger, Ranges: graph.RangesObserve}}}
	for name, o := range map[string]train.Options{"float": {}, "integers": {Phases: phases}} {
		for _, recorded := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				if !recorded {
					t.Setenv("GOQAT_GPU_GRAPH", "0")
				}
				bs := simDevices(t, 2)
				c := smallConfig()
				c.Epochs, c.SaveEvery, c.Batch = 1, 0, 8
				m := &mallocs{at: make([]uint64, 0, steps)}
				o := o
				o.Train, o.Callbacks = dots{blobs{steps * c.Batch, -1}}, []train.Callback{m}
				c = ranked(bs, c, &o)
				_, err := train.Fit(t.Context(), rankModel(t, o.Phases != nil), c, o)
				require.NoError(t, err)
				require.Len(t, m.at, steps)
				require.Equal(t, recorded, cudasim.Count().GraphLaunches > 0)
				// As testing.AllocsPerRun: what the runtime does beside counts for
				// less than one a step.
				require.Zero(t, (m.at[steps-2]-m.at[first])/(steps-2-first))
			})
		}
	}
}
