package peak

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/goqat/goqat/backend/cpu/internal/amxtest"
	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

func TestRate(t *testing.T) {
	for k, u := range units {
		rate, ok := Rate(k.kind, k.set)
		assert.Equal(t, k.set.Missing() == nil, ok, "%v", k)
		if ok {
			assert.Positive(t, rate, "%v", k)
			assert.Positive(t, u.ops)
		}
	}
	_, ok := Rate(Float32, isa.Portable)
	assert.False(t, ok)
}

// TestTileLoops: the loops of AMX run, and release their tiles.
func TestTileLoops(t *testing.T) {
	emulated := amxtest.Start(t)
	before := amxtest.Dots()
	for _, k := range []key{{Int8, isa.AMXInt8}, {BF16, isa.AMXBF16}} {
		u, ok := units[k]
		if !ok {
			t.Skip("no assembly in this build")
		}
		u.run(3)
	}
	if emulated {
		assert.Equal(t, before+2*3*4, amxtest.Dots())
	}
}

func BenchmarkPeak(b *testing.B) {
	for _, s := range isa.Sets() {
		for _, k := range []Kind{Float32, BF16, Int8} {
			if _, ok := Rate(k, s); !ok {
				continue
			}
			b.Run("dtype="+string(k)+"/isa="+s.String(), func(b *testing.B) {
				best := 0.0
				for b.Loop() {
					r, _ := Rate(k, s)
					best = max(best, r)
				}
				b.ReportMetric(best/1e9, "GOP/s")
			})
		}
	}
}
