// Package peak measures what the arithmetic units of one core can do: the
// yardstick of benchmarks.
package peak

import (
	"time"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// Kind is what a unit multiplies and adds.
type Kind string

// The kinds of products.
const (
	Float32 Kind = "float32"
	Int8    Kind = "int8" // exact: words where there is no instruction for bytes
	BF16    Kind = "bfloat16"
)

// unit is a loop and its operations (two a product) in a round.
type unit struct {
	run func(rounds uintptr)
	ops float64
}

type key struct {
	kind Kind
	set  isa.Set
}

var units = map[key]unit{}

const (
	trial  = 4 * time.Millisecond
	trials = 9
)

// Rate returns the operations per second that the unit of s for k makes on
// this core now, the best of a few trials that take some 40 ms together; ok is
// false when there is no unit, or when it is not in this machine.
func Rate(k Kind, s isa.Set) (ops float64, ok bool) {
	u, ok := units[key{k, s}]
	if !ok || s.Missing() != nil {
		return 0, false
	}
	rounds := uintptr(1)
	for rounds < 1<<30 {
		start := time.Now()
		u.run(rounds)
		if time.Since(start) >= trial {
			break
		}
		rounds *= 2
	}
	for range trials {
		start := time.Now()
		u.run(rounds)
		ops = max(ops, float64(rounds)*u.ops/time.Since(start).Seconds())
	}
	return ops, true
}
