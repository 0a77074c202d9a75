package cpu

import "github.com/goqat/goqat/backend/cpu/internal/gemm"

// ISA returns the name of the instruction set that matrix kernels use here,
// "portable" for Go alone. The environment variable GOQAT_ISA lowers it.
func ISA() string { return gemm.ISA() }

// SetMaxISA lowers the instruction set for kernels bound from now on, so that
// tests run every path a machine has.
func SetMaxISA(name string) error { return gemm.SetMaxISA(name) }
