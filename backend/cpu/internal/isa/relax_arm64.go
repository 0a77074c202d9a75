//go:build arm64 && !purego

package isa

// relax is YIELD.
func relax()
