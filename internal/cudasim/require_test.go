//go:build cuda

package cudasim

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// teller notes how a test would end.
type teller struct {
	testing.TB
	failed, skipped bool
}

func (t *teller) Helper()               {}
func (t *teller) Fatalf(string, ...any) { t.failed = true; runtime.Goexit() }
func (t *teller) Skipf(string, ...any)  { t.skipped = true; runtime.Goexit() }

func TestSkip(t *testing.T) {
	for _, c := range []struct {
		promised          string
		simulator, failed bool
	}{
		{"", false, false}, {"", true, false}, {"any", false, true}, {"any", true, false}, {"simulator", false, true}, {"simulator", true, true},
	} {
		t.Setenv("GOQAT_TEST_DEVICE", c.promised)
		x := &teller{}
		done := make(chan struct{})
		go func() {
			defer close(done)
			Skip(x, c.simulator, "no device")
		}()
		<-done
		require.Equal(t, c.failed, x.failed, c.promised)
		require.Equal(t, !c.failed, x.skipped, c.promised)
	}
}
