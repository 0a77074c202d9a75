//go:build cuda

package gpu

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/graph"
)

// noKernel says why an operation that is no view has no kernel here.
var noKernel = map[string]string{}

// TestEveryOpHasAKernel finds operations that this backend lacks, and kernels
// whose source is not in csrc.
func TestEveryOpHasAKernel(t *testing.T) {
	names := graph.Registered()
	require.NotEmpty(t, names)
	for _, name := range names {
		_, view := graph.Prototype(name).(backend.Viewer)
		why, excused := noKernel[name]
		assert.Equal(t, excused, why != "", "noKernel[%q] wants a reason", name)
		assert.False(t, excused && (view || Has(name)), "%s is in noKernel without need", name)
		assert.True(t, view || excused || Has(name), "%s: no kernel, and no entry of noKernel", name)
	}
	for name, k := range kernels {
		if k.module == "" { // A copy, or launches of other modules.
			continue
		}
		_, err := os.Stat(filepath.Join("..", "..", "csrc", k.module+".cu"))
		assert.NoError(t, err, "kernel of %s", name)
	}
	for name := range noKernel {
		assert.NotNil(t, graph.Lookup(name), "noKernel has %s, which is no operation", name)
	}
}
