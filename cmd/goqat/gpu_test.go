//go:build cuda

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestGPUScripts runs the command of a binary with the GPU backend: without a
// driver, and on the simulator where GOQAT_CUDA_DRIVER names it (make
// test-cuda).
func TestGPUScripts(t *testing.T) {
	sim := os.Getenv("GOQAT_CUDA_DRIVER")
	testscript.Run(t, testscript.Params{
		Dir: "testdata/gpu",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("SIM", sim)
			e.Setenv("GOQAT_CUDA_DRIVER", e.WorkDir+"/no-such-driver.so")
			return nil
		},
		Condition: func(c string) (bool, error) { return c == "sim" && sim != "", nil },
	})
}
