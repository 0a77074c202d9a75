package cpu_test

import (
	"testing"

	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	_ "github.com/goqat/goqat/op"
)

// TestConformance runs every operation of the registry.
func TestConformance(t *testing.T) { backendtest.Run(t, cpu.New()) }
