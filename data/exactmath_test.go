package data

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExactMath(t *testing.T) {
	for i := range 20001 {
		x := (float64(i) - 10000) / 771
		require.InDelta(t, math.Sin(2*math.Pi*x), sinTurn(x), 2e-14, "sin of %v turns", x)
		require.InDelta(t, math.Cos(2*math.Pi*x), cosTurn(x), 2e-14, "cos of %v turns", x)
		require.InEpsilon(t, math.Exp(x), expOf(x), 2e-15, "exp(%v)", x)
		y := math.Exp(x)
		require.InDelta(t, math.Log(y), logOf(y), 1e-15*(1+math.Abs(x)), "log(%v)", y)
	}
	for i, want := range []float64{0, 1, 0, -1, 0} {
		assert.Equal(t, want, math.Abs(sinTurn(float64(i)/4))*sign(want), "quarter %d", i)
	}
	assert.Zero(t, logOf(1))
	assert.Equal(t, 1.0, expOf(0))
}

func sign(v float64) float64 {
	if v == 0 {
		return 0
	}
	return math.Copysign(1, v)
}

// TestSplitMix has the first values of the generator for seed 1234567, as
// published with its reference implementation.
func TestSplitMix(t *testing.T) {
	s := splitmix(1234567)
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		assert.Equal(t, want, s.next())
	}
	seen := map[int]bool{}
	for range 1000 {
		v := s.between(-2, 3)
		require.True(t, v >= -2 && v <= 3)
		seen[v] = true
	}
	assert.Len(t, seen, 6)
}

func TestShuffleIsUniform(t *testing.T) {
	// 24 orders of 4 elements, 500 draws each expected.
	count := map[[4]int]int{}
	for seed := range uint64(12000) {
		v := [4]int{0, 1, 2, 3}
		shuffle(v[:], mix64(seed))
		count[v]++
	}
	assert.Len(t, count, 24)
	for v, n := range count {
		assert.InDelta(t, 500, n, 110, "%v", v) // 5 deviations
	}
}
