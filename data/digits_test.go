package data

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDigitsGolden: the bytes of the set may never change, on any machine.
func TestDigitsGolden(t *testing.T) {
	s, err := Open(t.Context(), "digits", Options{Normalize: true})
	require.NoError(t, err)
	h := sha256.New()
	for _, d := range []Dataset{s.Train, s.Val} {
		p, ok := d.(*pixels)
		require.True(t, ok)
		h.Write(p.pix)
		count := make([]int, 10)
		for _, l := range p.labels {
			count[l]++
		}
		for _, n := range count {
			assert.Equal(t, len(p.labels)/10, n, "classes are balanced")
		}
	}
	assert.Equal(t, "2d42999a62e94537a28d44ebb0e1162489271307e5e796d5bbfec86b5b112beb", hex.EncodeToString(h.Sum(nil)))

	train, ok := s.Train.(*pixels)
	require.True(t, ok)
	index := make([]int32, train.Len())
	for i := range index {
		index[i] = int32(i)
	}
	mean, std := train.stats(index)
	assert.InDelta(t, digitsMean, mean[0], 0.002)
	assert.InDelta(t, digitsStd, std[0], 0.002)
}

// TestDigitsOrderDoesNotMatter: a sample depends on its number only, not on what
// its canvas drew before.
func TestDigitsOrderDoesNotMatter(t *testing.T) {
	var used, clean canvas
	a, b := make([]uint8, 784), make([]uint8, 784)
	for _, i := range []uint64{4000, 3, 77, 3} {
		used.digit(digitsSeed, i, a)
	}
	clean.digit(digitsSeed, 3, b)
	assert.Equal(t, b, a)
	clean.digit(digitsSeed+1, 3, b)
	assert.NotEqual(t, b, a)
}

func TestIsqrt(t *testing.T) {
	for _, v := range []int64{0, 1, 2, 3, 4, 8, 9, 15, 16, 1<<31 - 1, 1<<32 - 1, 65535 * 65535, 65535*65535 - 1} {
		r := isqrt(v)
		assert.True(t, r*r <= v && (r+1)*(r+1) > v, "isqrt(%d) = %d", v, r)
	}
}

func BenchmarkDigits(b *testing.B) {
	var c canvas
	pix := make([]uint8, digitSide*digitSide)
	i := uint64(0)
	for b.Loop() {
		c.digit(digitsSeed, i, pix)
		i++
	}
}
