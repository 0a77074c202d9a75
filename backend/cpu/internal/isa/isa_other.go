//go:build !amd64 && !arm64

package isa

import "fmt"

var architecture []Set

func inCPU(Set) bool { return false }

func missing(s Set) error { return fmt.Errorf("isa: %s: %w", s, ErrAbsent) }
