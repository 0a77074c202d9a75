package isa

import (
	"fmt"

	"golang.org/x/sys/cpu"
)

var architecture = []Set{NEON, SDOT, I8MM}

// inCPU reports whether the CPU has s and those below it.
func inCPU(s Set) bool {
	a := &cpu.ARM64
	switch s {
	case NEON:
		return a.HasASIMD
	case SDOT:
		return a.HasASIMD && a.HasASIMDDP
	case I8MM:
		return a.HasASIMD && a.HasASIMDDP && a.HasI8MM
	}
	return false
}

func missing(s Set) error {
	if !inCPU(s) {
		return fmt.Errorf("isa: %s: %w", s, ErrAbsent)
	}
	return nil
}
