// Package tests holds the tests that need more than one layer: that every
// operation is whole, that the README is true, and that exported models mean
// the same to other runtimes.
package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/goqat/goqat/backend"
	"github.com/goqat/goqat/backend/backendtest"
	"github.com/goqat/goqat/backend/cpu"
	"github.com/goqat/goqat/graph"
	_ "github.com/goqat/goqat/op"
)

// root is the root of the module.
const root = ".."

// suffixes mark operations that live in the files of the one they belong to.
var suffixes = []string{"_grad", "_grad_input", "_grad_weight", "_train", "_eval"}

// stems are the operations whose stem does not follow from the name.
var stems = map[string]string{
	"ste_grad": "fake_quant", // The gradients of every quantizer stand beside
	"lsq_grad": "fake_quant", // the quantizer in float, where the formula is.

	"all_reduce_wait": "all_reduce",
}

// noFile says why a stem has no file in a folder.
var noFile = map[string]string{
	"backend/cpu/qlinear_mul": "one kernel with qlinear_add, by the function of the two values",
	"backend/cpu/qlinear_sub": "one kernel with qlinear_add, by the function of the two values",
}

// stem returns the name that the files of an operation have: its own, or that
// of the operation it belongs to.
func stem(name string) string {
	if s, ok := stems[name]; ok {
		return s
	}
	for !exists("backend", name) {
		base := name
		for _, s := range suffixes {
			if b, ok := strings.CutSuffix(name, s); ok && graph.Lookup(b) != nil {
				base = b
				break
			}
		}
		if base == name {
			break
		}
		name = base
	}
	return name
}

func exists(folder, stem string) bool {
	st, err := os.Stat(filepath.Join(root, folder, stem+".go"))
	return err == nil && st.Mode().IsRegular()
}

// TestEveryOpIsComplete finds what is missing of an operation: a kernel, its
// conformance test, a gradient and an ONNX name or the reason for having
// none, or a file under the operation's stem.
func TestEveryOpIsComplete(t *testing.T) {
	tested := map[string]bool{}
	for _, name := range backendtest.Registered() {
		tested[name] = true
		assert.NotNil(t, graph.Lookup(name), "backendtest has cases of %s, which package op does not register", name)
	}
	used := map[string]bool{}
	names := graph.Registered()
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			d := graph.Lookup(name)
			assert.Equal(t, name, graph.Prototype(name).OpName())
			assert.NotNil(t, d.Infer, "no shape inference")
			assert.NotEqual(t, d.Grad == nil, d.NoGrad == "", "want a gradient, or the reason for having none")
			assert.NotEqual(t, d.ONNX == "", d.NoONNX == "", "want an ONNX name, or the reason for having none")
			_, view := graph.Prototype(name).(backend.Viewer)
			assert.True(t, view || cpu.Has(name), "no kernel in backend/cpu")
			assert.True(t, tested[name], "no conformance test in backend/backendtest")
			s := stem(name)
			for _, folder := range []string{"backend", "op", "backend/cpu", "backend/backendtest"} {
				key := folder + "/" + s
				why, excused := noFile[key]
				used[key] = true
				if excused {
					assert.NotEmpty(t, why)
				}
				assert.NotEqual(t, excused, exists(folder, s), "%s.go: a file, or an entry of noFile with the reason", key)
			}
		})
	}
	for name := range stems {
		assert.NotNil(t, graph.Lookup(name), "stems has %s, which is no operation", name)
	}
	for key := range noFile {
		assert.True(t, used[key], "noFile has %s, which no operation needs", key)
	}
}

// TestNoOpFileIsOrphaned finds files of kernels and conformance tests that
// have the form of an operation's but belong to none: what a renamed
// operation leaves behind.
func TestNoOpFileIsOrphaned(t *testing.T) {
	known := map[string]bool{}
	for _, name := range graph.Registered() {
		known[stem(name)] = true
	}
	files, err := filepath.Glob(filepath.Join(root, "backend", "*.go"))
	require.NoError(t, err)
	for _, f := range files {
		s := strings.TrimSuffix(filepath.Base(f), ".go")
		if strings.HasSuffix(s, "_test") {
			continue
		}
		_, shared := sharedFiles[s]
		assert.NotEqual(t, known[s], shared, "backend/%s.go: want a registered operation %s, or an entry of sharedFiles", s, s)
	}
}

// sharedFiles are the files of package backend that are no operation's.
var sharedFiles = map[string]string{
	"backend":        "the contract",
	"axis":           "the meaning of a negative axis, for all who have one",
	"window":         "the geometry of convolutions and pools",
	"code_moments":   "the exact sums behind moments of layers on codes",
	"collect":        "what layers on codes find out about their results",
	"sum_order":      "the order of sums of float32 products",
	"code_sum":       "the bound of sums of products of codes, for all who add them up",
	"zero_point":     "which zero points are codes, and the words of the faults",
	"grad_precision": "the rounding of gradients in products of the backward pass",
}
