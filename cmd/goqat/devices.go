package main

import (
	"fmt"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/program"
)

// peers opens the devices that train together with b, n with it, and returns a
// state on each and the function that closes them.
func (a *app) peers(b backend.Backend, n int) ([]*program.State, func(), error) {
	var states []*program.State
	done := func() {
		for _, s := range states {
			_ = s.Backend().Close()
		}
	}
	if n > 1 && b.Name() != "gpu" && b.Name() != "cpu" {
		return nil, nil, usagef("--devices %d counts from the first: say --backend gpu, not %s", n, b.Name())
	}
	for i := 1; i < n; i++ {
		name := b.Name()
		if name == "gpu" {
			name = fmt.Sprintf("gpu:%d", i)
		}
		p, err := backend.Open(name)
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("--devices %d: %w (goqat doctor lists the devices)", n, err)
		}
		states = append(states, program.NewState(p))
	}
	return states, done, nil
}
