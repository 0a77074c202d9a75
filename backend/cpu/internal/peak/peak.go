// Package peak measures what the arithmetic units of one core can do: the
// yardstick of benchmarks.
package peak

import (
	"runtime"
	"sync"
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

// began is where [Now] counts from where there is no time of a thread.
var began = time.Now()

// seen is the best rate of each unit in this process.
var (
	mu   sync.Mutex
	seen = map[key]float64{}
)

// Rate returns the operations per second that the unit of s for k makes on a
// core: the best of a few trials now, some 40 ms together, and of those of
// earlier calls, as other programs can only make it slower. ok is false when
// there is no unit, or when it is not in this machine.
func Rate(k Kind, s isa.Set) (ops float64, ok bool) {
	u, ok := units[key{k, s}]
	if !ok || s.Missing() != nil {
		return 0, false
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	rounds := uintptr(1)
	for rounds < 1<<30 {
		start := Now()
		u.run(rounds)
		if Now()-start >= trial {
			break
		}
		rounds *= 2
	}
	for range trials {
		start := Now()
		u.run(rounds)
		ops = max(ops, float64(rounds)*u.ops/(Now()-start).Seconds())
	}
	mu.Lock()
	defer mu.Unlock()
	seen[key{k, s}] = max(seen[key{k, s}], ops)
	return seen[key{k, s}], true
}
