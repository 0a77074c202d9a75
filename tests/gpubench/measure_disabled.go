//go:build !cuda

package main

import (
	"context"
	"time"

	"github.com/goqat/goqat/backend/gpu"
)

// measure returns why this binary cannot.
func measure(context.Context, bool, time.Duration) (measurements, error) {
	return measurements{}, gpu.Available()
}
