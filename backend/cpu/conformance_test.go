package cpu_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/backend/cpu/internal/amxtest"
	_ "github.com/goqat/goqat/op"
	"github.com/goqat/goqat/tensor"
)

// TestConformance runs every operation of the registry.
func TestConformance(t *testing.T) { backendtest.Run(t, cpu.New()) }

// onCodes supports operations with codes alone.
type onCodes struct{ *cpu.Backend }

func (b onCodes) Supports(op backend.Op, in ...tensor.Spec) bool {
	for _, s := range in {
		if s.DType.Code() {
			return b.Backend.Supports(op, in...)
		}
	}
	return false
}

// TestConformanceOfISA runs operations on codes with every instruction set of
// the machine, and AMX emulated where it is not.
func TestConformanceOfISA(t *testing.T) {
	emulated := amxtest.Try(t)
	t.Cleanup(func() { require.NoError(t, cpu.SetMaxISA("")) })
	for _, s := range cpu.InstructionSets() {
		if !s.Usable || testing.Short() && s.Name != "amx-bf16" {
			continue
		}
		require.NoError(t, cpu.SetMaxISA(s.Name))
		t.Run(s.Name, func(t *testing.T) {
			dots := amxtest.Dots()
			backendtest.RunSupported(t, onCodes{cpu.New()})
			if emulated && cpu.ISA() == "amx-int8" {
				require.NotEqual(t, dots, amxtest.Dots(), "AMX was not used")
			}
		})
	}
}
