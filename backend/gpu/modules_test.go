//go:build cuda

package gpu

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDigest: each kernel file, and each kind of code of it, has a digest of its
// own, the same at any time.
func TestDigest(t *testing.T) {
	needSim(t)
	t.Setenv("GOQAT_SIM_CC", "80")
	b := open(t)
	seen := map[string]string{}
	for stem := range b.code.best {
		d := b.code.digest(stem)
		require.Regexp(t, "^[0-9a-f]{16}$", d)
		require.Empty(t, seen[d], stem)
		seen[d] = stem
	}
	require.NotEqual(t, b.code.digest("relu", "add"), b.code.digest("add", "relu"))
	require.NotEqual(t, b.code.digest("relu"), b.code.digest("relu", "no such file"))
	again := &modules{}
	again.init(b.c)
	require.Equal(t, b.code.digest("relu", "add"), again.digest("relu", "add"))

	// Code of a folder of cubins is other code.
	dir := t.TempDir()
	t.Setenv("GOQAT_CUBINS", dir)
	file := filepath.Join(dir, fmt.Sprintf("relu.sm_%d.cubin", b.c.Device().Arch()))
	digests := map[string]bool{b.code.digest("relu"): true}
	for _, code := range []string{"one", "two"} {
		require.NoError(t, os.WriteFile(file, []byte(code), 0o600))
		other := &modules{}
		other.init(b.c)
		digests[other.digest("relu")] = true
		require.Equal(t, b.code.digest("add"), other.digest("add"))
	}
	require.Len(t, digests, 3)

	t.Setenv("GOQAT_CUBINS", "")
	t.Setenv("GOQAT_SIM_CC", "90")
	before := b.code.digest(wgmmaModule)
	closed(t, b)
	require.NotEqual(t, before, open(t).code.digest(wgmmaModule))
}
