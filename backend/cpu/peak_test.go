package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPeakRate looks for a unit at every cap: none in portable Go, and one of
// an instruction set that the cap allows.
func TestPeakRate(t *testing.T) {
	before := MaxISA()
	defer func() { require.NoError(t, SetMaxISA(before)) }()
	_, _, ok := PeakRate("a kind of nothing")
	require.False(t, ok)
	allowed := map[string]bool{}
	for _, s := range InstructionSets() {
		if !s.Usable || s.Masked {
			continue
		}
		allowed[s.Name] = true
		require.NoError(t, SetMaxISA(s.Name))
		for _, kind := range []string{PeakFloat32, PeakInt8, PeakBFloat16} {
			rate, name, ok := PeakRate(kind)
			require.Equal(t, ok, rate > 0, "%s up to %s", kind, s.Name)
			if ok {
				require.True(t, allowed[name], "%s up to %s: %s", kind, s.Name, name)
				require.NotEqual(t, "portable", name)
			}
		}
		require.NoError(t, SetMaxISA(before))
	}
}
