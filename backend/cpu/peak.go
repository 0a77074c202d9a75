package cpu

import (
	"github.com/goqat/goqat/backend/cpu/internal/isa"
	"github.com/goqat/goqat/backend/cpu/internal/peak"
)

// The kinds of products that [PeakRate] knows.
const (
	PeakFloat32  = string(peak.Float32)
	PeakInt8     = string(peak.Int8)
	PeakBFloat16 = string(peak.BF16)
)

// PeakRate measures the operations a second, a multiplication and an addition
// counting one each, that a unit of this core can do at most: the yardstick
// of products. kind is one of [PeakFloat32], [PeakInt8] and [PeakBFloat16]; the
// unit is that of the best instruction set that has one for it and that
// [SetMaxISA] allows, whose name it returns. ok is false when there is none,
// as in a build without assembly. It takes some 40 ms.
func PeakRate(kind string) (rate float64, name string, ok bool) {
	sets := isa.Sets()
	for i := len(sets) - 1; i >= 0; i-- {
		if !isa.Allowed(sets[i]) {
			continue
		}
		if rate, ok = peak.Rate(peak.Kind(kind), sets[i]); ok {
			return rate, sets[i].String(), true
		}
	}
	return 0, "", false
}
