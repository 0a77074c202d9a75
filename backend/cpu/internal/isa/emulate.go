package isa

import "sync/atomic"

var emulated [end]atomic.Bool

// Emulate makes [Set.Missing] return nil for s from now until restore is
// called, as though the machine had it: for tests with an emulator of its
// instructions.
func Emulate(s Set) (restore func()) {
	set := func(v bool) {
		mu.Lock()
		defer mu.Unlock()
		emulated[s].Store(v)
		for _, f := range families {
			f.forget()
		}
	}
	was := emulated[s].Load()
	set(true)
	return func() { set(was) }
}
