//go:build !cuda

// Package gpu is the backend for CUDA devices. It is in binaries built with
// -tags cuda; others register it with an error that says so, so that "auto"
// takes the CPU and "gpu" explains itself.
package gpu

import (
	"fmt"

	"github.com/goqat/goqat/backend"
)

func init() {
	backend.Register("gpu", func(string) (backend.Backend, error) { return nil, Available() })
}

// Available returns [backend.ErrNotBuilt].
func Available() error {
	return fmt.Errorf("gpu: %w: build with -tags cuda", backend.ErrNotBuilt)
}
