// Package amxtest gives tests a machine with AMX: the real unit where there is
// one, else an emulator of its instructions. It is linked into tests only.
//
// The emulator handles SIGILL: it decodes the tile instruction that the CPU
// does not know, executes it on tiles of the thread as Intel's manual defines
// it, and continues behind it; any other SIGILL goes to the handler that was
// there before, Go's. Where AMX would raise #UD or #GP, and where tiles are
// in use when a test ends, the test fails.
package amxtest

import (
	"errors"
	"testing"

	"github.com/goqat/goqat/backend/cpu/internal/isa"
)

// Sets are the instruction sets that Start provides.
var Sets = []isa.Set{isa.AMXInt8, isa.AMXBF16}

// Start makes the machine have AMX until the test ends, or skips it where
// that cannot be. It returns whether AMX is emulated, so that [Dots] counts.
func Start(t testing.TB) (emulated bool) {
	t.Helper()
	emulated, err := start(t)
	if err != nil {
		t.Skip("no AMX: ", err)
	}
	return emulated
}

// Try is Start for tests of all instruction sets: they go on without AMX where
// that cannot be.
func Try(t testing.TB) (emulated bool) {
	t.Helper()
	emulated, _ = start(t)
	return emulated
}

// Emulated reports whether tile instructions are emulated in this process.
func Emulated() bool { return installed() }

func start(t testing.TB) (emulated bool, err error) {
	t.Helper()
	here := 0
	for _, s := range Sets {
		switch err := s.Missing(); {
		case err == nil:
			here++
		case !errors.Is(err, isa.ErrAbsent):
			// Some tile instructions may work, so that not all are emulated.
			return false, err
		}
	}
	if here == len(Sets) && !installed() {
		return false, nil
	}
	if err := install(); err != nil {
		return false, err
	}
	for _, s := range Sets {
		t.Cleanup(isa.Emulate(s))
	}
	t.Cleanup(func() {
		t.Helper()
		if f := Fault(); f != "" {
			t.Error("AMX: ", f)
		}
		if n := InUse(); n != 0 {
			t.Errorf("AMX: tiles are in use on %d threads: TILERELEASE is missing", n)
		}
	})
	return true, nil
}
