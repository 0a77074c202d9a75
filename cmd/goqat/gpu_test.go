//go:build cuda

package main

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	"github.com/goqat/goqat/nn"
	"github.com/goqat/goqat/program"
	"github.com/goqat/goqat/tensor"
	"github.com/goqat/goqat/train"
)

// TestGPUScripts runs the command of a binary with the GPU backend: without a
// driver, and on the simulator where GOQAT_CUDA_DRIVER names it (make
// test-cuda).
func TestGPUScripts(t *testing.T) {
	sim := os.Getenv("GOQAT_CUDA_DRIVER")
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/gpu",
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"waitfor": waitFor},
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("SIM", sim)
			e.Setenv("GOQAT_CUDA_DRIVER", e.WorkDir+"/no-such-driver.so")
			return nil
		},
		Condition: func(c string) (bool, error) {
			switch c {
			case "sim":
				return sim != "", nil
			case "kernels":
				return sim != "" && trains(t), nil
			case "fused":
				return fusesProducts(), nil
			}
			return false, nil
		},
	})
}

// fusesProducts reports whether the CPU's float32 products fuse multiply and
// add, as the GPU's do.
func fusesProducts() bool {
	return slices.ContainsFunc(cpu.KernelISAs(), func(k cpu.KernelISA) bool { return k.Family == "float32 product" && k.ISA != "portable" })
}

// trains reports whether the backend has all kernels that the training of a
// small convolutional network takes.
func trains(t *testing.T) bool {
	b, err := backend.Open("gpu")
	require.NoError(t, err)
	defer b.Close()
	g, err := nn.Build("lenet", tensor.Shape{28, 28, 1}, 10, 1)
	require.NoError(t, err)
	c := train.DefaultConfig()
	c.Batch = 8
	_, err = train.CompileStep(t.Context(), g, c, graph.Mode{Train: true}, program.NewState(b))
	if errors.Is(err, backend.ErrUnsupported) {
		return false
	}
	require.NoError(t, err)
	return true
}
