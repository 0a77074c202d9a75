//go:build cuda

package cudasim

import (
	"os"
	"testing"
)

// Skip skips a test that needs a GPU or, with simulator, the simulator. It fails
// the test instead where GOQAT_TEST_DEVICE promises one: "any" a device,
// "simulator" that the device is simulated. So a run in which every test of
// the GPU backend was skipped does not pass for a good one.
func Skip(t testing.TB, simulator bool, format string, args ...any) {
	t.Helper()
	switch promised := os.Getenv("GOQAT_TEST_DEVICE"); {
	case promised == "simulator", promised == "any" && !simulator:
		t.Fatalf("GOQAT_TEST_DEVICE="+promised+", but: "+format, args...)
	}
	t.Skipf(format, args...)
}
